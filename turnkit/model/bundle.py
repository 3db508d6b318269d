"""The bundle: one file with everything that a detector needs to run.

A zip archive of a manifest (JSON), ONNX graphs and a model card. Reading one needs the
standard library alone; running it, numpy and ONNX Runtime.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnkit.errors import BundleError
from turnkit.files import atomic_path

SUFFIX = ".turnkit"
MANIFEST = "manifest.json"
CARD = "card.md"
MODEL = "model.onnx"
VAD = "vad.onnx"
ENCODER = "encoder.onnx"

FORMAT = 1
"""Version of the format; a reader refuses a later one."""

_UNREADABLE = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    TypeError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What a damaged archive can raise; RuntimeError where a bit says that it is encrypted or
packed in a way that nobody uses."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle in memory.

    Attributes
    ----------
    manifest : dict
        ``format``, ``kind``, ``name``, ``gate``, ``policy``, ``policies`` (by operating
        point), ``training_speakers`` (hashes), ``sha256`` of each file and, by kind, what
        `turnkit.model.checkpoint.RunModel` lists.
    files : dict of str to bytes
        Graphs and the card.
    """

    manifest: dict[str, Any]
    files: dict[str, bytes]

    @property
    def card(self) -> str:
        """The model card, in Markdown."""
        return self.files.get(CARD, b"").decode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_bundle(path: Path, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write a bundle, whole or not at all; the same content gives the same bytes.

    Raises
    ------
    BundleError
        If it cannot be written; a file that was there before stays.
    """
    ordered = dict(sorted(files.items()))
    full = {
        **manifest,
        "format": FORMAT,
        "sha256": {name: _digest(content) for name, content in ordered.items()},
    }
    entries = {MANIFEST: (json.dumps(full, indent=2) + "\n").encode(), **ordered}
    try:
        with atomic_path(path) as aside, zipfile.ZipFile(aside, "w") as archive:
            for name, content in entries.items():
                # A fixed date: zip would store the time of writing.
                info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, content)
    except OSError as error:
        raise BundleError(f"{path}: cannot be written ({error.strerror or error})") from error


def read_bundle(path: Path) -> Bundle:
    """Read a bundle and check it.

    Raises
    ------
    BundleError
        If it is missing, no bundle, of a later format, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        manifest = json.loads(files.pop(MANIFEST))
        version, digests = manifest["format"], manifest["sha256"]
    except FileNotFoundError as error:
        raise BundleError(f"{path}: no such bundle") from error
    except _UNREADABLE as error:
        raise BundleError(f"{path}: not a turnkit bundle, or a damaged one ({error})") from error
    if not isinstance(version, int) or not 1 <= version <= FORMAT:
        raise BundleError(f"{path}: format {version!r}; this turnkit reads up to {FORMAT}")
    if not isinstance(digests, dict) or not files.keys() <= digests.keys():
        raise BundleError(f"{path}: damaged: not every file in it has a SHA-256")
    for name, expected in digests.items():
        if name not in files or _digest(files[name]) != expected:
            raise BundleError(f"{path}: {name} is missing or damaged (its SHA-256 differs)")
    return Bundle(manifest, files)
