"""Runs that never were: folders of synthetic calls with known waits and stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.lab.measuring.synthetic import (
    HELLO,
    Message,
    event,
    frames,
    pings,
    recording,
    reply,
    speech,
    turn,
)
from turnkit.lab.folder import RunFolder
from turnkit.lab.records import CallRecording, Said

AUDIO_S, WALL_S = 0.20, 0.25
"""Offsets of the agent's two clocks: what it hears is 50 ms old."""

PLAN = {
    "request": {
        "source": "embedded:test",
        "agent": "budget",
        "overrides": ["mode=streaming"],
        "callers": 2,
        "seed": 0,
        "network": None,
        "playout_delay_s": 0.03,
        "cores": [0, 1],
    },
    "source": {"corpus": "embedded:test", "rows": 40, "synthetic": True},
    "network": None,
    "calls": 4,
    "turns": 12,
    "expect": ["v2v_p50 < 900 ms", "false_interruptions == 0"],
    "machine": {
        "cpu": "Some CPU",
        "cores": 2,
        "system": "Linux x86_64",
        "python": "3.11",
        "turnkit": "0.1",
    },
    "stages": {
        "detector": {"name": "ours", "threshold": 0.5, "action_delay_s": 0.2},
        "stt": {"name": "fake", "simulated": True},
        "llm": {"name": "fake", "simulated": True},
        "tts": {"name": "piper", "simulated": False},
    },
    "steal": 0.003,
}


def make_call(
    number: int, faster_ms: float = 0.0, mode: str = "streaming", turns: int = 3
) -> CallRecording:
    """One call; its second turn is spoken into in every third call, its last one at times
    never answered. `faster_ms` shortens every wait after the decision."""
    rng = np.random.default_rng(number)
    things, answers, messages = list[Said](), list[tuple[float, float]](), list[Message]()
    at = 0.8
    messages.append((0.3, HELLO | {"mode": mode}))
    for k in range(turns):
        ended = at + 1.6
        eot, stt, llm, tts = rng.normal(0.25, 0.03), 0.075, rng.lognormal(-2.1, 0.3), 0.06
        cut, lost = k == 1 and number % 3 == 2, k == turns - 1 and number % 4 == 3
        things.append(
            Said(
                "turn", f"row-{3 * number + k}", at, at + 0.05, ended, ended + 0.2,
                ((at + 0.7, at + 0.9),), text="could I have a table for two",
            )
        )  # fmt: skip
        if cut:
            answers.append((ended - 0.5, ended - 0.1))
        decided = ended - AUDIO_S + eot  # in the agent's audio
        # Words are asked for 0.1 s after the end; a draft does not wait for the decision.
        words = ended - AUDIO_S + 0.1 + 0.02 + stt
        asked = words if mode == "speculative" else max(decided, words)
        token = asked + llm
        audio = token + tts
        sent = max(decided, audio) + 0.008 - faster_ms / 1000
        audible = sent + WALL_S + 0.055
        if not lost:
            answers.append((audible, audible + 1.2))
            clock = {
                "decided_at": decided, "words_final_at": words, "first_token_at": token,
                "first_audio_at": audio - faster_ms / 1000, "sent_at": sent,
                "speech_end": ended - AUDIO_S, "mode": mode,
                "adopted": mode == "speculative", "speculated": mode == "speculative",
            }  # fmt: skip
            told: list[dict[str, Any]] = [
                {"type": "phase", "at": ended - AUDIO_S + 0.12, "phase": "paused"},
                reply(asked, "drafting", k + 1, k + 1),
                event(decided),
                {"type": "phase", "at": decided + 0.004, "phase": "committed"},
                reply(sent, "speaking", k + 1, k + 1),
                turn(
                    k + 1, text="could I have a table for two",
                    reply_text="Of course, for when?", **clock,
                ),
            ]  # fmt: skip
            messages += [(each["at"] + WALL_S, each) for each in told]
        at = ended + 3.6
    # An interruption of the last answer.
    over = answers[-1][0] + 0.4
    things.append(
        Said("interruption", "wait", over, over + 0.02, over + 0.6, over + 0.7, over=True)
    )
    answers[-1] = (answers[-1][0], over + 0.45)
    messages.append((over + 0.3, reply(over + 0.3 - WALL_S, "interrupted", turns, turns)))
    seconds = at + 1.0
    sent_audio = speech(seconds, *((each.onset, each.ended) for each in things), seed=number)
    heard = speech(seconds, *answers, seed=100 + number)
    messages += frames(sent_audio, AUDIO_S)
    messages.append(
        (seconds - 0.1, {"type": "stats", "at": seconds - 0.4, "counts": {"take_backs": 0}})
    )
    network = {"up": {"packets": 500, "lost": 3}, "down": {"packets": 480, "lost": 1}}
    return recording(
        heard, things, sent=sent_audio, messages=sorted(messages, key=lambda m: m[0]),
        pings=pings(WALL_S, seconds), number=number, network=network,
    )  # fmt: skip


def make_run(
    path: Path, calls: int = 4, faster_ms: float = 0.0, mode: str = "streaming", **plan: Any
) -> RunFolder:
    """Write a run's folder."""
    folder = RunFolder(path)
    folder.write_plan({**PLAN, **plan})
    for number in range(calls):
        folder.write_call(make_call(number, faster_ms, mode))
    for second in range(4):
        folder.note_usage({"at": second, "cpu_s": 0.5 * second, "rss_mb": 300.0, "calls": 2})
    return folder
