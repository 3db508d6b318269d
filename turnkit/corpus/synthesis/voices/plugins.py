"""Voices of other packages.

A package offers a voice as an entry point of the group ``turnkit.voices``::

    [project.entry-points."turnkit.voices"]
    mine = "my_package:open_voice"

where ``open_voice(arguments: str) -> Voice`` gets what follows the second colon of
``plugin:mine:ARGUMENTS``.
"""

from __future__ import annotations

from importlib import metadata

from turnkit.corpus.synthesis.voices.protocol import Voice
from turnkit.errors import ConfigError

GROUP = "turnkit.voices"
"""Group of entry points."""


def open_plugin(rest: str) -> Voice:
    """Open a voice of another package.

    Parameters
    ----------
    rest : str
        ``NAME`` or ``NAME:ARGUMENTS``.

    Raises
    ------
    ConfigError
        If no package has such a voice, or what it gives is none.
    """
    name, _, arguments = rest.partition(":")
    voice = _entry(name).load()(arguments)
    lacking = [each for each in ("name", "accent", "speak") if not hasattr(voice, each)]
    if lacking:
        raise ConfigError(f"voice 'plugin:{rest}': gives no voice: it lacks {', '.join(lacking)}")
    opened: Voice = voice
    return opened


def plugin_version(rest: str) -> str:
    """Name and version of the package that a voice comes from."""
    package = _entry(rest.partition(":")[0]).dist
    return f"{package.name} {package.version}" if package else "unknown"


def _entry(name: str) -> metadata.EntryPoint:
    found = metadata.entry_points(group=GROUP)
    for entry in found:
        if entry.name == name:
            return entry
    known = ", ".join(sorted(found.names)) or "none is installed"
    raise ConfigError(f"voice 'plugin:{name}': no such plugin; expected one of: {known}")
