"""What the agent does in each situation of a call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.agent.session.driver import RAMP, Driver
from turnkit.agent.session import commands as do
from turnkit.agent.session.events import Ticked
from turnkit.agent.session.settings import (
    ConversationSettings,
    InterruptionSettings,
    LimitSettings,
    Mode,
    Rules,
    TurnSettings,
)
from turnkit.agent.session.state import Phase
from turnkit.errors import ConfigError

LONG = "It is noon, and the sun is high today, so take a hat and drink a lot of water."
SPECULATIVE = Rules()
STREAMING = Rules(mode="streaming")
BATCH = Rules(mode="batch")


def started(rules: Rules = SPECULATIVE) -> Driver:
    return Driver(rules).begin()


def speaking(rules: Rules = SPECULATIVE) -> Driver:
    """A call in which the agent has been speaking for a second."""
    call = started(rules).turn("what is the time").reply(LONG)
    return call.run(1.0)


def kinds(commands: list[do.Command]) -> list[type[do.Command]]:
    return [type(command) for command in commands if not isinstance(command, do.Tell | do.Count)]


@pytest.mark.parametrize("mode", ["batch", "streaming", "speculative"])
def test_a_turn_is_answered_and_remembered(mode: Mode) -> None:
    call = started(Rules(mode=mode)).turn("what is the time").reply("It is noon.").run(2.0)
    assert call.is_in(Phase.LISTENING)
    assert [message.content for message in call.state.history] == [
        "what is the time",
        "It is noon.",
    ]
    (record,) = call.records
    assert (record.outcome, record.text, record.reply_text) == (
        "answered",
        "what is the time",
        "It is noon.",
    )
    assert record.adopted == record.speculated == (mode == "speculative")
    spans = [value for value in record.spans.values() if value is not None]
    assert sum(spans) == pytest.approx(record.v2v_ms)
    assert record.v2v_ms is not None
    assert record.v2v_ms > 0


def test_phases_of_a_plain_turn() -> None:
    call = started()
    call.turn("hello").reply("Hi there.").run(1.0)
    phases = [c.fields["phase"] for c in call.log if isinstance(c, do.Tell) and c.type == "phase"]
    assert phases == [
        "listening", "user speaking", "paused", "speculating", "committed", "agent speaking",
        "listening",
    ]  # fmt: skip


def test_batch_waits_for_every_stage() -> None:
    call = started(BATCH)
    call.starts()
    call.run(1.0)
    assert call.pauses() == [] or not call.flushes, "words are asked for at the commit"
    call.run(0.3)
    call.ends()
    assert call.flushes
    call.answer_flush("hello")
    call.write("Hi there, friend.")
    call.voice()
    call.run(0.5)
    assert not call.heard, "nothing is played before everything is voiced"
    call.voice()
    assert call.run(0.5).heard


def test_streaming_plays_the_first_clause_while_the_rest_is_made() -> None:
    call = started(STREAMING).turn("hello")
    call.write("Hi there, friend.")
    call.voice()
    assert call.run(0.2).heard


def test_streaming_reads_ahead_on_committed_words_and_drafts_nothing() -> None:
    call = started(STREAMING)
    call.starts()
    call.run(0.5)
    (prefill,) = [c for c in call.words("what is") if isinstance(c, do.Prefill)]
    assert prefill.messages[-1].content == "what is"
    assert not [c for c in call.words("what is", "the") if isinstance(c, do.Prefill)]
    call.pauses()
    call.answer_flush("what is the time")
    assert call.is_in(Phase.PAUSED)
    assert not call.to_write


def test_a_draft_is_held_until_the_turn_is_committed() -> None:
    call = started()
    call.starts()
    call.run(1.0)
    call.pauses()
    call.answer_flush("hello")
    assert call.is_in(Phase.SPECULATING)
    call.write("Hi, how are you.")
    call.voice()
    assert not call.to_speak, "of a draft only the first clause is voiced"
    call.run(0.5)
    assert not call.heard
    call.ends()
    assert call.to_speak
    assert call.run(0.1).heard
    assert call.counts["adopted"] == call.counts["speculations"] == 1


def test_a_draft_is_discarded_when_the_caller_goes_on() -> None:
    call = started()
    call.starts()
    call.run(1.0)
    call.pauses()
    call.answer_flush("i would like")
    call.write("Yes?")
    call.voice()
    call.resumes()
    assert call.is_in(Phase.USER_SPEAKING)
    assert call.counts["discarded"] == 1
    call.run(0.5)
    call.pauses()
    call.answer_flush("i would like two tickets")
    call.ends()
    assert call.prompts[call.to_write[-1]] == "i would like two tickets"
    assert call.run(0.5).heard == []


def test_a_draft_on_other_words_is_not_used() -> None:
    call = started()
    call.starts()
    call.run(1.0)
    call.pauses()
    call.answer_flush("Hello there")
    draft = call.to_write[-1]
    call.state = replace(call.state, turn=replace(call.state.turn, final_at=None))  # type: ignore[type-var]
    call.flushes.append(call.at)
    call.ends()
    call.answer_flush("Hello they are")
    assert draft in call.cancelled
    assert call.prompts[call.to_write[-1]] == "Hello they are"


def test_a_late_transcript_never_makes_it_answer_half_a_sentence() -> None:
    call = started()
    call.starts()
    call.run(2.0)
    call.words("i want to fly")
    call.pauses()
    call.run(0.3)
    call.ends()
    call.run(1.5)
    assert call.is_in(Phase.COMMITTED)
    assert not call.to_write, "the words of the turn are not complete"
    call.words("i want to fly", "to")
    assert not call.to_write, "nor are they by a partial that comes late"
    call.answer_flush("i want to fly to rome")
    assert call.prompts[call.to_write[-1]] == "i want to fly to rome"


def test_words_that_never_come_are_apologised_for() -> None:
    call = started(Rules(turn=TurnSettings(words_timeout_s=2.0)))
    call.starts()
    call.run(1.0)
    call.pauses()
    call.run(0.3)
    call.ends()
    call.run(2.1)
    assert call.counts["stage_failures"] == call.counts["apologies"] == 1
    call.voice()
    assert call.run(0.5).heard
    assert not call.state.over


def test_a_turn_without_words_is_not_answered() -> None:
    call = started().turn("")
    assert call.is_in(Phase.LISTENING)
    assert not call.to_write
    assert call.counts["empty_turns"] == 1


def test_eager_threshold_keeps_drafts_for_likely_ends() -> None:
    call = started(Rules(turn=TurnSettings(eager_threshold=0.5)))
    call.starts()
    call.run(1.0)
    call.pauses(score=0.1)
    call.answer_flush("hello")
    assert call.is_in(Phase.PAUSED)
    call.run(0.1)
    call.pauses(score=0.7)
    assert call.is_in(Phase.SPECULATING)


def test_take_back_before_the_agent_is_audible() -> None:
    call = started().turn("i need a")
    call.write("Sure, what is it.")
    assert call.is_in(Phase.COMMITTED)
    call.starts()
    assert call.is_in(Phase.USER_SPEAKING)
    assert call.counts["take_backs"] == 1
    assert call.counts["false_interruptions"] == 0
    call.voice()
    assert call.run(1.0).heard == []
    call.pauses()
    call.answer_flush("i need a new card")
    call.ends()
    call.reply("Here it is.").run(1.0)
    assert [m.content for m in call.state.history] == ["i need a new card", "Here it is."]
    assert call.state.turns == 1, "the pieces are one turn"
    assert [record.outcome for record in call.records] == ["taken back", "answered"]


def test_take_back_just_as_the_agent_becomes_audible() -> None:
    call = started().turn("i need a").reply("Sure, what is it.")
    call.run(0.1)
    assert call.heard
    call.starts()
    assert call.is_in(Phase.USER_SPEAKING)
    assert call.counts["take_backs"] == call.counts["false_interruptions"] == 1
    call.heard.clear()
    assert call.run(0.5).heard == []


def test_barge_in_stops_everything_and_keeps_what_was_heard() -> None:
    call = speaking()
    call.starts()
    assert call.is_in(Phase.INTERRUPTED)
    assert do.Duck(SPECULATIVE.interruption.duck) in call.log
    call.run(0.3)
    commands = call.answer_flush("no wait")
    assert do.CancelReply in kinds(commands)
    assert call.playout.queued_s == 0
    call.heard.clear()
    assert call.run(0.5).heard == [], "but for a ramp of 5 ms"
    assert [len(ramp) for _, ramp in call.ramps] == [RAMP]
    assert call.counts["barge_ins"] == 1
    assert call.is_in(Phase.USER_SPEAKING)
    user, agent = call.state.history
    assert user.content == "what is the time"
    assert LONG.startswith(agent.content)
    assert 0 < len(agent.content) < len(LONG)
    call.pauses()
    call.answer_flush("no wait stop")
    call.ends()
    assert call.prompts[call.to_write[-1]] == "no wait stop"


def test_a_backchannel_only_lowers_the_voice() -> None:
    call = speaking()
    call.starts()
    call.run(0.3)
    call.answer_flush("Mm-hm.")
    assert call.is_in(Phase.INTERRUPTED), "more may follow"
    call.pauses()
    call.flushes = call.flushes[-1:]
    call.answer_flush("Mm-hm.")
    assert call.is_in(Phase.AGENT_SPEAKING)
    call.run(0.2)
    call.ends()
    assert call.is_in(Phase.AGENT_SPEAKING), "it ends no turn of the caller"
    assert not call.cancelled
    call.run(4.0)
    assert call.is_in(Phase.LISTENING)
    assert call.state.history[-1].content == LONG
    assert call.counts["barge_ins"] == call.counts["false_barge_ins"] == 0


def test_a_cough_stops_nothing() -> None:
    call = speaking()
    call.starts()
    call.run(0.15)
    call.pauses()
    while call.flushes:
        call.answer_flush("")
    assert call.is_in(Phase.AGENT_SPEAKING)
    assert call.counts["stops"] == 0


def test_it_goes_on_where_it_was_after_a_false_stop() -> None:
    call = speaking()
    call.starts()
    call.run(SPECULATIVE.interruption.stop_s)
    assert call.counts["stops"] == 1
    assert call.replies_told()[-1] == "stopped"
    played = call.playout.played_s
    call.heard.clear()
    call.run(SPECULATIVE.interruption.false_stop_s - 0.1)
    assert call.heard == []
    assert [len(ramp) for _, ramp in call.ramps] == [RAMP]
    assert call.playout.played_s == played
    call.run(0.2)
    assert call.counts["resumes"] == call.counts["false_barge_ins"] == 1
    assert call.replies_told()[-1] == "resumed"
    call.pauses()
    while call.flushes:
        call.answer_flush("")
    call.run(4.0)
    assert call.is_in(Phase.LISTENING)
    assert call.state.history[-1].content == LONG


def test_who_talks_through_a_false_stop_is_not_lost() -> None:
    """Words that come late, or when the reply is over, are still the caller's."""
    call = speaking()
    call.starts()
    call.run(SPECULATIVE.interruption.stop_s + SPECULATIVE.interruption.false_stop_s + 0.1)
    assert call.counts["resumes"] == 1
    call.run(0.2)
    assert call.counts["stops"] == 1, "it is not stopped again without words"
    while call.flushes:
        call.answer_flush("yeah so what i want")
    assert call.counts["barge_ins"] == 1
    assert call.is_in(Phase.USER_SPEAKING)

    silent = speaking()
    silent.starts()
    silent.run(7.0)
    assert silent.is_in(Phase.USER_SPEAKING), "the reply is over: the floor is the caller's"
    silent.pauses()
    silent.flushes = silent.flushes[-1:]
    silent.answer_flush("so what i want")
    silent.ends()
    assert silent.prompts[silent.to_write[-1]] == "so what i want"


