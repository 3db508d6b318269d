"""Whatever happens in whatever order, some things never do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.agent.session.driver import Driver
from turnkit.agent.session import commands as do
from turnkit.agent.session.settings import InterruptionSettings, LimitSettings, Mode, Rules
from turnkit.agent.session.state import Phase

TEXTS = st.sampled_from(["", "yeah", "mm-hm", "no wait", "i would like", "i would like it now"])
REPLIES = st.sampled_from(["Yes.", "Well, let us see, here it is.", "One two, three four."])


class Calls(RuleBasedStateMachine):
    """A caller, a recogniser, a model and a voice that come in any order, and fail."""

    @initialize(mode=st.sampled_from(["batch", "streaming", "speculative"]))
    def begin(self, mode: Mode) -> None:
        # At full gain every sample still says whose it is.
        plain = InterruptionSettings(duck=1.0)
        limits = LimitSettings(stage_failures=50)
        self.call = Driver(Rules(mode=mode, interruption=plain, limits=limits)).begin()
        self.speech = "silent"

    # The detector: its events follow each other as a detector's do.

    @precondition(lambda self: self.speech == "silent")
    @rule()
    def starts(self) -> None:
        self.call.starts()
        self.speech = "speaking"

    @precondition(lambda self: self.speech in ("speaking", "paused"))
    @rule(score=st.floats(0, 1))
    def pauses(self, score: float) -> None:
        self.call.pauses(score)
        self.speech = "paused"

    @precondition(lambda self: self.speech == "paused")
    @rule()
    def resumes(self) -> None:
        self.call.resumes()
        self.speech = "speaking"

    @precondition(lambda self: self.speech in ("speaking", "paused"))
    @rule()
    def ends(self) -> None:
        self.call.ends()
        self.speech = "silent"

    # The recogniser.

    @rule(text=TEXTS, tail=TEXTS)
    def partial(self, text: str, tail: str) -> None:
        self.call.words(text, tail)

    @precondition(lambda self: self.call.flushes)
    @rule(text=TEXTS)
    def flushed(self, text: str) -> None:
        self.call.answer_flush(text)

    # The language model and the voice, late ones too.

    @precondition(lambda self: self.call.to_write)
    @rule(data=st.data(), text=REPLIES)
    def writes(self, data: st.DataObject, text: str) -> None:
        index = data.draw(st.integers(0, len(self.call.to_write) - 1))
        self.call.write(text, self.call.to_write.pop(index))

    @precondition(lambda self: self.call.to_speak)
    @rule()
    def speaks(self) -> None:
        self.call.voice()

    @rule(stage=st.sampled_from(["stt", "llm", "tts"]), back=st.integers(0, 2))
    def fails(self, stage: str, back: int) -> None:
        reply = None if stage == "stt" else max(0, self.call.state.replies - back)
        self.call.fail(stage, reply)

    # Time.

    @rule(seconds=st.sampled_from([0.02, 0.1, 0.4, 1.5]))
    def passes(self, seconds: float) -> None:
        played = {c.reply for c in self.call.log if isinstance(c, do.Play)}
        before = set(self.call.cancelled)
        self.call.heard.clear()
        self.call.ramps.clear()
        self.call.run(seconds)
        played |= {c.reply for c in self.call.log if isinstance(c, do.Play)}
        heard = set(self.call.heard)
        # All but a ramp of 5 ms in the very next frame, which only falls, from the level
        # of the reply that was cut to nothing.
        assert not heard & before, "audio of a cancelled reply was sent"
        for cut, ramp in self.call.ramps:
            assert ramp[0] <= max(set(cut) & played)
            assert np.all(np.diff(ramp) <= 1e-6)
            assert ramp[-1] == pytest.approx(0, abs=1e-6)
        assert heard <= played, "audio was sent that nobody released"

    @rule(samples=st.integers(1, 319))
    def waits(self, samples: int) -> None:
        self.call.waits(samples)

    # What never happens.

    @invariant()
    def the_clock_and_the_count_stay_together(self) -> None:
        state = self.call.state
        if not state.over:
            assert state.received == self.call.received
        assert state.received <= state.at <= state.received + 320

    @invariant()
    def words_are_asked_for_by_what_was_received(self) -> None:
        state = self.call.state
        if state.turn is not None and state.turn.flush_at is not None:
            assert state.turn.flush_at % 320 == 0
        if state.overlap is not None and state.overlap.asked_at is not None:
            assert state.overlap.asked_at % 320 == 0

    @invariant()
    def no_reply_is_spoken_twice(self) -> None:
        spoken = [(c.reply, c.text) for c in self.call.log if isinstance(c, do.Speak)]
        started = [c.reply for c in self.call.log if isinstance(c, do.StartReply | do.StartSaying)]
        assert len(started) == len(set(started))
        for reply in {reply for reply, _ in spoken}:
            texts = [text for number, text in spoken if number == reply]
            assert len(texts) == len(set(texts)), "a clause was spoken twice"

    @invariant()
    def one_answer_to_a_turn_is_heard(self) -> None:
        answered = [r.turn for r in self.call.records if r.outcome == "answered"]
        assert len(answered) == len(set(answered))

    @invariant()
    def the_phase_fits(self) -> None:
        state = self.call.state
        assert (state.overlap is not None) == (state.phase is Phase.INTERRUPTED)
        if state.phase in (Phase.AGENT_SPEAKING, Phase.RESUMING, Phase.SPECULATING):
            assert state.reply is not None
        if state.phase in (Phase.LISTENING, Phase.USER_SPEAKING, Phase.PAUSED):
            assert state.reply is None
        if state.reply is not None and state.reply.released:
            assert state.reply.adopted, "only committed turns are answered aloud"
        assert self.call.playout.reply in (
            None,
            state.reply.number if state.reply else None,
            *(
                {c.reply for c in self.call.log if isinstance(c, do.StartReply | do.StartSaying)}
                - self.call.cancelled
            ),
        )

    @invariant()
    def pieces_are_counted_once_and_only_those_of_unheard_replies_as_wasted(self) -> None:
        counts, reply = self.call.counts, self.call.state.reply
        assert 0 <= counts["wasted_tokens"] <= counts["tokens"]
        assert counts["tokens"] + (reply.pieces if reply else 0) == self.call.pieces.total()
        heard = sum(self.call.pieces[number] for number in self.call.heard_at_all)
        assert counts["tokens"] - counts["wasted_tokens"] <= heard

    @invariant()
    def history_holds_only_what_was_played(self) -> None:
        said = {}
        for command in self.call.log:
            if isinstance(command, do.Tell) and command.type == "spoken":
                said[command.fields["reply"]] = command.fields["text"]
        for message in self.call.state.history:
            if message.role == "assistant":
                assert message.content in said.values()

    @invariant()
    def somebody_who_speaks_is_heard(self) -> None:
        """Speech is never ignored for good: it is a turn, or it is being judged."""
        state = self.call.state
        if self.speech == "speaking" and not state.over:
            assert state.phase is not Phase.LISTENING or state.turns > 0


TestCalls = Calls.TestCase
TestCalls.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
