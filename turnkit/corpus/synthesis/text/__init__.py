"""What is said in synthetic turns, and where and how long it pauses."""

from __future__ import annotations

from turnkit.corpus.synthesis.text.settings import TextSettings
from turnkit.corpus.synthesis.text.writer import ScriptWriter

__all__ = ["ScriptWriter", "TextSettings"]