def test_words_after_a_stop_make_it_an_interruption() -> None:
    call = speaking()
    call.starts()
    call.run(SPECULATIVE.interruption.stop_s + 0.1)
    call.answer_flush("please stop")
    assert call.replies_told()[-2:] == ["stopped", "interrupted"]
    assert call.counts["barge_ins"] == 1
    assert call.counts["resumes"] == 0


def test_an_answer_over_the_last_words_has_the_floor() -> None:
    call = started().turn("book it").reply("Shall I really do it.")
    call.run(0.6)
    call.starts()
    call.run(0.2)
    call.answer_flush("yes")
    call.pauses()
    call.answer_flush("Yes.")
    assert call.is_in(Phase.INTERRUPTED)
    call.run(0.6)
    call.ends()
    while call.flushes:
        call.answer_flush("Yes.")
    assert call.prompts[call.to_write[-1]] == "Yes."


def test_the_price_of_drafts_is_counted_in_pieces() -> None:
    call = started(SPECULATIVE)
    call.starts()
    call.run(1.0)
    call.pauses()
    call.answer_flush("i would like")
    call.write("Yes, of course.")  # three pieces for nothing: the caller goes on
    call.resumes()
    assert call.counts["tokens"] == call.counts["wasted_tokens"] == 3
    call.run(0.5)
    call.pauses()
    call.answer_flush("i would like tea")
    call.write("Tea it is.")
    call.ends()
    call.starts()  # adopted, and taken back before any of it was heard
    assert call.counts["take_backs"] == 1
    assert call.counts["tokens"] == call.counts["wasted_tokens"] == 6
    call.pauses()
    call.answer_flush("i would like tea please")
    call.ends()
    call.reply("Very well.").run(3.0)
    assert call.is_in(Phase.LISTENING)
    assert (call.counts["tokens"], call.counts["wasted_tokens"]) == (8, 6)


