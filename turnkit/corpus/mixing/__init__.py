"""Several corpora made into one: how much of each, who is in which split, what was left out."""

from __future__ import annotations

from turnkit.corpus.mixing.mix import mix, read_mix
from turnkit.corpus.mixing.settings import MixSettings, MixSource

__all__ = ["MixSettings", "MixSource", "mix", "read_mix"]
