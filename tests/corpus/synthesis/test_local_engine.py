from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.synthesis.tiny import hashes, run_script, tiny
from turnkit.corpus.synthesis import local_engine
from turnkit.corpus.synthesis.making import RECORD, Made, make_corpus
from turnkit.errors import RunError

SCRIPT = """
import json, sys
from pathlib import Path
from turnkit.corpus.synthesis.making import make_corpus
from turnkit.corpus.synthesis.settings import build_spec
make_corpus(build_spec(json.loads(sys.argv[1])), Path(sys.argv[2]), workers=2)
"""
"""Without an `if __name__ == "__main__"`, as people write them."""


@pytest.mark.slow
def test_processes_of_an_unguarded_script_make_the_same_bytes(made: Made, tmp_path: Path) -> None:
    done = subprocess.run(
        run_script(SCRIPT, tmp_path / "x"), capture_output=True, text=True, check=True
    )
    assert hashes(tmp_path / "x") == hashes(made.folder)
    assert "synthetic turns: 100%" in done.stderr
    assert json.loads((tmp_path / "x" / RECORD).read_text())["sha256"] == made.record["sha256"]


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_dies_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local_engine, "write_shard", die)
    with pytest.raises(RunError, match="one of 2 processes died"):
        make_corpus(tiny(), tmp_path / "x", workers=2)
    assert json.loads((tmp_path / "x" / RECORD).read_text())["complete"] is False