def test_what_stops_the_agent_and_what_ends_a_turn_are_apart() -> None:
    """The detector's end of turn alone does not stop the agent."""
    call = speaking()
    call.starts()
    call.run(0.1)
    call.pauses()
    call.run(0.3)
    call.ends()
    assert call.is_in(Phase.INTERRUPTED)
    assert not call.cancelled
    call.answer_flush("hold on")
    assert call.is_in(Phase.COMMITTED), "it was an interruption, and its turn is over"


def test_a_greeting_is_spoken_and_can_be_spoken_over() -> None:
    call = started(Rules(conversation=ConversationSettings(greeting="Hello, how can I help.")))
    call.voice()
    call.run(0.5)
    assert call.heard
    call.starts()
    call.run(0.3)
    call.answer_flush("i need help")
    assert call.counts["barge_ins"] == 1
    assert call.state.turn is not None
    assert call.state.turn.number == 1


def test_speech_before_the_greeting_is_audible_is_a_turn() -> None:
    call = started(Rules(conversation=ConversationSettings(greeting="Hello.")))
    call.turn("hi there").reply("Hello to you.").run(1.0)
    assert [m.content for m in call.state.history] == ["hi there", "Hello to you."]
    assert call.counts["take_backs"] == 0


@pytest.mark.parametrize("stage", ["llm", "tts"])
def test_a_failed_reply_is_apologised_for(stage: str) -> None:
    call = started(STREAMING).turn("hello")
    call.fail(stage, call.to_write.pop())
    assert call.counts["apologies"] == 1
    call.voice()
    call.run(5.0)
    assert call.is_in(Phase.LISTENING)
    assert call.state.history[-1].content == STREAMING.conversation.apology
    assert [record.outcome for record in call.records] == ["failed"]


