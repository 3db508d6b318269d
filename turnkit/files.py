"""Files: where generated things are kept, and how they are written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from turnkit.errors import ConfigError, InputError

CACHE_VARIABLE = "TURNKIT_CACHE"
"""Environment variable that moves the cache."""

_BLOCK = 1 << 20
"""Bytes read at a time when hashing."""


def cache_dir() -> Path:
    """Folder for everything turnkit can make again (corpora, learned tables, graphs).

    Returns
    -------
    Path
        ``$TURNKIT_CACHE`` if it is set and not empty, else the platform's cache folder
        (on Linux ``~/.cache/turnkit``). The folder is not created.
    """
    chosen = os.environ.get(CACHE_VARIABLE, "")
    if chosen:
        return Path(chosen).expanduser().absolute()
    try:
        import platformdirs
    except ImportError:
        # A bundle that looks for its encoder here runs with numpy and ONNX Runtime alone.
        home = os.environ.get("XDG_CACHE_HOME", "").strip() or "~/.cache"
        return Path(home).expanduser() / "turnkit"
    return Path(platformdirs.user_cache_dir("turnkit", appauthor=False))


class OutputError(InputError, OSError):
    """A file that cannot be written where it is to be; whoever expects `OSError` gets one."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file so that readers see the old one or the whole new one, never a part.

    The body of the ``with`` writes the path it is given, which lies in the same folder
    (a rename cannot cross file systems) and ends with the same name, so that writers
    which look at the suffix do the right thing. When the body ends, the file is flushed
    to the disk and renamed; when it raises, the file is removed.

    Parameters
    ----------
    path : path-like
        The file to be. Missing folders are created; an existing file is replaced, where a
        link leads, the file that it leads to.

    Yields
    ------
    Path
        The file to write.

    Raises
    ------
    OutputError
        If there is something else of that name: a folder, a device or a pipe; or if its
        folder cannot be made.
    FileNotFoundError
        If the body wrote no file.
    """
    final = Path(os.path.realpath(path)) if Path(path).is_symlink() else Path(path)
    # A rename would take the place of a device, too.
    if final.exists() and not final.is_file():
        raise OutputError(f"{path}: expected a file or a new name; it is a folder or a device")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise OutputError(f"{path}: its folder cannot be made ({error.strerror})") from error
    aside = final.with_name(f".{uuid.uuid4().hex}-{Path(path).name}")
    try:
        yield aside
        _flush(aside)
        aside.replace(final)
    finally:
        aside.unlink(missing_ok=True)
    _flush_folder(final.parent)


def check_output(path: str | os.PathLike[str], *, folder: bool) -> None:
    """See that something can be written there, before the work that is to be written.

    Parameters
    ----------
    path : path-like
        As the user gave it. Nothing is made there.
    folder : bool
        Whether a folder is to be, or else a file.

    Raises
    ------
    ConfigError
        If something else is in the way.
    """
    target, wanted = Path(path), "folder" if folder else "file"
    try:
        if target.exists():
            if not (target.is_dir() if folder else target.is_file()):
                found = "a file" if folder else "a folder or a device"
                raise ConfigError(f"output {path}: {found}; expected a {wanted}")
            return
        if folder and target.is_symlink():
            raise ConfigError(f"output {path}: a link to nothing; expected a folder")
        above = next(each for each in target.absolute().parents if each.exists())
    except OSError as error:  # such as a name that is too long
        raise ConfigError(f"output {path}: {error.strerror}") from error
    if not above.is_dir():
        raise ConfigError(f"output {path}: {above} is a file; expected a folder")


def sha256_file(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _flush(path: Path) -> None:
    # "r+b" because some systems refuse to sync what was opened for reading only
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, where folders can be synced."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
