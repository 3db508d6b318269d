"""A caller made of software: speaks recordings into a call and records what it hears."""

from turnkit.lab.caller.client import Caller, Recording, Utterance
from turnkit.lab.caller.impair import Impair, Impairment
from turnkit.lab.caller.onset import Sound, find_sounds

__all__ = [
    "Caller",
    "Impair",
    "Impairment",
    "Recording",
    "Sound",
    "Utterance",
    "find_sounds",
]
