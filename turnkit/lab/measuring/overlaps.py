"""Speech over the agent: how fast it stops for an interruption, and for what it should not.

Stop times are read from what the caller heard: from the onset of what was said to the
agent's last audible sample before `SILENT_S` of silence. The agent's log adds when it
decided, and whether a silence that was never broken was a stop or the end of its reply.
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
    stopped : bool or None
        It fell silent for this, and not because its reply was over; None if that is not
        known.
    given_up : bool
        By the agent's log its reply was dropped: what is heard next is another one.
    """

    call: int
    index: int
    kind: str
    name: str
    onset: float
    silent: float | None
    resumed: float | None
    decided: float | None
    stopped: bool | None
    given_up: bool = False

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
        """How long it was silent before it went on with its reply; None if it did not."""
        if self.silent is None or self.resumed is None or not self.stopped or self.given_up:
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
                stopped=_stopped(silent, resumed, states),
                given_up=any(state == "interrupted" for _, state in states or ()),
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


def _stopped(
    silent: float | None, resumed: float | None, states: Sequence[tuple[float, str]] | None
) -> bool | None:
    if silent is None:
        return False
    if states is None:
        # Who goes on had not been through; who does not may have been.
        return True if resumed is not None else None
    return any(state in (*STOPS, "resumed") for _, state in states)
