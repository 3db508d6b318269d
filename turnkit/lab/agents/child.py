"""The process of an agent of one's own: it ends when the lab does, however that ends.

::

    python -m turnkit.lab.agents.child serve PRESET ...

Standard input is a pipe that the lab holds open and never writes to. It is closed when the
lab is gone, even where nothing could be said any more (SIGKILL). Ctrl-C does not get here:
the lab starts this process in a session of its own, and ends it itself.
"""

from __future__ import annotations

import os
import runpy
import signal
import threading
import time

_GRACE_S = 15.0
_STDIN = 0


def main() -> None:
    """Run ``python -m turnkit`` with this process's arguments."""
    threading.Thread(target=_end_with_the_lab, name="lab", daemon=True).start()
    runpy.run_module("turnkit", run_name="__main__", alter_sys=True)


def _end_with_the_lab() -> None:
    try:
        # Not through sys.stdin: its lock would be held when the interpreter ends.
        while os.read(_STDIN, 1024):
            pass
    except OSError:  # a pipe that broke is closed, too
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)


if __name__ == "__main__":
    main()
