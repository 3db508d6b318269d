"""Speech over the agent: how fast it stops for an interruption, and for what it should not.

Everything that is judged is judged by ear, with the agent's log or without it. An agent
that was audible at the onset of what was said has

- *fallen silent* if it made no sound for `SILENT_S`, and that silence began within
  `STOP_WITHIN_S` of the onset (or half of that after the end of what was said);
- *stopped* if it fell silent and then went on before anything else was said, or if the
  silence began within `SUDDEN_S` of the onset.

A reply that is over by itself within that second passes for a stop, and a long break
between two sentences for a stop and a resumption; a stop that came later than `SUDDEN_S`
and was for good passes for the end of a reply. Ears alone cannot tell better, and a
definition that asked the log would give other figures without it. The log only says what
a silence was (`Trial.cause`), beside the figures and not in them, and adds decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from turnkit.lab.caller.onset import OnsetSettings, Sound, find_sounds
from turnkit.lab.measuring.clocks import Clocks
from turnkit.lab.measuring.told import STOPS, Told
from turnkit.lab.records import CallRecording, Said

SUCCESS_MS = 600.0
"""An interruption succeeds if the agent is silent so soon after its onset (protocol, 2)."""

SILENT_S = 0.5
"""A shorter break of the agent is part of its speech."""

STOP_WITHIN_S = 3.0
"""A silence that begins later after the onset is not its doing."""

SUDDEN_S = 1.0
"""A silence for good that begins so soon after the onset was a stop."""

_RESUME_WITHIN_S = 6.0
# The agent may lower its voice: what is quiet beside its speech is speech nevertheless.
_EARS = OnsetSettings(above_db=10.0, loudest_db=-50.0, hangover_s=SILENT_S)


@dataclass(frozen=True, slots=True)
class Trial:
    """Something said over the agent, in seconds of the recording.

    Attributes
    ----------
    call, index : int
        Number of the call, and place among what was said in it.
    kind, name : str
    onset : float
        First audible sample of what was said.
    silent : float or None
        The agent's last audible sample before it fell silent, if it did.
    resumed : float or None
        When it was audible again after that, before anything else was said.
    decided : float or None
        When the agent decided to stop; None without a log.
    cause : str or None
        What a silence was by the agent's log: ``"stopped"`` or ``"interrupted"`` by its
        decision, ``"done"`` where the reply was over by itself, ``"untold"``; None
        without a log or a silence.
    regained : bool or None
        Whether the agent told that it resumed its reply; None without a log.
    """

    call: int
    index: int
    kind: str
    name: str
    onset: float
    silent: float | None
    resumed: float | None
    decided: float | None
    cause: str | None = None
    regained: bool | None = None

    @property
    def stopped(self) -> bool:
        """It fell silent for this, by ear; see the module's text."""
        if self.silent is None:
            return False
        return self.resumed is not None or self.silent - self.onset <= SUDDEN_S

    @property
    def moot(self) -> bool | None:
        """By the log, the reply was over by itself; None without a log."""
        if self.cause is None:
            return None if self.regained is None else False
        return self.cause == "done"

    @property
    def from_onset_ms(self) -> float | None:
        """Onset of the speech to the agent's last audible sample."""
        return None if self.silent is None else max(0.0, self.silent - self.onset) * 1000

    @property
    def from_decision_ms(self) -> float | None:
        """Decision to the agent's last audible sample; None if it was silent before."""
        if self.silent is None or self.decided is None or self.silent < self.decided:
            return None
        return (self.silent - self.decided) * 1000

    @property
    def success(self) -> bool:
        """The agent was silent within `SUCCESS_MS`."""
        return self.from_onset_ms is not None and self.from_onset_ms <= SUCCESS_MS

    @property
    def gap_ms(self) -> float | None:
        """How long it was silent before it went on; None if it did not.

        Of an interruption there is none: what comes then is its answer.
        """
        if self.silent is None or self.resumed is None or self.kind == "interruption":
            return None
        return (self.resumed - self.silent) * 1000


def read_trials(recording: CallRecording, told: Told, clocks: Clocks) -> list[Trial]:
    """Judge everything that was said over the agent.

    Returns
    -------
    list of Trial
        Without those at whose onset the agent was silent already: nothing was spoken
        over.
    """
    record = recording.record
    sounds = find_sounds(recording.heard, settings=_EARS)
    untils = [*(each.began for each in record.said[1:]), record.seconds]
    trials = []
    for index, (said, until) in enumerate(zip(record.said, untils, strict=False)):
        over = next((i for i, s in enumerate(sounds) if s.start < said.onset < s.end), None)
        if not said.over or over is None:
            continue
        silent = _silent(sounds[over], said, record.seconds)
        resumed = None if silent is None else _resumed(sounds[over + 1 :], silent, until)
        states = _states(said, told, clocks)
        trials.append(
            Trial(
                call=record.number,
                index=index,
                kind=said.kind,
                name=said.name,
                onset=said.onset,
                silent=silent,
                resumed=resumed,
                decided=next((at for at, state in states or () if state in STOPS), None),
                cause=None if silent is None else _cause(states),
                regained=None if states is None else any(s == "resumed" for _, s in states),
            )
        )
    return trials


def _resumed(after: Sequence[Sound], silent: float, until: float) -> float | None:
    """When the agent was audible again, before the next thing was said."""
    if not after or after[0].start >= min(until, silent + _RESUME_WITHIN_S):
        return None
    return after[0].start


def _silent(sound: Sound, said: Said, seconds: float) -> float | None:
    """End of the agent's speech, if that is soon after the onset and no end of the call."""
    soon = sound.end <= max(said.onset + STOP_WITHIN_S, said.ended + STOP_WITHIN_S / 2)
    return sound.end if soon and seconds - sound.end >= SILENT_S else None


def _states(said: Said, told: Told, clocks: Clocks) -> Sequence[tuple[float, str]] | None:
    """States of replies after the onset; None without a log or without its clock."""
    wall = clocks.wall
    if wall is None or not told.replies:
        return None
    states = [(wall.to_recording(each.at), each.state) for each in told.replies]
    latest = max(said.onset + STOP_WITHIN_S, said.ended + STOP_WITHIN_S / 2) + SILENT_S
    return [(at, state) for at, state in states if said.onset <= at <= latest]


def _cause(states: Sequence[tuple[float, str]] | None) -> str | None:
    """Tell which came first: a decision to stop, or the end of a reply."""
    if states is None:
        return None
    ends = (state for _, state in states if state in (*STOPS, "done"))
    return next(ends, "untold")
