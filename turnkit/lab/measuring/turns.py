"""Turns by ear: when the agent answered, whether it interrupted, whether it said nothing.

Only the recording and the script's annotation are used; with the agent's log deleted,
everything here comes out the same.

Agent audio belongs to one stretch as long as its breaks are shorter than `RUN_ON_S`, the
silence after which a caller takes the agent's turn for over. A stretch that begins while
the caller speaks is a false interruption; one that began before the caller did and runs
on is not, and is never an answer either. The answer is the first audible sample after the
annotated end. Where the agent was audible at that very moment, the answer has to be a
stretch of its own; a false start that had ended by then swallows nothing that follows it.

Turns without an answer are of three kinds: the agent had interrupted and said nothing
more; nothing answered, a miss; or the caller went on or left before it could be told.
Dead air has its own rule, whatever came before: no agent sound at all within
`DEAD_AIR_S` of the annotated end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from turnkit.lab.caller.onset import Sound, find_sounds
from turnkit.lab.records import CallRecording, Said

DEAD_AIR_S = 3.0
"""Seconds without agent audio after which a turn counts as dead air (protocol, layer 2)."""

RUN_ON_S = 0.7


@dataclass(frozen=True, slots=True)
class HeardTurn:
    """One turn of the caller, in seconds of the recording.

    Attributes
    ----------
    call, index : int
        Number of the call, and place among what was said in it.
    name : str
        Of the row or text.
    text : str or None
        What was said, as far as known.
    began, ended, until : float
        First sample, annotated end of the speech, and when the answer had to be there:
        the next thing said, or the end of the recording.
    false_start : float or None
        When the agent became audible before `ended`.
    audible : float or None
        First audible sample of the answer.
    audible_for_s : float
        How long the agent could be heard between `ended` and `until`, whatever it said.
    cut_short : bool
        The caller left, or said something else, before it could be missed.
    sounded : float or None
        First moment from `ended` on at which the agent could be heard, answer or not.
    """

    call: int
    index: int
    name: str
    text: str | None
    began: float
    ended: float
    until: float
    false_start: float | None
    audible: float | None
    audible_for_s: float
    cut_short: bool = False
    sounded: float | None = None

    @property
    def v2v_ms(self) -> float | None:
        """Annotated end of speech to first audible sample of the answer; None without one."""
        return None if self.audible is None else (self.audible - self.ended) * 1000

    @property
    def interrupted(self) -> bool:
        """The agent became audible before the caller was done."""
        return self.false_start is not None

    @property
    def missed(self) -> bool:
        """It was never answered, though the caller waited; nor had the agent interrupted."""
        return self.audible is None and not self.interrupted and not self.cut_short

    @property
    def interrupted_unanswered(self) -> bool:
        """The agent had interrupted, and gave no answer after that."""
        return self.interrupted and self.audible is None

    @property
    def dead_air(self) -> bool:
        """Nothing at all was heard for `DEAD_AIR_S` after the caller was done."""
        if self.cut_short:
            return False
        heard = [each for each in (self.sounded, self.audible) if each is not None]
        return not heard or min(heard) - self.ended > DEAD_AIR_S


def hear_turns(recording: CallRecording, sounds: Sequence[Sound] | None = None) -> list[HeardTurn]:
    """Measure every turn of a call by ear.

    Parameters
    ----------
    recording : CallRecording
    sounds : sequence of Sound, optional
        Of `recording.heard`, where they are known already.

    Returns
    -------
    list of HeardTurn
        In order; of what was said over the agent on purpose there is none.
    """
    sounds = find_sounds(recording.heard) if sounds is None else sounds
    record = recording.record
    left = record.ended_by in ("caller", "vanished")
    turns = []
    for index, said in enumerate(record.said):
        if said.kind != "turn" or said.over:
            continue
        last = index + 1 == len(record.said)
        until = record.seconds if last else record.said[index + 1].began
        cut_short = until - said.ended < DEAD_AIR_S and (left or not last)
        turns.append(_hear(sounds, said, (record.number, index), until, cut_short))
    return turns


def _hear(
    sounds: Sequence[Sound], said: Said, place: tuple[int, int], until: float, cut_short: bool
) -> HeardTurn:
    stretches = list(zip(sounds, _stretches(sounds), strict=True))
    early = [
        sound.start
        for sound, begin in stretches
        if said.began <= begin and said.began <= sound.start < said.ended
    ]
    # Who speaks across the end has not heard it: what runs on from there is no answer.
    across = any(sound.start < said.ended < sound.end for sound in sounds)
    since = said.ended if across else said.began
    answer = (
        sound.start
        for sound, begin in stretches
        if said.ended <= sound.start < until and begin >= since
    )
    after = [sound for sound in sounds if sound.end > said.ended and sound.start < until]
    heard = sum(min(sound.end, until) - max(sound.start, said.ended) for sound in after)
    return HeardTurn(
        call=place[0],
        index=place[1],
        name=said.name,
        text=said.text,
        began=said.began,
        ended=said.ended,
        until=until,
        false_start=early[0] if early else None,
        audible=next(answer, None),
        audible_for_s=heard,
        cut_short=cut_short,
        sounded=max(after[0].start, said.ended) if after else None,
    )


def _stretches(sounds: Sequence[Sound]) -> list[float]:
    """Begin of the stretch that each sound belongs to."""
    begins: list[float] = []
    for index, sound in enumerate(sounds):
        on = index > 0 and sound.start - sounds[index - 1].end < RUN_ON_S
        begins.append(begins[-1] if on else sound.start)
    return begins
