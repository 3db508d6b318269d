"""The agent as a web service."""
