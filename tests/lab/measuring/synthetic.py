"""Calls that never were, with known answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from turnkit.audio import Samples
from turnkit.lab.records import (
    RATE,
    AgentLog,
    CallRecord,
    CallRecording,
    Ping,
    Said,
)
from turnkit.lab.scenario.script import Kind

Message = tuple[float, Mapping[str, Any]]


def track(seconds: float, *sounds: tuple[float, float], noise: float = 1e-4) -> Samples:
    """Tones between the given seconds over a little noise."""
    out = noise * np.random.default_rng(0).standard_normal(round(seconds * RATE))
    time = np.arange(len(out)) / RATE
    for start, end in sounds:
        on = (time >= start) & (time < end)
        out += 0.3 * on * np.cos(2 * np.pi * 440 * (time - start))
    return out.astype(np.float32)


def speech(seconds: float, *spans: tuple[float, float], seed: int = 0) -> Samples:
    """Noise with the restless envelope of speech, between the given seconds."""
    random = np.random.default_rng(seed)
    out = 10 ** (-75 / 20) * random.standard_normal(round(seconds * RATE))
    for start, end in spans:
        first, last = round(start * RATE), round(end * RATE)
        knots = np.arange(0, end - start + 0.06, 0.06)
        levels = random.uniform(-45, -12, len(knots))
        time = np.arange(last - first) / RATE
        gain = 10 ** (np.interp(time, knots, levels) / 20)
        out[first:last] += gain * random.standard_normal(last - first)
    return np.clip(out, -1, 1).astype(np.float32)


def said(
    began: float, ended: float, kind: Kind = "turn", *, over: bool = False, name: str = "row"
) -> Said:
    return Said(kind, name, began, began + 0.05, ended, ended + 0.2, over=over)


def pings(offset: float, seconds: float, trip: float = 0.02) -> tuple[Ping, ...]:
    """One a second, of an agent whose clock began at `offset`."""
    at = np.arange(offset + 0.5, seconds, 1.0).tolist()
    return tuple(Ping(each - trip / 2, each + trip / 2, each - offset) for each in at)


def frames(sent: Samples, offset: float, said: Samples | None = None) -> list[Message]:
    """Levels as an agent tells them that hears second `offset` first."""
    first = round(offset * RATE)
    messages: list[Message] = []
    for begin in range(first, len(sent) - 1600, 1600):
        slots = [sent[begin + each : begin + each + 320] for each in range(0, 1600, 320)]
        own = (
            [] if said is None else [said[begin + e : begin + e + 320] for e in range(0, 1600, 320)]
        )
        at = (begin + 1600 - first) / RATE
        content = {
            "type": "frames",
            "at": at,
            "step": 0.02,
            "caller": [_level(slot) for slot in slots],
            "agent": [_level(slot) for slot in own] or [-100.0] * 5,
            "speech": [None] * 5,
            "score": [None] * 5,
        }
        messages.append((at + offset + 0.1, content))
    return messages


def _level(samples: Samples) -> float:
    power = float(np.mean(samples.astype(np.float64) ** 2))
    return round(10 * math.log10(max(power, 1e-10)), 1)


def turn(number: int = 1, **fields: Any) -> dict[str, Any]:
    """Write a ``turn`` message; times on the agent's clock."""
    known: dict[str, Any] = {
        "type": "turn", "turn": number, "text": "", "reply_text": "", "speech_end": None,
        "decided_at": None, "reason": "model", "words_final_at": None, "first_token_at": None,
        "first_audio_at": None, "sent_at": None, "speculated": False, "adopted": False,
        "outcome": "answered",
    }  # fmt: skip
    return known | {"at": fields.get("sent_at", 0.0)} | fields


def reply(at: float, state: str, number: int = 1, turn: int | None = 1) -> dict[str, Any]:
    return {"type": "reply", "at": at, "turn": turn, "reply": number, "state": state}


def event(at: float, kind: str = "turn ended", detector: str = "ours") -> dict[str, Any]:
    return {"type": "event", "at": at, "since": at, "detector": detector, "kind": kind}


HELLO = {
    "type": "hello",
    "at": 0,
    "mode": "streaming",
    "detector": {"name": "ours"},
    "stages": {"stt": {"name": "whisper", "simulated": False}},
}


def recording(
    heard: Samples,
    things: Sequence[Said],
    *,
    sent: Samples | None = None,
    messages: Sequence[Message] = (),
    pings: Sequence[Ping] = (),
    number: int = 0,
    **fields: Any,
) -> CallRecording:
    known: dict[str, Any] = {"ended_by": "caller", "playout_delay_s": 0.03} | fields
    record = CallRecord(number, f"call-{number}", len(heard) / RATE, tuple(things), **known)
    log = AgentLog(tuple(messages), tuple(pings))
    return CallRecording(record, np.zeros_like(heard) if sent is None else sent, heard, log)
