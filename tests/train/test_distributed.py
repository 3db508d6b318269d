"""Two processes (gloo, CPU) really train, are killed, go on and finish."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

KILL_AFTER = Path(__file__).with_name("kill_after.py")
NEVER = 999

TWO = ["trainer.devices=2", "trainer.strategy=ddp"]


def turnkit(saves: int, arguments: Sequence[str]) -> tuple[int, str]:
    """Run ``turnkit`` in a session of its own; nothing of it is left behind."""
    process = subprocess.Popen(
        [sys.executable, str(KILL_AFTER), str(saves), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "MASTER_ADDR": "127.0.0.1"},
    )
    try:
        # Returns when the last process that holds the pipe is gone: also when it is killed,
        # the other rank has to notice and to end.
        output, _ = process.communicate(timeout=300)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, output


@pytest.mark.slow
def test_two_processes_train_are_killed_go_on_and_finish(
    tiny_recipe: Callable[..., Path], tmp_path: Path
) -> None:
    path = str(tiny_recipe())
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(turnkit, NEVER, ["train", path, *TWO, f"out={whole}"])
        second = pool.submit(turnkit, 2, ["train", path, *TWO, f"out={stopped}"])
    status, output = first.result()
    assert status == 0, output
    # 18 rows in batches of 4, dealt to two ranks: three steps an epoch
    status, output = second.result()
    assert status == -signal.SIGKILL, output
    assert "killed at step 2" in output
    assert not (stopped / "metrics.json").exists()
    status, output = turnkit(NEVER, ["train", "--resume", str(stopped)])
    assert status == 0, output

    done = json.loads((stopped / "metrics.json").read_text())
    expected = json.loads((whole / "metrics.json").read_text())
    assert done["steps"] == expected["steps"] == 6
    assert done["epochs"] == 2
    # Each rank replayed its share of the validation turns.
    assert done["validation"] == expected["validation"]
    # On the same, best weights one process alone fitted the policies at the end.
    assert done["policies"]["FC@300"]["rate"] == pytest.approx(done["validation"]["val/FC@300"])
    assert done["policies"] == expected["policies"]
    one, other = (load_file(folder / "weights.safetensors") for folder in (whole, stopped))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
