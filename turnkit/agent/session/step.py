"""`step(state, event) -> (state, commands)`: the whole behaviour of a call.

No asyncio, no wall clock, nothing hidden: the same events give the same commands. The
turn decision is the detector's; what is done about it is decided here.
"""

from __future__ import annotations

from turnkit.agent.session import interruption, replies, turns
from turnkit.agent.session.commands import Command, HangUp, RestartStt
from turnkit.agent.session.events import (
    Begun,
    ClauseReady,
    Detected,
    Event,
    Left,
    Played,
    Recognised,
    StageFailed,
    Ticked,
    Voiced,
    Written,
    Wrote,
)
from turnkit.agent.session.settings import Rules, clock
from turnkit.agent.session.state import Phase, State
from turnkit.agent.session.transition import Transition
from turnkit.detector.protocol import EventKind, TurnEvent


def begin(rules: Rules, call_id: str = "") -> State:
    """State of a call before anything happened."""
    return State(rules=rules, call_id=call_id)


def step(state: State, event: Event) -> tuple[State, list[Command]]:
    """Take one event.

    Parameters
    ----------
    state : State
    event : Event
        Its `at` may lie a little before the state's clock, because that goes on between
        two frames; it never goes back.

    Returns
    -------
    state : State
    commands : list of Command
        To be carried out in order.
    """
    if state.over:
        return state, []
    transition = Transition(state)
    received = event.at if isinstance(event, Ticked) else 0
    transition.set(at=max(state.at, event.at), received=max(state.received, received))
    _dispatch(transition, event)
    if transition.state.overlap is not None and transition.state.reply is None:
        interruption.take_floor(transition)  # nothing is left to interrupt
    if len(transition.state.history) > len(state.history) and transition.state.reply is None:
        turns.read_ahead(transition)
    if transition.state.phase is not state.phase:
        transition.tell("phase", phase=transition.state.phase.value)
    return transition.state, transition.commands


def _dispatch(transition: Transition, event: Event) -> None:
    match event:
        case Begun():
            transition.tell("phase", phase=transition.state.phase.value)
            turns.read_ahead(transition)
            greeting = transition.state.rules.conversation.greeting
            if greeting:
                replies.say(transition, greeting)
        case Ticked():
            _tick(transition)
        case Left():
            _leave(transition)
        case Detected():
            _detected(transition, event.event)
        case Recognised():
            if not interruption.recognised(transition, event.transcript):
                turns.recognised(transition, event.transcript)
        case StageFailed():
            _stage_failed(transition, event)
        case Wrote() | ClauseReady() | Written() | Voiced() | Played():
            _reply_event(transition, event)


def _reply_event(
    transition: Transition, event: Wrote | ClauseReady | Written | Voiced | Played
) -> None:
    reply = transition.state.reply
    if reply is None or reply.number != event.reply:
        return  # of a reply that was dropped
    match event:
        case Wrote():
            replies.wrote(transition)
        case ClauseReady():
            replies.clause_ready(transition, event.text)
        case Written():
            replies.written(transition)
        case Voiced():
            replies.voiced(transition, event)
        case Played():
            replies.played(transition, event.seconds)


def _detected(transition: Transition, event: TurnEvent) -> None:
    """Send what the detector said to whom it concerns."""
    transition.set(active_at=transition.state.at)
    phase = transition.state.phase
    if phase in (Phase.AGENT_SPEAKING, Phase.RESUMING, Phase.INTERRUPTED):
        interruption.detected(transition, event)
        return
    match event.kind:
        # Speech that was overheard while the agent spoke resumes instead of starting.
        case EventKind.SPEECH_STARTED | EventKind.TURN_RESUMED:
            if phase is Phase.COMMITTED:
                turns.take_back(transition, event.since)
            elif phase is Phase.LISTENING:
                turns.begin_turn(transition, event.since)
            else:
                turns.resumed(transition)
        case EventKind.SPEECH_PAUSED:
            turns.paused(transition, event)
        case EventKind.TURN_ENDED:
            turns.ended(transition, event)


def _tick(transition: Transition) -> None:
    state = transition.state
    limits = state.rules.limits
    if state.at >= clock(limits.duration_s):
        hang_up(transition, f"calls end after {limits.duration_s:g} s")
    elif state.phase is Phase.LISTENING and state.at - state.active_at >= clock(limits.idle_s):
        hang_up(transition, f"nobody said anything for {limits.idle_s:g} s")
    elif state.phase is Phase.INTERRUPTED:
        interruption.tick(transition)
    else:
        _give_up(transition)


def _give_up(transition: Transition) -> None:
    """Stop waiting for stages that say nothing at all."""
    state, rules = transition.state, transition.state.rules.turn
    reply, turn = state.reply, state.turn
    if state.phase is Phase.COMMITTED and reply is None and turn and turn.decided_at is not None:
        if state.at - turn.decided_at >= clock(rules.words_timeout_s):
            problem = f"no final words within {rules.words_timeout_s:g} s"
            _stage_failed(transition, StageFailed(state.at, "stt", problem))
        return
    if reply is None or not reply.adopted:
        return
    if state.at - reply.moved_at >= clock(rules.reply_timeout_s):
        stage = "tts" if reply.clauses else "llm"
        problem = f"nothing for {rules.reply_timeout_s:g} s"
        _stage_failed(transition, StageFailed(state.at, stage, problem, reply.number))


def _stage_failed(transition: Transition, event: StageFailed) -> None:
    """Tell it, count it, and go on as well as possible."""
    state = transition.state
    current = state.reply is not None and state.reply.number == event.reply
    if event.reply is not None and not current:
        return
    failures = state.failures + 1
    fatal = failures >= state.rules.limits.stage_failures
    transition.set(failures=failures)
    transition.count("stage_failures")
    transition.tell("error", stage=event.stage, text=event.problem, fatal=fatal)
    if fatal:
        hang_up(transition, f"the {event.stage} stage keeps failing: {event.problem}")
    elif event.stage == "stt":
        transition.set(utterance=state.utterance + 1)
        transition.do(RestartStt(0, reopen=True))
        turns.words_lost(transition)
        interruption.words_lost(transition)
    elif current:
        replies.failed(transition)


def hang_up(transition: Transition, reason: str) -> None:
    """End the call."""
    _leave(transition)
    transition.tell("bye", reason=reason)
    transition.do(HangUp(reason))


def _leave(transition: Transition) -> None:
    """Do nothing more; a reply that is being heard is over with what was heard of it."""
    if transition.state.overlap is not None:
        transition.set(overlap=None, phase=Phase.LISTENING)
    if transition.state.reply is not None:
        if transition.reply.sent_at is not None:
            replies.record(transition, "interrupted")
        replies.drop(transition)
    transition.set(over=True)
