"""The agent's replies: drafted, adopted, spoken clause by clause, dropped."""

from __future__ import annotations

from typing import cast

from turnkit.agent.records import Outcome, TurnRecord
from turnkit.agent.session.commands import (
    CancelReply,
    Duck,
    Play,
    Record,
    Speak,
    StartReply,
    StartSaying,
)
from turnkit.agent.session.events import Voiced
from turnkit.agent.session.settings import CLOCK_RATE
from turnkit.agent.session.state import Phase, Reply
from turnkit.agent.session.transition import Transition
from turnkit.agent.session.words import conversation
from turnkit.stages.llm.protocol import ChatMessage


def _open(transition: Transition, reply: Reply) -> None:
    assert transition.state.reply is None, "one reply at a time"
    transition.set(reply=reply, replies=reply.number)


def start(transition: Transition, prompt: str, *, speculated: bool) -> None:
    """Have a reply written; it is on hold until it is adopted."""
    state = transition.state
    number = state.replies + 1
    reply = Reply(number, prompt, speculated=speculated, moved_at=state.at)
    _open(transition, reply)
    transition.do(StartReply(number, conversation(state, prompt)))
    transition.tell_reply(reply, "drafting")


def say(transition: Transition, text: str) -> None:
    """Say a sentence of the agent's own."""
    number = transition.state.replies + 1
    reply = Reply(number, fixed=True, adopted=True, written=True, moved_at=transition.state.at)
    _open(transition, reply)
    transition.do(StartSaying(number))
    transition.set(phase=Phase.COMMITTED)
    _release(transition)
    clause_ready(transition, text)


def adopt(transition: Transition) -> None:
    """Let the reply be heard: its turn was committed, and these were its words."""
    reply = transition.set_reply(adopted=True, moved_at=transition.state.at)
    transition.tell_reply(reply, "adopted")
    transition.set(phase=Phase.COMMITTED)
    _speak_next(transition)
    if transition.state.rules.mode != "batch" or _voiced_all(reply):
        _release(transition)


def _release(transition: Transition) -> None:
    reply = transition.set_reply(released=True)
    transition.do(Play(reply.number))


def wrote(transition: Transition) -> None:
    """Note a piece, and when the first one came."""
    reply = transition.set_reply(pieces=transition.reply.pieces + 1)
    if reply.first_token_at is None:
        transition.set_reply(first_token_at=transition.state.at)


def clause_ready(transition: Transition, text: str) -> None:
    """Add a clause to the reply."""
    transition.set_reply(clauses=(*transition.reply.clauses, text))
    _speak_next(transition)


def _speak_next(transition: Transition) -> None:
    """Hand clauses to the voice; of a draft only the first one."""
    reply = transition.reply
    ready = len(reply.clauses) if reply.adopted else min(1, len(reply.clauses))
    transition.do(*(Speak(reply.number, text) for text in reply.clauses[reply.asked : ready]))
    transition.set_reply(asked=max(reply.asked, ready))


def written(transition: Transition) -> None:
    """Note that no clause will follow."""
    reply = transition.set_reply(written=True)
    if not reply.clauses:
        failed(transition)
    else:
        _settle(transition)


def voiced(transition: Transition, event: Voiced) -> None:
    """Note audio that was made."""
    if event.cached:
        transition.count("cached_clauses")
    reply = transition.reply
    first = transition.state.at if reply.first_audio_at is None else reply.first_audio_at
    transition.set_reply(
        made_s=reply.made_s + event.seconds,
        words=reply.words + event.words,
        voiced=reply.voiced + event.clause_done,
        first_audio_at=first if event.seconds else reply.first_audio_at,
    )
    _settle(transition)


def _voiced_all(reply: Reply) -> bool:
    return reply.written and reply.voiced == len(reply.clauses)


def _settle(transition: Transition) -> None:
    """See whether the reply can begin (in batch mode), is over, or came to nothing."""
    reply = transition.reply
    if not (_voiced_all(reply) and reply.adopted):
        return
    if reply.made_s == 0:
        failed(transition)  # nothing in it could be spoken
    elif not reply.released:
        _release(transition)
    elif reply.finished:
        _finish(transition)