def test_a_voice_that_fails_in_the_middle_ends_the_reply_there() -> None:
    call = started(STREAMING).turn("hello")
    call.write("Hi there, dear friend.")
    call.voice()
    call.run(0.3)
    call.fail("tts", call.state.replies)
    assert call.is_in(Phase.LISTENING)
    assert call.state.history[-1].content == "Hi"
    assert call.counts["apologies"] == 0


def test_a_failed_draft_costs_nothing_but_the_draft() -> None:
    call = started()
    call.starts()
    call.run(1.0)
    call.pauses()
    call.answer_flush("hello")
    call.fail("llm", call.to_write.pop())
    call.pauses()
    assert not call.to_write, "one draft for a pause"
    call.ends()
    call.reply("Hi there.").run(1.0)
    assert call.records[-1].outcome == "answered"


def test_a_silent_model_is_given_up() -> None:
    call = started(Rules(turn=TurnSettings(reply_timeout_s=3.0))).turn("hello")
    call.run(3.1)
    assert call.counts["apologies"] == 1


def test_a_voice_that_hangs_in_the_middle_is_given_up() -> None:
    call = started(Rules(turn=TurnSettings(reply_timeout_s=3.0))).turn("hello")
    call.write("Hi there, dear friend.")
    call.voice()
    call.run(4.0)
    assert call.is_in(Phase.LISTENING)
    assert call.records[-1].outcome == "failed"


def test_a_recogniser_that_dies_is_reopened_and_then_given_up() -> None:
    call = started()
    call.starts()
    call.run(0.5)
    (restart,) = [c for c in call.fail("stt") if isinstance(c, do.RestartStt)]
    assert restart.reopen
    call.pauses()
    call.answer_flush("the rest")
    call.ends()
    assert call.state.turn is not None
    assert call.state.turn.text == "the rest"
    for _ in range(SPECULATIVE.limits.stage_failures):
        call.fail("stt")
    assert call.over


def test_limits_end_a_call_in_words() -> None:
    call = started(Rules(limits=LimitSettings(duration_s=900, idle_s=2.0))).run(2.1)
    assert call.over
    (bye,) = [c for c in call.log if isinstance(c, do.HangUp)]
    assert "nobody said anything" in bye.reason
    long = started(Rules(limits=LimitSettings(duration_s=3.0))).turn("hello").run(3.0)
    assert long.over
    assert long.post(Ticked(long.at)) == []


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: ConversationSettings(system=" "), "conversation.system"),
        (lambda: TurnSettings(take_back_s=9), "turn.take_back_s"),
        (lambda: TurnSettings(eager_threshold=1.5), "turn.eager_threshold"),
        (lambda: InterruptionSettings(duck=2), "interruption.duck"),
        (lambda: LimitSettings(idle_s=0), "limits.idle_s"),
    ],
)
def test_settings_out_of_range_are_named(make: Callable[[], object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        make()
