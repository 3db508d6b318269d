"""A call as the agent tells it: four turns, with a barge-in, a take-back and a dropped draft."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

STEP = 0.02
THRESHOLD = 0.5

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Speech:
    """Somebody speaks from `start` to `end`, with pauses inside."""

    start: float
    end: float
    text: str
    pauses: tuple[tuple[float, float], ...] = ()

    def at(self, t: float) -> bool:
        return self.start <= t < self.end and not any(a <= t < b for a, b in self.pauses)

    def words_at(self, t: float) -> str:
        """What of the text was said by `t`."""
        share = min(1.0, max(0.0, (t - self.start) / (self.end - self.start)))
        words = self.text.split()
        return " ".join(words[: math.floor(share * len(words) + 1e-6)])


@dataclass(slots=True)
class Script:
    """Messages in the order of their times, made from who spoke when."""

    callers: list[Speech] = field(default_factory=list)
    agents: list[Speech] = field(default_factory=list)
    scores: list[tuple[float, float, float]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    def add(self, message: str, at: float, /, **fields: Any) -> None:
        self.messages.append({"type": message, "at": round(at, 3), **fields})

    def event(self, kind: str, at: float, since: float, **fields: Any) -> None:
        given = {"detector": "default", "score": None, "reason": None, **fields}
        self.add("event", at, since=since, kind=kind, **given)

    def pause(self, start: float, end: float, peak: float) -> None:
        """A hold: the score rises to `peak`, and the caller goes on."""
        self.event("speech paused", start + 0.12, start)
        self.add("phase", start + 0.12, phase="paused")
        self.scores.append((start, end, peak))
        self.event("turn resumed", end + 0.06, end)
        self.add("phase", end + 0.06, phase="user speaking")

    def reply(self, at: float, turn: int | None, state: str, reply: int = 1) -> None:
        self.add("reply", at, turn=turn, reply=reply, state=state)

    def frames(self, seconds: float) -> None:
        """Levels and scores of the whole call, ten messages a second."""
        noise = random.Random(7)
        n = round(0.1 / STEP)
        for k in range(round(seconds * 10)):
            times = [(k * n + i) * STEP for i in range(n)]
            self.add(
                "frames",
                (k + 1) * 0.1,
                step=STEP,
                caller=[_level(self.callers, t, noise) for t in times],
                agent=[_level(self.agents, t, noise, floor=-90.0) for t in times],
                speech=[_speech(self.callers, t, noise) for t in times],
                score=[self._score(t) for t in times],
            )

    def _score(self, t: float) -> float | None:
        for start, end, peak in self.scores:
            if start + 0.1 <= t < end and _sampled(t):
                grown = 1 - math.exp(-(t - start - 0.1) / 0.13)
                return round(0.06 + (peak - 0.06) * grown, 3)
        return None

    def sorted(self) -> list[Message]:
        return sorted(self.messages, key=lambda message: message["at"])


def _sampled(t: float) -> bool:
    """Whether a detector with frames of 32 ms has one that ends in this slot."""
    return math.floor((t + STEP) / 0.032) > math.floor(t / 0.032)


def _level(speeches: list[Speech], t: float, noise: random.Random, floor: float = -56.0) -> float:
    rest = floor + noise.uniform(-2, 2)
    if not any(speech.at(t) for speech in speeches):
        return round(rest, 1)
    syllable = 0.5 + 0.5 * math.sin(2 * math.pi * 4.3 * t + math.sin(1.7 * t) * 2)
    phrase = 0.75 + 0.25 * math.sin(2 * math.pi * 0.7 * t)
    return round(max(rest, -46 + 32 * syllable * phrase + noise.uniform(-5, 3)), 1)


def _speech(speeches: list[Speech], t: float, noise: random.Random) -> float | None:
    if not _sampled(t):
        return None
    near = any(speech.at(t) or speech.at(t - 0.08) for speech in speeches)
    return round(min(1.0, max(0.0, (0.94 if near else 0.05) + noise.gauss(0, 0.03))), 3)


def record(turn: int, text: str, reply: str, speech_end: float, **fields: Any) -> Message:
    """A turn's record with times given in ms after the end of speech."""
    times = {
        name: None if fields.get(name) is None else round(speech_end + fields[name] / 1000, 4)
        for name in ("decided_at", "words_final_at", "first_token_at", "first_audio_at", "sent_at")
    }
    return {
        "call_id": "b7c1",
        "turn": turn,
        "mode": "speculative",
        "text": text,
        "reply_text": reply,
        "speech_end": speech_end,
        "reason": fields.get("reason", "model"),
        "speculated": fields.get("speculated", True),
        "adopted": fields.get("adopted", True),
        "outcome": fields.get("outcome", "answered"),
        "spans": fields["spans"],
        **times,
    }


