"""``turnkit doctor``: what is installed, what the defaults resolve to, what is missing."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnkit.cli.main import Subparsers

_IMPORTED = frozenset({"numpy", "onnxruntime", "soundfile", "torch", "torchaudio"})
"""Distributions that are tried out by importing them: the rest load no shared libraries
of other packages, whose versions may not fit."""

_SELF = "turnkit"


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the report.

    Attributes
    ----------
    name : str
    found : str or None
        Version or path; None if it is missing.
    problem : str or None
        What is wrong, and the command that mends it.
    required : bool
        Whether turnkit cannot do without it.
    """

    name: str
    found: str | None
    problem: str | None
    required: bool = False


def add_parser(subparsers: Subparsers) -> None:
    """Declare ``turnkit doctor``."""
    parser = subparsers.add_parser(
        "doctor",
        help="what is installed, what the defaults resolve to, what is missing",
        description="Say what is installed, what the embedded defaults resolve to, what is "
        "missing and how to get it. Exit status 1 if something required is broken.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the report; 1 if something required is missing or broken."""
    sections = {"packages": list(_packages()), "assets": list(_assets())}
    machine = _machine()
    broken = [
        item for items in sections.values() for item in items if item.required and item.problem
    ]
    if args.json:
        items = {name: [asdict(item) for item in found] for name, found in sections.items()}
        print(json.dumps({"machine": machine, **items, "ok": not broken}, indent=2))
    else:
        print(_text(machine, sections, broken), end="")
    return 1 if broken else 0


def _machine() -> dict[str, Any]:
    from turnkit import __version__
    from turnkit.files import cache_dir
    from turnkit.network import hub_answers, hub_endpoint, hub_refused

    cache = cache_dir()
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    answers = (
        "forbidden by the environment" if hub_refused() else ("yes" if hub_answers() else "no")
    )
    return {
        "turnkit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": len(os.sched_getaffinity(0)),
        "cache": str(cache),
        "cache free": f"{shutil.disk_usage(existing).free / 1e9:.1f} GB",
        "model hub": hub_endpoint(),
        "hub answers": answers,
    }


def _packages() -> Iterator[Item]:
    """Each requirement of turnkit once, with the smallest extra that brings it."""
    from packaging.requirements import Requirement

    try:
        metadata = importlib.metadata.metadata(_SELF)
    except importlib.metadata.PackageNotFoundError:
        yield Item(_SELF, None, "not installed: pip install -e .", required=True)
        return
    wanted = [Requirement(text) for text in metadata.get_all("Requires-Dist") or ()]
    found: dict[str, tuple[Any, list[str]]] = {}
    size: Counter[str] = Counter()
    for requirement in wanted:
        if requirement.name == _SELF:
            continue
        extras = [
            extra
            for extra in metadata.get_all("Provides-Extra") or ()
            if requirement.marker and requirement.marker.evaluate({"extra": extra})
        ]
        size.update(extras)
        found.setdefault(requirement.name, (requirement, []))[1].extend(extras)
    for requirement, extras in found.values():
        yield _package(requirement, min(extras, key=lambda extra: size[extra], default=None))


def _package(requirement: Any, extra: str | None) -> Item:
    name, required = requirement.name, extra is None
    mend = f"pip install '{_SELF}[{extra}]'" if extra else f"pip install {_SELF}"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Item(name, None, mend, required)
    if not requirement.specifier.contains(version, prereleases=True):
        return Item(name, version, f"expected {requirement.specifier}: {mend}", required)
    if name in _IMPORTED:
        try:
            importlib.import_module(name)
        except Exception as error:  # a shared library that does not fit raises anything
            reason = (str(error) or type(error).__name__).splitlines()[0]
            return Item(name, version, f"cannot be imported: {reason}", required)
    return Item(name, version, None, required)


def _assets() -> Iterator[Item]:
    from turnkit.peers import SMOLLM2, path_of, smart_turn_path
    from turnkit.stages.stt.whisper_files import find_model
    from turnkit.stages.tts.lexicon import lexicon_path
    from turnkit.stages.tts.voice import default_voice
    from turnkit.vad import silero_path

    yield _asset("default bundle", lambda: _bundle("default"), required=True)
    yield _asset("encoder bundle", lambda: _bundle("encoder"))
    yield _asset("Silero VAD", silero_path)
    yield _asset("voice (embedded corpus)", default_voice)
    yield _asset("dictionary (embedded corpus)", lexicon_path)
    yield _asset("Smart Turn v3.2 (peer)", smart_turn_path)
    yield _asset("Whisper tiny.en (agent)", lambda: find_model("default"))
    yield _asset("SmolLM2 (agent)", lambda: path_of(SMOLLM2))


def _bundle(name: str) -> Path:
    from turnkit.errors import MissingAssetError

    path = Path(__file__).resolve().parent.parent / "bundles" / f"{name}.turnkit"
    if not path.exists():
        raise MissingAssetError(f"this package came without {path.name}")
    return path


def _asset(name: str, find: Callable[[], Path], required: bool = False) -> Item:
    from turnkit.errors import TurnkitError

    try:
        path = find()
    except TurnkitError as error:
        return Item(name, None, str(error), required)
    if not path.exists():
        return Item(name, None, f"{path} does not exist", required)
    return Item(name, str(path), None, required)


def _text(machine: dict[str, Any], sections: dict[str, list[Item]], broken: list[Item]) -> str:
    lines = [f"{name:<14}{value}" for name, value in machine.items()]
    for title, items in sections.items():
        lines += ["", title]
        width = max(len(item.name) for item in items) + 2
        for item in items:
            mark = "ok" if not item.problem else ("BROKEN" if item.required else "--")
            told = "  ".join(part for part in (item.found, item.problem) if part)
            lines.append(f"  {mark:<7}{item.name:<{width}}{told}")
    lines += ["", f"required and broken: {', '.join(i.name for i in broken) or 'nothing'}"]
    return "\n".join(lines) + "\n"
