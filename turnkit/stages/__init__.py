"""Speech and language services, for corpus synthesis and for the agent."""
