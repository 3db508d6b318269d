"""Recordings of calls that never were, with known answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from turnkit.lab.caller import Recording
from turnkit.audio import Samples
from turnkit.corpus.schema import Span, Turn

RATE = 16_000


def row(name: str, end_s: float) -> Turn:
    """A row whose speech ends at `end_s`."""
    samples = np.zeros(round((end_s + 3.0) * RATE), np.float32)
    return Turn(name, "en", None, samples, RATE, (Span(end_s, end_s + 3.0),))


def track(seconds: float, *sounds: tuple[float, float], noise: float = 1e-4) -> Samples:
    """Tones between the given seconds over a little noise."""
    out = noise * np.random.default_rng(0).standard_normal(round(seconds * RATE))
    time = np.arange(len(out)) / RATE
    for start, end in sounds:
        on = (time >= start) & (time < end)
        out += 0.3 * on * np.cos(2 * np.pi * 440 * (time - start))
    return out.astype(np.float32)


def recording(
    heard: Samples,
    sent_at: Sequence[float | None],
    messages: Sequence[tuple[float, Mapping[str, Any]]] = (),
) -> Recording:
    told = tuple((at, dict(message)) for at, message in messages)
    return Recording(np.zeros_like(heard), heard, tuple(sent_at), told, 0.04, 0)


def committed(at: float) -> tuple[float, dict[str, Any]]:
    return at, {"type": "phase", "phase": "committed"}


def reply(at: float, state: str) -> tuple[float, dict[str, Any]]:
    return at, {"type": "reply", "state": state}


def logged(at: float, **fields: Any) -> tuple[float, dict[str, Any]]:
    known = {"type": "turn", "sent_at": 1.0, "text": "", "reply_text": "", "spans": {}}
    return at, known | {"adopted": False} | fields
