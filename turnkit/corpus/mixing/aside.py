"""A folder that appears whole or not at all, and nothing that is left beside it."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from turnkit.files import OutputError

_PREFIX = ".mix-"


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Write a folder aside, which takes its place when the body of the ``with`` ends.

    When the body raises, what was written is removed. A process that was killed leaves it
    beside `out`; the next one to write the same folder removes it. Writers hold a lock
    while they run, which ends with them, so that nobody removes what is still written.

    Parameters
    ----------
    out : Path
        The folder to be: a new or an empty one. Missing folders above it are created.

    Yields
    ------
    Path
        An empty folder to write into.

    Raises
    ------
    OutputError
        If the folder cannot be made, or holds something when all is written.
    """
    _remove_left(out)
    aside, lock = _make(out)
    try:
        yield aside
        _replace(aside, out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _replace(aside: Path, out: Path) -> None:
    try:
        out.mkdir(exist_ok=True)
        aside.replace(out)  # an empty folder is replaced
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise OutputError(f"{out}: somebody else has written there meanwhile") from error


def _make(out: Path) -> tuple[Path, int | None]:
    while True:
        aside = out.with_name(f"{_PREFIX}{uuid.uuid4().hex}-{out.name}")
        try:
            aside.mkdir(parents=True)
        except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
            raise OutputError(f"{out}: cannot be made ({error.strerror})") from error
        try:
            return aside, _lock(aside)
        except (BlockingIOError, FileNotFoundError):
            continue  # another writer took it for one that is left, and removes it


def _remove_left(out: Path) -> None:
    """Remove what writers of a folder left who run no more."""
    name = re.compile(rf"{re.escape(_PREFIX)}[0-9a-f]{{32}}-{re.escape(out.name)}")
    beside = list(out.parent.iterdir()) if out.parent.is_dir() else []
    for folder in beside:
        if not name.fullmatch(folder.name) or not folder.is_dir():
            continue
        try:
            lock = _lock(folder)
        except OSError:  # it is still written, or somebody else removed it
            continue
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder until its handle, the answer, is closed; None where there are no locks.

    Raises
    ------
    BlockingIOError
        If another has locked it.
    FileNotFoundError
        If it is gone.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.stat()  # who held the lock before may have removed it
    except (BlockingIOError, FileNotFoundError):
        os.close(handle)
        raise
    except OSError:  # a file system without them, such as one of another machine
        os.close(handle)
        return None
    return handle
