"""A caller made of software: speaks recordings into a call and records what it hears."""

from turnkit.agent.caller.client import Caller, Recording, Utterance
from turnkit.agent.caller.impair import Impair, Impairment
from turnkit.agent.caller.onset import Sound, find_sounds

__all__ = [
    "Caller",
    "Impair",
    "Impairment",
    "Recording",
    "Sound",
    "Utterance",
    "find_sounds",
]