def played(transition: Transition, seconds: float) -> None:
    """So much of the reply was handed to the transport."""
    reply = transition.reply
    if seconds <= reply.played_s:
        return
    before = reply.spoken
    reply = transition.set_reply(played_s=seconds, moved_at=transition.state.at)
    transition.set(active_at=transition.state.at)
    if reply.sent_at is None:
        reply = transition.set_reply(sent_at=transition.state.at)
        transition.tell_reply(reply, "speaking")
        record(transition, "answered", done=False)
    if transition.state.phase in (Phase.COMMITTED, Phase.RESUMING):
        transition.set(phase=Phase.AGENT_SPEAKING)
    if reply.spoken != before:
        turn = None if reply.fixed or not transition.state.turn else transition.turn.number
        transition.tell("spoken", turn=turn, reply=reply.number, text=reply.spoken)
    if reply.finished:
        _finish(transition)


def _finish(transition: Transition) -> None:
    """Close a reply that was heard to its end."""
    reply = transition.reply
    remember(transition)
    record(transition, "answered")
    transition.tell_reply(reply, "done")
    failures = transition.state.failures if reply.fixed else 0
    drop(transition)  # nothing is left of it but the task of its voice
    transition.set(failures=failures, phase=Phase.LISTENING)


def remember(transition: Transition) -> None:
    """Add the exchange to the history: of the agent only what was played."""
    reply = transition.reply
    said = [ChatMessage("user", reply.prompt)] if reply.prompt else []
    heard = [ChatMessage("assistant", reply.spoken)] if reply.spoken else []
    transition.set(history=(*transition.state.history, *said, *heard))


def record(transition: Transition, outcome: str, *, done: bool = True) -> None:
    """Tell what became of a turn; `done` once it will not change any more."""
    state, reply = transition.state, transition.reply
    if reply.fixed or state.turn is None:
        return

    def seconds(at: int | None) -> float | None:
        return None if at is None else at / CLOCK_RATE

    turn = state.turn
    kept = TurnRecord(
        call_id=state.call_id,
        turn=turn.number,
        mode=state.rules.mode,
        text=turn.text,
        reply_text=reply.spoken,
        speech_end=seconds(turn.speech_end),
        decided_at=seconds(turn.decided_at),
        reason=turn.reason,
        words_final_at=seconds(turn.final_at),
        first_token_at=seconds(reply.first_token_at),
        first_audio_at=seconds(reply.first_audio_at),
        sent_at=seconds(reply.sent_at),
        speculated=reply.speculated,
        adopted=reply.speculated and reply.adopted,
        outcome=cast(Outcome, outcome),
    )
    transition.do(Record(kept, done))


def drop(transition: Transition) -> None:
    """Cancel the reply and all work on it; nothing more of it is sent."""
    reply = transition.reply
    cut = reply.played_s > 0 and not reply.finished
    transition.do(CancelReply(reply.number, cut), Duck(1.0))
    transition.count("tokens", n=reply.pieces)
    if not reply.played_s:
        transition.count("wasted_tokens", n=reply.pieces)
    transition.set(reply=None)


def discard(transition: Transition) -> None:
    """Drop a draft that was not used."""
    transition.count("discarded")
    transition.tell_reply(transition.reply, "discarded")
    drop(transition)


def failed(transition: Transition) -> None:
    """Recover from a failed reply: keep what was played, apologise if that is no word."""
    reply = transition.reply
    if not reply.adopted:
        discard(transition)
        transition.set(phase=Phase.PAUSED)
        return
    record(transition, "failed")
    remember(transition)
    drop(transition)
    if reply.fixed or reply.spoken or transition.state.overlap is not None:
        transition.set(phase=Phase.LISTENING)
    else:
        apologise(transition)


def apologise(transition: Transition) -> None:
    """Say that something went wrong."""
    transition.count("apologies")
    say(transition, transition.state.rules.conversation.apology)
