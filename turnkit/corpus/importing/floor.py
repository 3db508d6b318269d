"""Who holds the floor: from the speech of everybody to the turns of one.

A turn begins when a speaker takes the floor and is over when somebody else takes it, or
when nobody has spoken for longer than a hold can last. A backchannel ("mm-hm", "right")
does not take the floor: it is short, its speaker is quiet before and after, and the other
goes on talking around it, as in the definitions by which voice activity projection is
scored (Ekstedt & Skantze 2022). The same short word *after* the other has stopped is an
answer, and a turn.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields

from turnkit.corpus.importing.ledger import Ledger
from turnkit.corpus.schema import MIN_SPAN_S, Span
from turnkit.errors import ConfigError

Run = tuple[float, float]
"""A stretch of speech: its first and last second."""

_WORD_GAP_S = 0.3
"""Pauses shorter than this do not part the words of a backchannel ("yeah, right")."""

MIN_OVERLAP_S = 0.1
"""Shorter than this, two at a time may be the VAD's hysteresis."""

_LONG_SILENCE = "ends after which the same speaker went on, the silence being no hold"

_ROUNDING_S = 1e-9


@dataclass(frozen=True, slots=True)
class FloorRules:
    """What counts as a turn; all in seconds.

    Attributes
    ----------
    backchannel_s : float
        Longest backchannel.
    isolation_s : float
        Quiet of its speaker before and after a backchannel.
    bridge_s : float
        Longest pause of the other that a backchannel may lie in: after a longer one the
        other had stopped, and it was an answer.
    longest_hold_s : float
        Silence of everybody after which a turn is over.
    min_turn_s : float
        Speech below which a stretch is no turn ("yes" takes 0.25).
    lead_s, tail_s : float
        Kept before and after a turn, at most.
    resume_s : float
        A turn whose speaker is heard again sooner is left out: that may be somebody who
        talked on over an interruption, so neither a hold nor an end is certain.
    min_tail_s : float
        A turn whose channel is not quiet for so long after it is left out: there a
        detector had no time to answer.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    backchannel_s: float = 1.0
    isolation_s: float = 1.0
    bridge_s: float = 1.0
    longest_hold_s: float = 5.0
    min_turn_s: float = 0.2
    lead_s: float = 0.5
    tail_s: float = 4.0
    resume_s: float = 1.0
    min_tail_s: float = 0.5

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0.0 <= value <= 60.0:
                raise ConfigError(f"{field.name} {value!r}: expected 0 .. 60 seconds")
        if not MIN_SPAN_S <= self.min_tail_s <= self.tail_s:
            raise ConfigError(
                f"min_tail_s {self.min_tail_s!r}, tail_s {self.tail_s!r}: expected "
                f"{MIN_SPAN_S:g} <= min_tail_s <= tail_s"
            )


@dataclass(frozen=True, slots=True)
class Cut:
    """A turn found in a recording.

    Attributes
    ----------
    start, end : float
        Seconds in the recording that the row keeps.
    onset, offset : float
        First and last second of its speech, in the recording.
    spans : tuple of Span
        Silences, in seconds from `start`; the last is the end of the turn.
    overlap : bool
        Whether somebody else speaks at the same time in it.
    """

    start: float
    end: float
    onset: float
    offset: float
    spans: tuple[Span, ...]
    overlap: bool = False


def merge(runs: Sequence[Run], gap_s: float) -> list[Run]:
    """Join stretches that lie `gap_s` seconds apart or less, or overlap.

    Parameters
    ----------
    runs : sequence of (float, float)
        In any order.
    gap_s : float

    Returns
    -------
    list of (float, float)
        In order.
    """
    joined: list[Run] = []
    for begin, end in sorted(runs):
        if joined and begin - joined[-1][1] <= gap_s:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


def find_backchannels(own: Sequence[Run], other: Sequence[Run], rules: FloorRules) -> list[Run]:
    """Short stretches that answer nothing: the other goes on talking around them.

    Parameters
    ----------
    own, other : sequence of (float, float)
        Speech of one and of everybody else, in order.
    rules : FloorRules

    Returns
    -------
    list of (float, float)
    """
    stretches = merge(own, _WORD_GAP_S)
    around = merge(other, rules.bridge_s)
    found = []
    for index, (begin, end) in enumerate(stretches):
        before = stretches[index - 1][1] if index else float("-inf")
        after = stretches[index + 1][0] if index + 1 < len(stretches) else float("inf")
        alone = min(begin - before, after - end) >= rules.isolation_s - _ROUNDING_S
        short = end - begin <= rules.backchannel_s + _ROUNDING_S
        if alone and short and any(a < begin and end < b for a, b in around):
            found.append((begin, end))
    return found


def without(runs: Sequence[Run], left_out: Sequence[Run]) -> list[Run]:
    """Leave out runs that lie in one of the given stretches."""
    return [r for r in runs if not any(a <= r[0] and r[1] <= b for a, b in left_out)]


def group_turns(
    own: Sequence[Run],
    other: Sequence[Run],
    rules: FloorRules,
    known: tuple[Sequence[Run], Sequence[Run]] = ((), ()),
) -> list[list[Run]]:
    """Gather a speaker's stretches into turns, backchannels of either side left out.

    Parameters
    ----------
    own, other : sequence of (float, float)
        Speech of one and of everybody else, in order.
    rules : FloorRules
    known : tuple
        Stretches of `own` and of `other` that somebody has marked as backchannels.

    Returns
    -------
    list of list of (float, float)
        The stretches of each turn, in order.
    """
    mine = without(own, [*find_backchannels(own, other, rules), *known[0]])
    floor = without(other, [*find_backchannels(other, own, rules), *known[1]])
    groups: list[list[Run]] = []
    for run in mine:
        last = groups[-1][-1][1] if groups else 0.0
        # Somebody else spoke between these two stretches, or was still speaking.
        taken = any(begin < run[0] and end > last for begin, end in floor)
        if not groups or taken or run[0] - last > rules.longest_hold_s:
            groups.append([])
        groups[-1].append(run)
    return groups


def cut_turns(
    own: Sequence[Run],
    other: Sequence[Run],
    duration: float,
    rules: FloorRules | None = None,
    ledger: Ledger | None = None,
    *,
    name: str = "",
    heard: Sequence[Run] = (),
    known: tuple[Sequence[Run], Sequence[Run]] = ((), ()),
) -> list[Cut]:
    """Find the turns of one speaker, from the speech of everybody.

    Parameters
    ----------
    own, other : sequence of (float, float)
        Stretches of speech in seconds, in order, as `turnkit.vad.speech_runs` gives them:
        of the speaker and of everybody else.
    duration : float
        Of the recording, in seconds.
    rules : FloorRules, optional
    ledger : Ledger, optional
        Told what was left out and why.
    name : str
        Of the speaker, for the ledger.
    heard : sequence of (float, float)
        Speech of others that is heard on the same channel, too, in order: it ends a row
        just as the speaker's own does, and a turn that has it in a pause is left out.
    known : tuple
        As in `group_turns`.

    Returns
    -------
    list of Cut
        In order.
    """
    rules, ledger = rules or FloorRules(), ledger if ledger is not None else Ledger()
    sounds = sorted([*own, *heard])
    cuts = []
    groups = group_turns(own, other, rules, known)
    for group, later in itertools.zip_longest(groups, groups[1:]):
        where = f"{name} at {group[0][0]:.2f} s"
        cut = _cut(group, (own, other, sounds), duration, rules)
        problem = cut if isinstance(cut, str) else _in_a_pause(cut, heard)
        if isinstance(cut, str) or problem:
            ledger.drop(problem, where)
        else:
            cuts.append(cut)
            ledger.note(_LONG_SILENCE, int(_goes_on(group, later, other)))
    return cuts


def _cut(
    group: list[Run],
    speech: tuple[Sequence[Run], Sequence[Run], Sequence[Run]],
    duration: float,
    rules: FloorRules,
) -> Cut | str:
    """Make the turn of a group, or say why there is none.

    `speech` is that of the speaker, of the others, and of all that are heard.
    """
    own, other, sounds = speech
    onset, offset = group[0][0], group[-1][1]
    if sum(b - a for a, b in group) < rules.min_turn_s - _ROUNDING_S:
        return "less speech than a turn needs"
    # A last word without extent begins where it ends, and is no going on.
    later = [a for a, b in own if (a, b) not in group]
    if any(0.0 <= a - offset < rules.resume_s - _ROUNDING_S for a in later):
        return "its speaker goes on too soon"
    # Nothing else may be heard before and after: neither another turn nor a backchannel.
    outside = [run for run in sounds if run not in group]
    before = max((b for a, b in outside if a < onset), default=0.0)
    after = min((max(a, offset) for a, b in outside if b > offset), default=duration)
    start = min(onset, max(before, onset - rules.lead_s, 0.0))
    end = min(after, offset + rules.tail_s, duration)
    if end - offset < rules.min_tail_s - _ROUNDING_S:
        return "not quiet for long enough after it"
    gaps = [(a[1], b[0]) for a, b in itertools.pairwise(group)]
    spans = [Span(a - start, b - start) for a, b in gaps if b - a >= MIN_SPAN_S]
    both = (min(b, end) - max(a, begin) for begin, end in group for a, b in other)
    overlap = any(seconds >= MIN_OVERLAP_S for seconds in both)
    return Cut(start, end, onset, offset, (*spans, Span(offset - start, end - start)), overlap)


def _goes_on(group: list[Run], later: list[Run] | None, other: Sequence[Run]) -> bool:
    """Whether its speaker is the next to speak: an end only by how long the silence is."""
    if later is None:
        return False
    begin, end = group[-1][1], later[0][0]
    return not any(a < end and b > begin for a, b in other)


def _in_a_pause(cut: Cut, heard: Sequence[Run]) -> str:
    for span in cut.spans[:-1]:
        begin, end = span.start + cut.start, span.end + cut.start
        if any(a < end - _ROUNDING_S and b > begin + _ROUNDING_S for a, b in heard):
            return "somebody else is heard in a pause of it"
    return ""