def hello(*, simulated: bool = False) -> Message:
    """The first message of a call."""
    return {
        "type": "hello",
        "at": 0,
        "call": "b7c1",
        "mode": "speculative",
        "detector": {
            "name": "default",
            "threshold": THRESHOLD,
            "action_delay_s": 0.2,
            "timeout_s": 2.0,
        },
        "shadows": ["vad:600", "smart-turn"],
        "stages": {
            "stt": {"name": "whisper tiny.en", "simulated": False},
            "llm": {"name": "SmolLM2 360M", "simulated": simulated},
            "tts": {"name": "Piper joe", "simulated": False},
        },
        "limits": {"duration_s": 900, "idle_s": 120},
    }


def spans(eot: float, stt: float, llm: float, tts: float) -> dict[str, float]:
    """Spans of a record, with a transport of 41 ms and 3 ms that nobody answers for."""
    return {"eot": eot, "stt": stt, "llm": llm, "tts": tts, "transport": 41.0, "residual": 3.0}


def partial_words(script: Script, turn: int, speech: Speech) -> None:
    """Words that firm up while the caller speaks, two behind what was said."""
    t = speech.start + 0.4
    while t < speech.end:
        said = speech.words_at(t - 0.15).split()
        firm, tail = " ".join(said[:-2]), " ".join(said[-2:])
        script.add("words", t, turn=turn, committed=firm, tail=tail, final=False)
        t += 0.4


def spoken_words(script: Script, turn: int | None, speech: Speech, reply: int = 1) -> None:
    t = speech.start + 0.3
    while t < speech.end + 0.3:
        script.add("spoken", t, turn=turn, reply=reply, text=speech.words_at(t))
        t += 0.3


def stats(at: float, turns: int, v2v: float, p90: float, **counts: int) -> Message:
    """Running figures."""
    names = (
        "false_interruptions", "barge_ins", "false_barge_ins", "take_backs", "resumes",
        "overlaps", "stops", "speculations", "adopted", "discarded", "stage_failures",
        "apologies", "empty_turns", "cached_clauses",
    )  # fmt: skip
    return {
        "type": "stats",
        "at": at,
        "turns": turns,
        "v2v_ms": {"p50": v2v, "p90": p90},
        "post_commit_ms": {"p50": v2v - 290, "p90": p90 - 300},
        "eot_ms": {"p50": 290.0, "p90": 342.0},
        "counts": {name: counts.get(name, 0) for name in names},
    }


def _greeting(script: Script) -> None:
    said = Speech(0.3, 2.3, "Hello, this is the reservations desk. How can I help?")
    script.agents.append(said)
    script.reply(0.3, None, "speaking")
    spoken_words(script, None, said)
    script.reply(2.3, None, "done")


def _first_turn(script: Script) -> None:
    """A hold that a VAD would have cut, a draft thrown away, then a fast answer."""
    said = Speech(
        3.1, 6.42, "I'd like to book a table for, um, four people on Friday night.", ((4.35, 5.07),)
    )
    script.callers.append(said)
    script.event("speech started", 3.18, 3.1)
    script.add("phase", 3.18, phase="user speaking")
    partial_words(script, 1, said)
    script.pause(4.35, 5.07, 0.31)
    script.reply(4.6, 1, "drafting", 1)
    script.add("phase", 4.6, phase="speculating")
    script.event("turn ended", 4.95, 4.35, detector="vad:600")
    script.reply(5.13, 1, "discarded", 1)
    _answered(
        script, 1, said, 2, 0.312, 0.5,
        "Of course, four people on Friday. What time would you like to come?", 3.3,
        {"decided_at": 312, "words_final_at": 248, "first_token_at": 296, "first_audio_at": 402,
         "sent_at": 462, "spans": spans(312, 0, 0, 147)},
    )  # fmt: skip
    script.event("turn ended", 7.02, 6.42, detector="vad:600")
    script.event("turn ended", 6.84, 6.42, detector="smart-turn", score=0.93)
    script.messages.append(stats(6.95, 1, 506, 506, speculations=2, adopted=1, discarded=1))


def _answered(
    script: Script, turn: int, said: Speech, reply: int, eot: float, after: float, text: str,
    seconds: float, times: dict[str, Any],
) -> Speech:  # fmt: skip
    """A turn's end, its decision and its answer."""
    end = said.end
    start = round(end + times["sent_at"] / 1000, 3)
    script.event("speech paused", end + 0.12, end)
    script.add("phase", end + 0.12, phase="paused")
    script.reply(end + 0.14, turn, "drafting", reply)
    script.add("phase", end + 0.14, phase="speculating")
    script.scores.append((end, end + eot, 0.86))
    score = round(0.06 + 0.8 * (1 - math.exp(-(eot - 0.1) / 0.13)), 2)
    script.event("turn ended", end + eot, end, score=score, reason=times.get("reason", "model"))
    script.add("phase", end + eot, phase="committed")
    script.add("words", end + eot, turn=turn, committed=said.text, tail="", final=True)
    script.reply(end + eot, turn, "adopted", reply)
    answer = Speech(start, start + seconds, text)
    script.agents.append(answer)
    script.reply(start, turn, "speaking", reply)
    script.add("phase", start, phase="agent speaking")
    script.add("turn", start + after, **record(turn, said.text, text, end, **times))
    spoken_words(script, turn, answer, reply)
    return answer


