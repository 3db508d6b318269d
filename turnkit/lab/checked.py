"""What was read of a run's files, checked, so that nothing later stumbles over it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from turnkit.lab.records import CallRecord, Said
from turnkit.lab.scenario.script import KINDS

USAGE_KEYS = ("at", "cpu_s", "rss_mb", "calls")
"""What every line on the agent's CPU and memory has."""

_OBJECTS = ("request", "source", "machine", "stages", "network")
"""Keys of a plan that are objects, where they are known."""


def is_number(value: object) -> bool:
    """Whether a value is a finite number, and no bool."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def checked_plan(content: Any) -> dict[str, Any]:
    """Check a plan.

    Raises
    ------
    TypeError
        If something in it is not what it has to be.
    """
    if not isinstance(content, dict):
        raise TypeError("expected an object")
    for key in _OBJECTS:
        if not isinstance(content.get(key), Mapping | None):
            raise TypeError(f"{key} {content[key]!r}: expected an object")
    for name, stage in (content.get("stages") or {}).items():
        if not isinstance(stage, Mapping | None):
            raise TypeError(f"stages: {name} {stage!r}: expected an object")
    steal = content.get("steal")
    if steal is not None and not is_number(steal):
        raise TypeError(f"steal {steal!r}: expected a number")
    return content


def checked_record(content: Any, number: int) -> CallRecord:
    """Check the record of call `number`.

    Raises
    ------
    AttributeError, KeyError, TypeError, ValueError, OverflowError
        If something in it is not what it has to be.
    """
    said = tuple(_said(each) for each in content.pop("said"))
    record = CallRecord(said=said, **content)
    if record.number != number:
        raise ValueError(f"number {record.number!r}: expected the folder's, {number}")
    _numbers(record, "seconds", "playout_delay_s", "late", "skipped")
    _words(record, "call_id", "ended_by")
    if not isinstance(record.error, str | None) or not isinstance(record.network, Mapping):
        raise TypeError("error, network: expected words and an object")
    return record


def _said(content: dict[str, Any]) -> Said:
    holds = tuple((float(start), float(end)) for start, end in content.pop("holds"))
    said = Said(holds=holds, **content)
    if said.kind not in KINDS:
        raise ValueError(f"kind {said.kind!r}: expected {', '.join(KINDS)}")
    _numbers(said, "began", "onset", "ended", "until")
    _words(said, "name")
    if not isinstance(said.text, str | None) or not isinstance(said.over, bool):
        raise TypeError("text, over: expected words and true or false")
    if not all(map(math.isfinite, (each for hold in holds for each in hold))):
        raise ValueError("holds: expected numbers")
    return said


def _numbers(thing: object, *names: str) -> None:
    for name in names:
        if not is_number(getattr(thing, name)):
            raise TypeError(f"{name} {getattr(thing, name)!r}: expected a number")


def _words(thing: object, *names: str) -> None:
    for name in names:
        if not isinstance(getattr(thing, name), str):
            raise TypeError(f"{name} {getattr(thing, name)!r}: expected words")
