"""A caller made of software: speaks recordings into a call and records what it hears."""

from turnkit.lab.caller.client import Caller, Signal, Utterance
from turnkit.lab.caller.ears import Ears
from turnkit.lab.caller.line import Line
from turnkit.lab.caller.onset import Sound, find_sounds
from turnkit.lab.caller.recording import Recording

__all__ = [
    "Caller",
    "Ears",
    "Line",
    "Recording",
    "Signal",
    "Sound",
    "Utterance",
    "find_sounds",
]
