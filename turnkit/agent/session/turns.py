"""The caller's turn: from first speech over pauses to the commit, and taking it back."""

from __future__ import annotations

from turnkit.agent.session import replies
from turnkit.agent.session.commands import FlushStt, Prefill, RestartStt
from turnkit.agent.session.settings import clock
from turnkit.agent.session.state import Phase, UserTurn
from turnkit.agent.session.transition import Transition
from turnkit.agent.session.words import conversation, same_words
from turnkit.detector.protocol import TurnEvent
from turnkit.stages.stt.protocol import Transcript

BEFORE_ONSET = clock(0.3)
"""Samples before the detector's onset that the recogniser gets, too: soft first sounds."""


def restart_recogniser(transition: Transition, since: int) -> int:
    """Begin a new utterance a little before `since`; its number."""
    utterance = transition.state.utterance + 1
    transition.set(utterance=utterance)
    transition.do(RestartStt(transition.state.received - since + BEFORE_ONSET))
    return utterance


def begin_turn(transition: Transition, since: int) -> None:
    """Somebody begins to speak into silence."""
    utterance = restart_recogniser(transition, since)
    number = transition.state.turns + 1
    turn = UserTurn(number, utterance)
    transition.set(turns=number, turn=turn, phase=Phase.USER_SPEAKING)


def paused(transition: Transition, event: TurnEvent) -> None:
    """Speech pauses, or the score of a pause changed."""
    phase = transition.state.phase
    if phase is Phase.USER_SPEAKING:
        turn = transition.set_turn(speech_end=event.since, score=event.score)
        transition.set(phase=Phase.PAUSED)
        if transition.state.rules.mode != "batch":
            flush(transition)
    elif phase in (Phase.PAUSED, Phase.SPECULATING):
        turn = transition.turn
        known = [score for score in (turn.score, event.score) if score is not None]
        transition.set_turn(score=max(known, default=None))
        speculate(transition)


def flush(transition: Transition) -> None:
    """Ask for all words up to now."""
    transition.set_turn(flush_at=transition.state.received, final_at=None)
    transition.do(FlushStt())


def resumed(transition: Transition) -> None:
    """Speech goes on after a pause: what was drafted for it is void."""
    if transition.state.phase not in (Phase.PAUSED, Phase.SPECULATING):
        return
    if transition.state.reply is not None:
        replies.discard(transition)
    _go_on(transition)


def _go_on(transition: Transition) -> None:
    """Forget the pause: the turn goes on."""
    transition.set_turn(
        speech_end=None,
        flush_at=None,
        final_at=None,
        decided_at=None,
        reason=None,
        score=None,
        drafted=False,
    )
    transition.set(phase=Phase.USER_SPEAKING)


def ended(transition: Transition, event: TurnEvent) -> None:
    """Commit the turn: the detector says that it is over."""
    if transition.state.phase not in (Phase.USER_SPEAKING, Phase.PAUSED, Phase.SPECULATING):
        return
    reason = None if event.reason is None else event.reason.value
    turn = transition.set_turn(
        decided_at=event.at, speech_end=event.since, reason=reason, score=event.score
    )
    transition.set(phase=Phase.COMMITTED)
    if turn.flush_at is None:
        flush(transition)
    elif turn.final_at is not None:
        answer(transition)


def recognised(transition: Transition, transcript: Transcript) -> None:
    """Take words; once they are final, answer or draft an answer."""
    turn = transition.state.turn
    if turn is None or transcript.utterance != turn.utterance or turn.final_at is not None:
        return
    phase = transition.state.phase
    if phase not in (Phase.USER_SPEAKING, Phase.PAUSED, Phase.COMMITTED):
        return
    before = turn.committed
    turn = transition.set_turn(
        committed=" ".join(transcript.committed), tail=" ".join(transcript.tail)
    )
    asked = turn.flush_at
    final = transcript.flushed and asked is not None and transcript.heard >= asked
    transition.tell(
        "words", turn=turn.number, committed=turn.committed, tail=turn.tail, final=final
    )
    if final:
        transition.set_turn(final_at=transition.state.at)
        if phase is Phase.COMMITTED:
            answer(transition)
        else:
            speculate(transition)
        return
    if phase is Phase.USER_SPEAKING and turn.committed != before:
        read_ahead(transition, turn.committed)


def read_ahead(transition: Transition, text: str = "") -> None:
    """Have the language model read the conversation up to `text` while nobody waits for it."""
    if transition.state.rules.mode != "batch":
        transition.do(Prefill(conversation(transition.state, text)))


def speculate(transition: Transition) -> None:
    """Draft a reply if the words of this pause are known and the rules allow it."""
    state, turn = transition.state, transition.turn
    eager = state.rules.turn.eager_threshold
    if state.rules.mode != "speculative" or state.phase is not Phase.PAUSED:
        return
    if turn.final_at is None or turn.drafted or turn.words_lost or not turn.text:
        return
    if eager is not None and (turn.score is None or turn.score <= eager):
        return
    transition.count("speculations")
    transition.set_turn(drafted=True)
    replies.start(transition, turn.text, speculated=True)
    transition.set(phase=Phase.SPECULATING)


def answer(transition: Transition) -> None:
    """Answer a committed turn whose words are final: with the draft if it fits them."""
    turn, draft = transition.turn, transition.state.reply
    if draft is not None and same_words(draft.prompt, turn.text):
        transition.count("adopted")
        replies.adopt(transition)
        return
    if draft is not None:
        replies.discard(transition)
    if turn.words_lost:
        replies.apologise(transition)
        return
    if not turn.text:
        transition.count("empty_turns")
        transition.set(phase=Phase.LISTENING)
        return
    replies.start(transition, turn.text, speculated=False)
    replies.adopt(transition)


def take_back(transition: Transition, since: int) -> None:
    """Undo a commit, because the caller goes on: the turn does, too."""
    reply = transition.state.reply
    if reply is not None and reply.fixed:  # a sentence of the agent's own answers nothing
        replies.drop(transition)
        begin_turn(transition, since)
        return
    transition.count("take_backs")
    if reply is not None:
        if reply.sent_at is not None:
            transition.count("interruptions", "false_interruptions")
        transition.tell_reply(reply, "taken back")
        replies.record(transition, "taken back")
        replies.drop(transition)
    _go_on(transition)


def words_lost(transition: Transition) -> None:
    """Recover after the recogniser failed: the words of this turn are gone."""
    state = transition.state
    if state.phase in (Phase.USER_SPEAKING, Phase.PAUSED, Phase.SPECULATING):
        if state.reply is not None:
            replies.discard(transition)
            transition.set(phase=Phase.PAUSED)
        again = state.phase is not Phase.USER_SPEAKING
        transition.set_turn(
            utterance=state.utterance, flush_at=None, final_at=None, words_lost=True
        )
        if again:
            flush(transition)
    elif state.phase is Phase.COMMITTED and state.reply is None:
        replies.apologise(transition)