def _second_turn(script: Script) -> None:
    """The caller interrupts the answer."""
    script.reply(10.2, 1, "done", 2)
    script.add("phase", 10.2, phase="listening")
    said = Speech(10.7, 12.1, "Around half past seven, please.")
    script.callers.append(said)
    script.event("speech started", 10.78, 10.7)
    script.add("phase", 10.78, phase="user speaking")
    partial_words(script, 2, said)
    answer = _answered(
        script, 2, said, 1, 0.284, 0.4,
        "Half past seven is free. I can also offer", 1.9,
        {"decided_at": 284, "words_final_at": 231, "first_token_at": 344, "first_audio_at": 461,
         "sent_at": 466, "outcome": "interrupted", "spans": spans(284, 0, 60, 119)},
    )  # fmt: skip
    script.event("turn ended", 12.7, 12.1, detector="vad:600")
    script.event("turn ended", 12.58, 12.1, detector="smart-turn", score=0.88)
    stopped = answer.end
    script.reply(stopped, 2, "interrupted")
    script.add("phase", stopped, phase="user speaking")
    script.messages.append(
        stats(stopped, 2, 508, 510, overlaps=1, barge_ins=1, speculations=3, adopted=2,
              discarded=1)
    )  # fmt: skip


def _third_turn(script: Script) -> None:
    """Decided a little early, taken back unheard, then answered."""
    said = Speech(
        14.1, 17.2, "Actually, could we sit outside, if it does not rain?", ((15.5, 16.02),)
    )
    script.callers.append(said)
    script.event("speech started", 14.2, 14.1)
    script.add("phase", 14.2, phase="interrupted")
    partial_words(script, 3, said)
    script.event("speech paused", 15.62, 15.5)
    script.scores.append((15.5, 15.94, 0.6))
    script.event("turn ended", 15.94, 15.5, score=0.54, reason="model")
    script.add("phase", 15.94, phase="committed")
    script.reply(15.94, 3, "adopted", 1)
    script.event("turn ended", 15.92, 15.5, detector="smart-turn", score=0.71)
    script.reply(16.12, 3, "taken back", 1)
    script.event("speech started", 16.1, 16.02)
    script.add("phase", 16.12, phase="user speaking")
    _answered(
        script, 3, said, 2, 0.3, 0.5,
        "Yes, there is a covered terrace, and I have put you down for it.", 3.1,
        {"decided_at": 300, "words_final_at": 335, "first_token_at": 462, "first_audio_at": 588,
         "sent_at": 596, "adopted": False, "spans": spans(300, 35, 127, 134)},
    )  # fmt: skip
    script.event("turn ended", 17.8, 17.2, detector="vad:600")
    script.event("turn ended", 17.6, 17.2, detector="smart-turn", score=0.9)
    script.reply(20.9, 3, "done", 2)
    script.add("phase", 20.9, phase="listening")
    script.messages.append(
        stats(18.3, 3, 510, 640, overlaps=1, barge_ins=1, take_backs=1, speculations=5,
              adopted=2, discarded=3)
    )  # fmt: skip


def _fourth_turn(script: Script) -> None:
    said = Speech(21.5, 22.6, "Lovely, thank you very much.")
    script.callers.append(said)
    script.event("speech started", 21.58, 21.5)
    script.add("phase", 21.58, phase="user speaking")
    partial_words(script, 4, said)
    _answered(
        script, 4, said, 1, 0.24, 0.3, "You're welcome. See you on Friday!", 1.6,
        {"decided_at": 240, "words_final_at": 182, "first_token_at": 214, "first_audio_at": 229,
         "sent_at": 246, "spans": spans(240, 0, 0, 3)},
    )  # fmt: skip
    script.event("turn ended", 23.2, 22.6, detector="vad:600")
    script.event("turn ended", 22.93, 22.6, detector="smart-turn", score=0.97)
    script.messages.append(
        stats(23.3, 4, 508, 632, overlaps=1, barge_ins=1, take_backs=1, speculations=6,
              adopted=3, discarded=3)
    )  # fmt: skip


def call(seconds: float = 24.0, *, simulated: bool = False) -> list[Message]:
    """All messages of the call up to a time."""
    script = Script()
    _greeting(script)
    _first_turn(script)
    _second_turn(script)
    _third_turn(script)
    _fourth_turn(script)
    script.frames(24.0)
    told = [hello(simulated=simulated), *script.sorted()]
    return [message for message in told if message["at"] <= seconds]
