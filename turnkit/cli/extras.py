"""What a command needs beyond the core, told in words where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from turnkit.errors import MissingDependencyError


@contextmanager
def needing(extra: str, purpose: str) -> Iterator[None]:
    """Turn the missing of another project's package into an error that names the extra.

    Parameters
    ----------
    extra : str
        Of turnkit, that brings it.
    purpose : str
        What the message says it is for.

    Raises
    ------
    MissingDependencyError
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if isinstance(error, MissingDependencyError) or package in {"", "turnkit"}:
            raise
        raise MissingDependencyError(package, extra, purpose) from error
