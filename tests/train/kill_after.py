"""``kill_after.py N ARGS``: ``turnkit ARGS``, killed right after its N-th checkpoint."""

from __future__ import annotations

import os
import signal
import sys

import lightning

from turnkit.cli.main import main
from turnkit.train.callbacks import KeepState

_save = KeepState._save
_saved = 0


def save_and_die(self: KeepState, trainer: lightning.Trainer) -> None:
    global _saved
    _save(self, trainer)
    _saved += 1
    if trainer.is_global_zero and _saved == int(sys.argv[1]):
        print(f"killed at step {trainer.global_step}", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    KeepState._save = save_and_die  # type: ignore[method-assign]
    raise SystemExit(main(sys.argv[2:]))
