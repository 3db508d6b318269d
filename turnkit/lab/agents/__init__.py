"""The agent under test: a preset served by a process of its own, or an address."""
