"""Drives the state machine as the shell does, with scripted stages and marked audio."""

from __future__ import annotations

from collections import Counter

import numpy as np

from turnkit.agent.records import TurnRecord
from turnkit.agent.session import commands as do
from turnkit.agent.session.events import (
    Begun,
    ClauseReady,
    Detected,
    Event,
    Played,
    Recognised,
    StageFailed,
    Ticked,
    Voiced,
    Written,
    Wrote,
)
from turnkit.agent.session.playout import Playout
from turnkit.agent.session.settings import Rules, clock
from turnkit.agent.session.state import Phase, State
from turnkit.agent.session.step import begin, step
from turnkit.audio import Samples
from turnkit.detector.protocol import EventKind, Reason, TurnEvent
from turnkit.stages.stt.protocol import Transcript
from turnkit.stages.tts.stream import SpokenWord

RATE = 16_000
FRAME = 320
RAMP = 80
"""Samples that may still be heard of a reply that was cut, faded, in the very next frame."""

WORD = 3_200
"""Samples of a spoken word: 0.2 s."""


class Driver:
    """One call. Every sample that a voice makes has the number of its reply as its value."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.state: State = begin(rules or Rules(), "test")
        self.playout = Playout(RATE)
        self.received = self.at = 0
        self.log: list[do.Command] = []
        self.counts: Counter[str] = Counter()
        self.records: list[TurnRecord] = []
        self.flushes: list[int] = []
        self.restarts: list[int] = []
        self.to_write: list[int] = []
        self.to_speak: list[tuple[int, str]] = []
        self.prompts: dict[int, str] = {}
        self.cancelled: set[int] = set()
        self.heard: list[int] = []
        self.cut: list[int] = []
        self.ramps: list[tuple[list[int], Samples]] = []
        self.made: dict[int, float] = {}
        self.pieces: Counter[int] = Counter()
        self.heard_at_all: set[int] = set()
        self.over = False

    @property
    def phase(self) -> Phase:
        return self.state.phase

    def replies_told(self) -> list[str]:
        """What the client was told about replies."""
        told = [c for c in self.log if isinstance(c, do.Tell) and c.type == "reply"]
        return [command.fields["state"] for command in told]

    def is_in(self, phase: Phase) -> bool:
        return self.state.phase is phase

    def post(self, event: Event) -> list[do.Command]:
        self.state, commands = step(self.state, event)
        for command in commands:
            self.carry_out(command)
        self.log += commands
        return commands

    def carry_out(self, command: do.Command) -> None:
        match command:
            case do.FlushStt():
                self.flushes.append(self.received)
            case do.RestartStt():
                self.restarts.append(self.at)
                self.flushes.clear()
            case do.StartReply():
                self.playout.open(command.reply)
                self.to_write.append(command.reply)
                self.prompts[command.reply] = command.messages[-1].content
            case do.StartSaying():
                self.playout.open(command.reply)
            case do.Speak():
                self.to_speak.append((command.reply, command.text))
            case do.Play():
                self.playout.play(command.reply)
            case do.Hold():
                self.playout.hold(command.reply)
                self.cut.append(command.reply)
            case do.Duck():
                self.playout.duck(command.gain)
            case do.CancelReply():
                self.playout.close(command.reply)
                self.cut.append(command.reply)
                self.cancelled.add(command.reply)
            case do.Count():
                self.counts[command.name] += command.n
            case do.Record():
                if command.final:
                    self.records.append(command.record)
            case do.HangUp():
                self.over = True
            case do.Tell() | do.Prefill():
                pass

    # The caller's side.

    def begin(self) -> Driver:
        self.post(Begun(0))
        return self

    def detect(
        self, kind: EventKind, since_s: float = 0.0, score: float | None = None
    ) -> list[do.Command]:
        """The detector says something that began `since_s` seconds ago."""
        reason = Reason.MODEL if kind is EventKind.TURN_ENDED else None
        heard = self.received
        since = max(0, heard - clock(since_s))
        return self.post(Detected(self.at, TurnEvent(kind, heard, since, score, reason)))

    def starts(self) -> list[do.Command]:
        return self.detect(EventKind.SPEECH_STARTED, 0.06)

    def pauses(self, score: float | None = 0.2) -> list[do.Command]:
        return self.detect(EventKind.SPEECH_PAUSED, 0.1, score)

    def resumes(self) -> list[do.Command]:
        return self.detect(EventKind.TURN_RESUMED, 0.06)

    def ends(self) -> list[do.Command]:
        return self.detect(EventKind.TURN_ENDED, 0.3, 0.9)

    def words(self, text: str, tail: str = "") -> list[do.Command]:
        """The recogniser commits words by itself."""
        transcript = Transcript(
            self.state.utterance, self.received, tuple(text.split()), tuple(tail.split())
        )
        return self.post(Recognised(self.at, transcript))

    def answer_flush(self, text: str) -> list[do.Command]:
        """The recogniser answers the oldest flush."""
        heard = self.flushes.pop(0)
        words = tuple(text.split())
        transcript = Transcript(self.state.utterance, heard, (), words, flushed=True)
        return self.post(Recognised(self.at, transcript))

    # The agent's side.

    def write(self, text: str, reply: int | None = None) -> None:
        """The language model writes a reply in clauses that end with a comma or a stop."""
        number = self.to_write.pop(0) if reply is None else reply
        for piece in text.split():
            open_reply = self.state.reply
            self.post(Wrote(self.at, number, piece))
            if open_reply is not None and open_reply.number == number and not self.state.over:
                self.pieces[number] += 1
        for clause in text.replace(",", ",|").replace(".", ".|").split("|"):
            if clause.strip():
                self.post(ClauseReady(self.at, number, clause.strip()))
        self.post(Written(self.at, number))

    def voice(self, times: int = 1) -> None:
        """The voice speaks the next clauses, word by word."""
        for _ in range(times):
            number, text = self.to_speak.pop(0)
            for word in text.split():
                seconds = self.playout.add(number, np.full(WORD, number, dtype=np.float32))
                self.made[number] = self.made.get(number, 0.0) + seconds
                spoken = (SpokenWord(word, self.made[number]),)
                self.post(Voiced(self.at, number, seconds, spoken if seconds else ()))
            self.post(Voiced(self.at, number, 0.0, clause_done=True))

    def fail(self, stage: str, reply: int | None = None) -> list[do.Command]:
        return self.post(StageFailed(self.at, stage, "scripted", reply))

    def run(self, seconds: float) -> Driver:
        """Time passes: audio comes in, and what may be sent is sent."""
        for _ in range(round(seconds * RATE / FRAME)):
            self.at = self.received = self.received + FRAME
            self.post(Ticked(self.received))
            reply, before = self.playout.reply, self.playout.played_s
            frame = self._without_ramp(self.playout.pull(FRAME))
            sounding = np.unique(np.ceil(frame[frame != 0]))
            self.heard += [int(value) for value in sounding]
            if reply is not None and self.playout.played_s > before:
                self.heard_at_all.add(reply)
                self.post(Played(self.at, reply, self.playout.played_s))
        return self

    def _without_ramp(self, frame: Samples) -> Samples:
        """Set apart what is heard of a cut reply besides that of the frame itself.

        Words last whole frames here, so that a frame is of one value but for a ramp.
        """
        if not self.cut:
            return frame
        cut, self.cut = self.cut, []
        if np.any(frame[:RAMP] != frame[RAMP]):
            self.ramps.append((cut, frame[:RAMP] - frame[RAMP]))
        return np.full_like(frame, frame[RAMP]) if np.all(frame[RAMP:] == frame[RAMP]) else frame

    def waits(self, samples: int) -> None:
        """Time passes, but not enough of it for a frame to come."""
        self.at = min(self.received + FRAME, self.at + samples)

    def turn(self, text: str) -> Driver:
        """A whole turn of the caller, committed."""
        self.starts()
        self.run(1.0)
        self.pauses()
        if self.flushes:
            self.answer_flush(text)
        self.run(0.3)
        self.ends()
        if self.flushes:
            self.answer_flush(text)
        return self

    def reply(self, text: str) -> Driver:
        """A whole reply, made at once."""
        if self.to_write:
            self.write(text)
        while self.to_speak:
            self.voice()
        return self
