"""What makes two runs the same: a run that was stopped goes on only as what it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from turnkit.errors import ConfigError
from turnkit.evaluate.machine import Machine
from turnkit.lab.folder import RunFolder
from turnkit.lab.request import Prepared
from turnkit.lab.scenario.script import Action, Say, SayOver, Script, Sound

_ELSEWHERE = ("cores",)
"""Keys of a request that may differ: where the agent runs, not what is asked of it."""

_CHANGING = ("ice_servers",)
"""Keys of an agent's description that may differ: credentials of relays run out."""

_HINT = "name another folder with --out, or give the same command again to go on with this run"


def plan_of(prepared: Prepared) -> dict[str, Any]:
    """Write what a run is to be, in plain values as `json` gives them back.

    Parameters
    ----------
    prepared : Prepared

    Returns
    -------
    dict
        ``request``, ``source``, ``network``, ``calls``, ``turns``, ``expect``, ``scripts``
        (a digest), ``machine``.
    """
    plan: dict[str, Any] = {
        "request": prepared.request.as_dict(),
        "source": prepared.about,
        "network": None if prepared.network is None else asdict(prepared.network),
        "calls": len(prepared.scripts),
        "turns": sum(script.turns for script in prepared.scripts),
        "expect": list(prepared.expect),
        "scripts": digest(prepared.scripts),
        "machine": asdict(Machine.read()),
    }
    content: dict[str, Any] = json.loads(json.dumps(plan))
    return content


def check_same(folder: RunFolder, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """See that a run's plan is what is asked for now.

    Parameters
    ----------
    folder : RunFolder
    before, now : mapping
        As `plan_of` gives them.

    Raises
    ------
    ConfigError
        If not: names what changed, and the way out.
    """
    if not isinstance(before.get("request"), Mapping):
        raise ConfigError(f"{folder.path}: holds no run of calls; {_HINT}")
    for key in ("request", "network", "expect", "machine"):
        left_out = _ELSEWHERE if key == "request" else ()
        _refuse(folder, _differences(before.get(key), now.get(key), _prefix(key), left_out))
    # Plans without a digest were written before there was one.
    if before.get("scripts", now["scripts"]) != now["scripts"]:
        raise ConfigError(
            f"{folder.path}: holds another run (its scripts are not the same: what is said, or "
            f"when); {_HINT}"
        )


def check_same_agent(folder: RunFolder, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """See that an agent is the one that a run called before.

    Raises
    ------
    ConfigError
        If it describes itself differently: names what changed, and the way out.
    """
    _refuse(folder, _differences(before, now, "the agent's ", _CHANGING))


def described(description: Mapping[str, Any]) -> dict[str, Any]:
    """Take from an agent's description what may be kept: no relays, no credentials."""
    return {key: value for key, value in description.items() if key not in _CHANGING}


def digest(scripts: Sequence[Script]) -> str:
    """Take a SHA-256 over everything that callers are to do and to say, and when."""
    found = hashlib.sha256()
    for script in scripts:
        found.update(_line(script.number, script.seed, script.starts_s))
        for action in script.actions:
            _add_action(found, action)
    return found.hexdigest()


def _add_action(found: hashlib._Hash, action: Action) -> None:
    sound = action.sound if isinstance(action, Say | SayOver) else None
    values = [getattr(action, each.name) for each in fields(action) if each.name != "sound"]
    found.update(_line(type(action).__name__, *values))
    if sound is not None:
        _add_sound(found, sound)


def _add_sound(found: hashlib._Hash, sound: Sound) -> None:
    times = (sound.rate, sound.onset, sound.ended, [list(each) for each in sound.holds])
    found.update(_line(sound.kind, sound.name, sound.text, *times))
    for samples in (sound.samples, sound.floor):
        if samples is None:
            found.update(_line(None))
        else:
            found.update(_line(len(samples)))
            found.update(np.ascontiguousarray(samples).tobytes())


def _line(*values: Any) -> bytes:
    return json.dumps(values, default=float).encode() + b"\n"


def _prefix(key: str) -> str:
    return "" if key == "request" else f"{key} "


def _refuse(folder: RunFolder, differences: Iterator[str]) -> None:
    found = next(differences, None)
    if found is not None:
        raise ConfigError(f"{folder.path}: holds another run ({found}); {_HINT}")


def _differences(before: Any, now: Any, name: str, left_out: Sequence[str] = ()) -> Iterator[str]:
    """Name what is not the same, with both values."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in {**before, **now}:
            if key not in left_out:
                dotted = f"{name}{key}" if name.endswith(" ") or not name else f"{name}.{key}"
                yield from _differences(before.get(key), now.get(key), dotted)
    elif before != now:
        yield f"{name.strip()} {_text(before)}, now {_text(now)}"


def _text(value: Any) -> str:
    """Write a value; of a whole group of settings only its name."""
    return repr(value.get("name", "set")) if isinstance(value, Mapping) else repr(value)
