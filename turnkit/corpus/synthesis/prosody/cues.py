"""Cues of one boundary: whether the speaker sounds done, or as if there were more to come.

What corpora and listeners agree on:

- Gravano & Hirschberg, "Turn-taking cues in task-oriented dialogue", Computer Speech &
  Language 25, 2011: before a change of speaker pitch falls or rises high, before a hold it
  stays level; the level is lower and the voice less regular (jitter, shimmer, noise) before
  a change; the last word is drawn out more before a hold.
- Duncan, "Some signals and rules for taking speaking turns in conversations", Journal of
  Personality and Social Psychology 23, 1972: pitch that leaves the middle of the range,
  and loss of loudness, yield the turn; so does a drawl, which is why ends are lengthened
  here, too, and the ranges overlap.
- Local & Kelly, "Projection and 'silences': notes on phonetic and conversational
  structure", Human Studies 9, 1986: a glottal closure holds the turn through a silence.
- Ogden, "Turn transition, creak and glottal stop in Finnish talk-in-interaction", Journal
  of the International Phonetic Association 31, 2001: creak goes with the end of a turn,
  the glottal stop with its continuation.

Means and spreads are set by hand in that direction, wide enough that no cue decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from turnkit.corpus.synthesis.prosody.settings import ProsodySettings
from turnkit.corpus.synthesis.script import Boundary

MIN_BREATH_S = 0.08
"""A shorter breath is none."""

_BREATHING_HOLD_S = 0.35
"""A shorter hold has no room for drawing breath."""

_DROP_DB = (-4.0, 15.0)
_MOVEMENT_ST = (-12.0, 12.0)
_CREAK = (0.4, 1.0)
_BREATH_OUT_S = (0.15, 0.45)
_BREATH_IN_S = (0.18, 0.5)
_BROKEN_GLOTTAL = 0.85
_GLOTTAL_END = 0.2
"""Glottal stops at ends, relative to holds: there are some."""

_CREAK_ELSEWHERE = 0.35
"""Creak at holds and rising ends, relative to statements."""

_BREATH_IN_END = 0.35
"""In-breaths after ends, relative to holds: people breathe when they are done, too."""


@dataclass(frozen=True)
class Cues:
    """How one chunk ends.

    Attributes
    ----------
    movement_st : float
        Pitch at the end relative to the pitch the last syllable starts from, semitones.
    stretch : float
        Factor on the duration of the last syllable.
    drop_db : float
        Loss of level towards the end.
    creak : float
        0 (none) to 1: how irregular and how low the last of the voice is.
    glottal : bool
        Whether the voice is cut by a glottal stop.
    breath_out_s, breath_in_s : float
        Length of the breath right after the speech, and of the one before it goes on;
        0 for none.
    breath_db : float
        Level of both relative to speech, in dB.
    lead : float
        Share of the pitch movement that is set by `movement_st`; the rest is the voice's
        own. 0 leaves the voice's.
    """

    movement_st: float = 0.0
    stretch: float = 1.0
    drop_db: float = 0.0
    creak: float = 0.0
    glottal: bool = False
    breath_out_s: float = 0.0
    breath_in_s: float = 0.0
    breath_db: float = -30.0
    lead: float = 0.9

    def within(self, silence_s: float) -> Cues:
        """Cues whose breaths fit into a silence of this many seconds.

        Breath goes out within the first half, and in within the last 60 %, of a silence
        of 0.35 s or more.
        """
        out = min(self.breath_out_s, 0.5 * silence_s)
        into = min(self.breath_in_s, 0.6 * silence_s, silence_s - out)
        if silence_s < _BREATHING_HOLD_S:
            into = 0.0
        return replace(
            self,
            breath_out_s=out if out >= MIN_BREATH_S else 0.0,
            breath_in_s=into if into >= MIN_BREATH_S else 0.0,
        )


PLAIN = Cues(lead=0.0)
"""A boundary as the voice made it."""


@dataclass(frozen=True)
class _Profile:
    """Distribution of the cues of one kind of boundary."""

    movement_st: tuple[float, float]
    drop_db: tuple[float, float]
    stretch: tuple[float, float]
    creak: float
    glottal: float
    breath_in: float

    def towards(self, other: _Profile, share: float) -> _Profile:
        """Go `share` of the way from this profile to another."""

        def pair(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
            return a[0] + share * (b[0] - a[0]), max(0.0, a[1] + share * (b[1] - a[1]))

        def chance(a: float, b: float) -> float:
            return min(1.0, max(0.0, a + share * (b - a)))

        low, high = pair(self.stretch, other.stretch)
        return _Profile(
            pair(self.movement_st, other.movement_st),
            pair(self.drop_db, other.drop_db),
            (max(0.7, low), max(0.7, low, high)),
            chance(self.creak, other.creak),
            chance(self.glottal, other.glottal),
            chance(self.breath_in, other.breath_in),
        )


def draw_cues(boundary: Boundary, settings: ProsodySettings, rng: np.random.Generator) -> Cues:
    """Draw how a chunk ends; kinds of boundary overlap, as they do in speech.

    Parameters
    ----------
    boundary : Boundary
    settings : ProsodySettings
    rng : numpy Generator

    Returns
    -------
    Cues
    """
    if settings.plain:
        return PLAIN
    neutral = _neutral(settings)
    own = _profile(boundary, settings, rng)
    distance = 0.0 if rng.random() < settings.ambiguous else settings.strength
    return _draw(neutral.towards(own, distance), settings, rng)


def _draw(profile: _Profile, settings: ProsodySettings, rng: np.random.Generator) -> Cues:
    low, high = (math.log(factor) for factor in profile.stretch)
    creaks, stops, out, into = rng.random(4)
    return Cues(
        movement_st=float(np.clip(rng.normal(*profile.movement_st), *_MOVEMENT_ST)),
        stretch=math.exp(rng.uniform(low, high)),
        drop_db=float(np.clip(rng.normal(*profile.drop_db), *_DROP_DB)),
        creak=float(rng.uniform(*_CREAK)) * bool(creaks < profile.creak),
        glottal=bool(stops < profile.glottal),
        breath_out_s=float(rng.uniform(*_BREATH_OUT_S)) * bool(out < settings.breath_out),
        breath_in_s=float(rng.uniform(*_BREATH_IN_S)) * bool(into < profile.breath_in),
        breath_db=float(rng.uniform(*settings.breath_db)),
    )


def _neutral(settings: ProsodySettings) -> _Profile:
    """Give what says nothing: half way between ends and holds."""
    hold, end = settings.hold_stretch, settings.end_stretch
    return _Profile(
        movement_st=(-1.0, 2.2),
        drop_db=(3.0, 3.0),
        stretch=((hold[0] + end[0]) / 2, (hold[1] + end[1]) / 2),
        creak=0.5 * settings.creak,
        glottal=0.5 * settings.glottal,
        breath_in=0.65 * settings.breath_in,
    )


def _profile(boundary: Boundary, settings: ProsodySettings, rng: np.random.Generator) -> _Profile:
    """Give what a kind of boundary tends to."""
    turns = float(rng.random())
    if boundary.is_end:
        return _end(boundary, settings, turns)
    movement = {
        Boundary.CLAUSE: (0.8, 2.2),
        Boundary.PHRASE: (0.0, 1.6),
        Boundary.FILLER: (-0.6, 1.2),
        Boundary.GROUP: (1.2, 2.0),
        Boundary.BROKEN: (0.0, 1.6),
    }[boundary]
    broken, filler = boundary is Boundary.BROKEN, boundary is Boundary.FILLER
    stretch = settings.filler_stretch if filler else settings.hold_stretch
    return _Profile(
        movement_st=movement,
        drop_db=(0.5, 2.5),
        stretch=(0.9, 1.15) if broken else stretch,
        creak=_CREAK_ELSEWHERE * settings.creak,
        glottal=_BROKEN_GLOTTAL if broken else settings.glottal,
        breath_in=settings.breath_in * (0.5 if broken else 1.0),
    )


def _end(boundary: Boundary, settings: ProsodySettings, turns: float) -> _Profile:
    asks = boundary is Boundary.QUESTION
    rises = turns >= settings.falling_questions if asks else turns < settings.uptalk
    return _Profile(
        movement_st=(5.5, 2.5) if rises else (-5.0, 2.6),
        drop_db=(4.0, 3.0) if rises else (6.5, 3.0),
        stretch=settings.end_stretch,
        creak=settings.creak * (_CREAK_ELSEWHERE if rises else 1.0),
        glottal=_GLOTTAL_END * settings.glottal,
        breath_in=_BREATH_IN_END * settings.breath_in,
    )
