"""Speech over the agent: lowering the voice, stopping, going on, giving up the floor.

What stops the agent is decided here, from how long the speech lasts and what its words
are. It never ends a caller's turn: that is the detector's.
"""

from __future__ import annotations

from turnkit.agent.session import replies, turns
from turnkit.agent.session.commands import Duck, FlushStt, Hold, Play
from turnkit.agent.session.settings import clock
from turnkit.agent.session.state import Ended, Overlap, Phase, UserTurn
from turnkit.agent.session.transition import Transition
from turnkit.agent.session.words import interrupts, plain_words
from turnkit.detector.protocol import EventKind, Reason, TurnEvent
from turnkit.stages.stt.protocol import Transcript

NEAR_END_S = 0.7
"""Seconds left of a reply in which "yes" answers it rather than accompanies it."""


def detected(transition: Transition, event: TurnEvent) -> None:
    """Take what the detector says while the agent speaks."""
    overlap = transition.state.overlap
    starts = event.kind in (EventKind.SPEECH_STARTED, EventKind.TURN_RESUMED)
    if overlap is None:
        if starts:
            _begin(transition, event)
    elif starts:
        transition.set_overlap(silent_since=None, final=False, ended=None)
    elif event.kind is EventKind.SPEECH_PAUSED and overlap.silent_since is None:
        transition.set_overlap(silent_since=transition.state.at, final=False)
        _ask(transition)
    elif event.kind is EventKind.TURN_ENDED:
        reason = None if event.reason is None else event.reason.value
        silent = overlap.silent_since
        transition.set_overlap(
            ended=Ended(event.at, event.since, event.score, reason),
            silent_since=transition.state.at if silent is None else silent,
        )
        if silent is None:
            _ask(transition)


def _begin(transition: Transition, event: TurnEvent) -> None:
    """Somebody speaks over the agent, or goes on as it becomes audible."""
    reply, rules = transition.reply, transition.state.rules
    sent = transition.state.at if reply.sent_at is None else reply.sent_at
    if not reply.fixed and event.since <= sent + clock(rules.turn.take_back_s):
        turns.take_back(transition, event.since)
        return
    utterance = turns.restart_recogniser(transition, event.since)
    transition.count("overlaps")
    transition.set(overlap=Overlap(event.since, utterance), phase=Phase.INTERRUPTED)
    transition.do(Duck(rules.interruption.duck))


def _ask(transition: Transition) -> None:
    """Ask the recogniser what it is."""
    transition.set_overlap(asked_at=transition.state.received)
    transition.do(FlushStt())


def recognised(transition: Transition, transcript: Transcript) -> bool:
    """Take words of the overlap; whether they were its."""
    overlap = transition.state.overlap
    if overlap is None or transcript.utterance != overlap.utterance:
        return False
    overlap = transition.set_overlap(text=transcript.text)
    asked = overlap.asked_at
    if transcript.flushed and asked is not None and transcript.heard >= asked:
        silent = overlap.silent_since is not None
        transition.set_overlap(asked_at=None, answered_at=transition.state.at, final=silent)
    _judge(transition)
    return True


def _judge(transition: Transition) -> None:
    """Decide from the words: an interruption, nothing of the kind, or not known yet."""
    overlap, reply = transition.overlap, transition.reply
    rules = transition.state.rules.interruption
    if interrupts(overlap.text, rules.backchannels):
        _interrupt(transition)
        return
    if not overlap.final:
        return
    left = reply.made_s - reply.played_s
    nearly_over = reply.written and reply.voiced == len(reply.clauses) and left < NEAR_END_S
    if plain_words(overlap.text) and nearly_over and overlap.stopped_at is None:
        return  # it may be the answer: once the reply is over, it has the floor
    _go_on(transition)


def tick(transition: Transition) -> None:
    """Ask, stop and give up on time."""
    overlap, at = transition.overlap, transition.state.at
    rules = transition.state.rules.interruption
    spoken = at - overlap.since
    talking = overlap.silent_since is None
    if overlap.stopped_at is not None and at - overlap.stopped_at >= clock(rules.false_stop_s):
        if talking:
            _resume(transition)
        else:
            _go_on(transition)
    elif overlap.stopped_at is None and not talking and not overlap.final:
        if at - (overlap.silent_since or at) >= clock(rules.false_stop_s):
            _go_on(transition)  # the recogniser does not answer
    elif talking and not overlap.was_stopped and spoken >= clock(rules.stop_s):
        transition.count("stops")
        transition.set_overlap(stopped_at=at, was_stopped=True)
        reply = transition.set_reply(held=True)
        transition.do(Hold(reply.number))
        transition.tell_reply(reply, "stopped")
    elif talking and overlap.asked_at is None and spoken >= clock(rules.peek_s):
        last = overlap.answered_at
        if last is None or at - last >= clock(rules.peek_every_s):
            _ask(transition)


def _go_on(transition: Transition) -> None:
    """Speak on after what was no interruption; where it was if the agent had stopped."""
    stopped = transition.overlap.stopped_at is not None
    if stopped:
        _resume(transition)
    transition.set(overlap=None, phase=Phase.RESUMING if stopped else Phase.AGENT_SPEAKING)
    transition.do(Duck(1.0))


def _resume(transition: Transition) -> None:
    """Speak on where it was; somebody who still talks is listened to all the same."""
    transition.count("false_barge_ins", "resumes")
    transition.set_overlap(stopped_at=None)
    reply = transition.set_reply(held=False, moved_at=transition.state.at)
    transition.do(Play(reply.number))
    transition.tell_reply(reply, "resumed")


def _interrupt(transition: Transition) -> None:
    """Drop the reply for an interruption; what was heard of it is kept."""
    reply = transition.reply
    transition.count("interruptions", "barge_ins")
    transition.tell_reply(reply, "interrupted")
    replies.record(transition, "interrupted")
    replies.remember(transition)
    replies.drop(transition)
    take_floor(transition)


def take_floor(transition: Transition) -> None:
    """Make the overlap the caller's turn."""
    overlap, number = transition.overlap, transition.state.turns + 1
    turn = UserTurn(number, overlap.utterance, committed=overlap.text)
    transition.set(overlap=None, turns=number, turn=turn, phase=Phase.USER_SPEAKING)
    if overlap.silent_since is None:
        return
    ended = overlap.ended
    if ended is None:
        silence = TurnEvent(EventKind.SPEECH_PAUSED, transition.state.at, overlap.silent_since)
        turns.paused(transition, silence)
    else:
        reason = None if ended.reason is None else Reason(ended.reason)
        end = TurnEvent(EventKind.TURN_ENDED, ended.at, ended.since, ended.score, reason)
        turns.ended(transition, end)


def words_lost(transition: Transition) -> None:
    """Recover after the recogniser failed: judge by duration alone from here on."""
    if transition.state.overlap is not None:
        transition.set_overlap(utterance=transition.state.utterance, asked_at=None)
