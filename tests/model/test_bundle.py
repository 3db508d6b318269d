"""Bundles: the same bytes for the same content, and every kind of damage noticed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from turnkit.errors import BundleError
from turnkit.model.bundle import CARD, FORMAT, MANIFEST, read_bundle, write_bundle

NOISE = np.random.default_rng(0).integers(0, 256, 3_000).astype(np.uint8).tobytes()
FILES = {"model.onnx": NOISE + b"graph" * 200, CARD: "# Größe\n".encode()}
FACTS = {"kind": "streaming", "name": "x", "gate": {"on": 0.5}, "policies": {}}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "x.turnkit", FACTS, FILES)
    return tmp_path / "x.turnkit"


def rewrite(path: Path, **changes: Any) -> None:
    """Replace members (bytes) or manifest keys (anything else; None removes) of a bundle."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members[MANIFEST])
    for name, value in changes.items():
        if isinstance(value, bytes):
            members[name] = value
        elif value is None and name in members:
            del members[name]
        elif value is None:
            del manifest[name]
        else:
            manifest[name] = value
    if MANIFEST in members and not isinstance(changes.get(MANIFEST), bytes):
        members[MANIFEST] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_round_trip(bundle: Path) -> None:
    read = read_bundle(bundle)
    assert read.files == FILES
    assert read.card == "# Größe\n"
    assert read.manifest.items() >= FACTS.items()
    assert read.manifest["format"] == FORMAT
    for name, content in FILES.items():
        assert read.manifest["sha256"][name] == hashlib.sha256(content).hexdigest()


def test_same_content_gives_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.turnkit"
    write_bundle(again, FACTS, dict(reversed(FILES.items())))
    os.utime(again, (0, 0))
    assert again.read_bytes() == bundle.read_bytes()


def test_folders_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a" / "b" / "x.turnkit", FACTS, FILES)
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["x.turnkit"]


def test_every_damaged_byte_is_noticed(bundle: Path, tmp_path: Path) -> None:
    """What is read is what was written, or it is a BundleError; never something else."""
    good, sound = bundle.read_bytes(), read_bundle(bundle)
    rng, path, refused = np.random.default_rng(0), tmp_path / "bad.turnkit", 0
    places = [*range(120), *range(len(good) - 250, len(good)), *rng.integers(120, len(good), 300)]
    for place in places:
        bad = bytearray(good)
        bad[place] ^= int(rng.integers(1, 256))
        path.write_bytes(bad)
        with suppress(BundleError):
            assert read_bundle(path).files == sound.files
            continue
        refused += 1
    assert refused > 0.7 * len(places)


def test_truncated_anywhere(bundle: Path, tmp_path: Path) -> None:
    good, path = bundle.read_bytes(), tmp_path / "bad.turnkit"
    for length in [0, 1, 10, 100, *range(200, len(good), 173), len(good) - 1]:
        path.write_bytes(good[:length])
        with pytest.raises(BundleError, match=r"bad\.turnkit: not a turnkit bundle"):
            read_bundle(path)


@pytest.mark.parametrize("junk", [b"", b"PK", b"no zip at all" * 99, bytes(3_000)])
def test_not_a_zip(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "junk.turnkit"
    path.write_bytes(junk)
    with pytest.raises(BundleError, match="not a turnkit bundle"):
        read_bundle(path)


def test_some_other_zip(tmp_path: Path) -> None:
    path = tmp_path / "other.turnkit"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(BundleError, match=r"not a turnkit bundle.*manifest\.json"):
        read_bundle(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"none\.turnkit: no such bundle"):
        read_bundle(tmp_path / "none.turnkit")
    with pytest.raises(BundleError, match="not a turnkit bundle"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("version", [FORMAT + 1, 99, 0, -1, "1", 1.5])
def test_other_formats(bundle: Path, version: Any) -> None:
    rewrite(bundle, format=version)
    with pytest.raises(BundleError, match=rf"format {version!r}.*reads up to {FORMAT}"):
        read_bundle(bundle)


@pytest.mark.parametrize("key", ["format", "sha256"])
def test_manifest_lacks(bundle: Path, key: str) -> None:
    rewrite(bundle, **{key: None})
    with pytest.raises(BundleError, match=f"not a turnkit bundle.*{key}"):
        read_bundle(bundle)


@pytest.mark.parametrize("manifest", [b"", b"[]", b"null", b"{", b'"x"', b"\xff\xfe", b"3"])
def test_manifest_is_none(bundle: Path, manifest: bytes) -> None:
    rewrite(bundle, **{MANIFEST: manifest})
    with pytest.raises(BundleError, match="not a turnkit bundle"):
        read_bundle(bundle)


def test_member_with_another_hash(bundle: Path) -> None:
    rewrite(bundle, **{"model.onnx": b"another"})
    with pytest.raises(BundleError, match=r"model\.onnx is missing or damaged"):
        read_bundle(bundle)


def test_member_missing(bundle: Path) -> None:
    rewrite(bundle, **{"model.onnx": None})
    with pytest.raises(BundleError, match=r"model\.onnx is missing or damaged"):
        read_bundle(bundle)


@pytest.mark.parametrize("digests", [{}, [], "no", {CARD: "0" * 64}])
def test_member_without_hash(bundle: Path, digests: Any) -> None:
    rewrite(bundle, sha256=digests)
    with pytest.raises(BundleError, match="SHA-256"):
        read_bundle(bundle)


def test_disk_full_leaves_the_old_file(bundle: Path) -> None:
    """A real limit on file size, in a process of its own: writing fails half-way."""
    before = bundle.read_bytes()
    code = (
        "import resource, signal, sys, pathlib\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from turnkit.errors import BundleError\n"
        "from turnkit.model.bundle import write_bundle\n"
        "import random\n"
        "content = random.Random(0).randbytes(100_000)\n"
        "try:\n"
        "    write_bundle(pathlib.Path(sys.argv[1]), {}, {'model.onnx': content})\n"
        "except BundleError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(bundle)], capture_output=True, text=True, check=False
    )
    assert "cannot be written" in done.stdout, done.stderr
    assert bundle.read_bytes() == before
    assert list(bundle.parent.iterdir()) == [bundle]


def test_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be written"):
        write_bundle(tmp_path / "file" / "x.turnkit", FACTS, FILES)
    (tmp_path / "folder.turnkit").mkdir()
    with pytest.raises(BundleError, match="cannot be written"):
        write_bundle(tmp_path / "folder.turnkit", FACTS, FILES)
