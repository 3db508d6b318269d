"""One call as a pure state machine: no asyncio, no wall clock, no audio devices."""
