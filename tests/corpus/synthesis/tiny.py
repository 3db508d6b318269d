"""A corpus that is quick to make, for tests."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from turnkit.corpus.synthesis.settings import Spec, build_spec
from turnkit.files import sha256_file

TINY: dict[str, Any] = {
    "name": "tiny",
    "splits": {"train": {"turns": 5, "speakers": 2}, "calm": {"turns": 2, "speakers": 2}},
    "voices": {"voices": {"espeak:en-us": 1.0, "espeak:en-gb-scotland": 1.0}},
    "text": {"kinds": {"short": 1.0}},
    "channel": {"room_count": 3, "babble": 0.5},
    "shard_turns": 2,
}
"""Only texts, voices and rooms that are quick."""


def tiny(**changes: Any) -> Spec:
    return build_spec(TINY | changes)


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in sorted(folder.glob("data/*.parquet"))}


def run_script(code: str, folder: Path) -> list[str]:
    return [sys.executable, "-c", code, json.dumps(TINY), str(folder)]
