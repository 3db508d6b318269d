"""What if: the turns of a run with other stages or another distance, without calling again.

Every turn is taken apart into what its stages themselves took and what they waited for,
and put together again with other durations. What depended on what stays as it was: words
are asked for in the pause, a draft is begun once they are known, and what is ready before
the detector's decision costs nothing after it. What is not modelled: that a slower stage
changes what other calls on the same machine get, and that a draft which takes longer may
be void by then. Every figure made here is simulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from turnkit.errors import ConfigError
from turnkit.stages.scripting import Delay

Floats = NDArray[np.float64]
Mode = Literal["streaming", "speculative"]

DRAWS = 200
"""Draws for each turn."""

MODES: tuple[Mode, ...] = ("streaming", "speculative")
"""What can be asked for: a batch reply's length in time is not in the log."""

_AT_ONCE_MS = 40.0
"""A draft begun within two frames of its words waited for nothing else."""

SPANS = ("eot", "uplink", "stt", "llm", "tts", "downlink", "residual")


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """One answered turn, in ms after the decision, as far as the agent's log tells.

    Attributes
    ----------
    eot, uplink, downlink : float
        Spans as measured.
    flushed : float
        When the final words were asked for; negative: in the pause.
    words, asked, token, audio : float
        Final words known; language model asked; its first piece; first samples.
    sent : float
        First samples handed to the transport.
    v2v : float
        Measured in the audio.
    drafted : bool
        The reply that was heard had been begun before the decision.
    known : float
        When the session had the decision, at least 0.
    """

    eot: float
    uplink: float
    downlink: float
    flushed: float
    words: float
    asked: float
    token: float
    audio: float
    sent: float
    v2v: float
    drafted: bool
    known: float = 0.0

    @property
    def stt(self) -> float:
        """What the recogniser itself took."""
        return self.words - self.flushed

    @property
    def llm(self) -> float:
        """What the language model itself took to its first piece."""
        return self.token - self.asked

    @property
    def tts(self) -> float:
        """What the voice took from the first piece to the first samples."""
        return self.audio - self.token


@dataclass(frozen=True, slots=True)
class Change:
    """What is different.

    Attributes
    ----------
    stt, llm, tts : str or None
        Delay in place of the stage's own: ``75``, ``uniform:50:100``,
        ``lognormal:180:0.4`` (median, sigma of its logarithm); ms.
    region_ms : float
        Round trip added between caller and agent.
    mode : str or None
        ``"streaming"``: no draft is used. ``"speculative"``: every reply is drafted once
        the words of the pause are known, and every draft fits: an upper bound.

    Raises
    ------
    ConfigError
        If a delay or the mode is none, or the distance negative.
    """

    stt: str | None = None
    llm: str | None = None
    tts: str | None = None
    region_ms: float = 0.0
    mode: str | None = None

    def __post_init__(self) -> None:
        for stage, spec in (("stt", self.stt), ("llm", self.llm), ("tts", self.tts)):
            if spec is not None:
                _check_delay(stage, spec)
        if not 0 <= self.region_ms < 60_000:
            raise ConfigError(f"region {self.region_ms:g}: expected 0 .. 60000 ms")
        if self.mode is not None and self.mode not in MODES:
            raise ConfigError(f"mode {self.mode!r}: expected {' or '.join(MODES)}")

    @property
    def text(self) -> str:
        """The change in words."""
        stages = {"stt": self.stt, "llm": self.llm, "tts": self.tts}
        parts = [f"{name} {spec}" for name, spec in stages.items() if spec is not None]
        if self.region_ms:
            parts.append(f"{self.region_ms:g} ms further away")
        if self.mode:
            parts.append(f"{self.mode} mode")
        return ", ".join(parts) or "nothing changed"


def _check_delay(stage: str, spec: str) -> None:
    try:
        Delay(spec)
    except ConfigError as error:
        raise ConfigError(f"--{stage}: {error}") from None


@dataclass(frozen=True, slots=True)
class Budget:
    """Turns as measured and as simulated; ms.

    Attributes
    ----------
    change : Change
    measured, simulated : mapping of str to ndarray
        ``v2v``, ``post_commit`` and each of `SPANS`; shapes (n,) and (n, draws).
    error_ms : float
        Largest difference to the measured V2V once turns are taken apart and put together
        again with nothing changed. It shows that nothing was lost on the way; of how well
        the model foresees another stage it says nothing.
    seed, draws : int
        Of the delays.
    """

    change: Change
    measured: Mapping[str, Floats]
    simulated: Mapping[str, Floats]
    error_ms: float
    seed: int
    draws: int


def what_if(
    turns: Sequence[TurnTimes], change: Change, seed: int = 0, draws: int = DRAWS
) -> Budget:
    """Put turns together again with something changed.

    Parameters
    ----------
    turns : sequence of TurnTimes
        At least one.
    change : Change
    seed, draws : int
        Of the delays; the same seed gives the same draws.

    Raises
    ------
    ConfigError
        If there are no turns to start from.
    """
    if not turns:
        raise ConfigError("budget: no answered turn with the agent's log beside it")
    same = _simulate(turns, Change(), seed, 1)
    error = max(abs(same["v2v"][k, 0] - turn.v2v) for k, turn in enumerate(turns))
    measured = {name: values[:, 0] for name, values in same.items()}
    measured["v2v"] = np.array([turn.v2v for turn in turns])
    simulated = _simulate(turns, change, seed, draws)
    return Budget(change, measured, simulated, float(error), seed, draws)


def _simulate(
    turns: Sequence[TurnTimes], change: Change, seed: int, draws: int
) -> dict[str, Floats]:
    shape = (len(turns), draws)
    # One stream a stage: another voice does not change what the language model draws.
    stt, llm, tts = (
        _durations([getattr(turn, name) for turn in turns], spec, shape, (seed, k))
        for k, (name, spec) in enumerate(
            (("stt", change.stt), ("llm", change.llm), ("tts", change.tts))
        )
    )
    as_asked = [_in_mode(turn, change.mode) for turn in turns]
    words = _column(as_asked, "flushed") + stt
    asked = _asked(as_asked, words)
    audio = asked + llm + tts
    pacing = _column([_Pacing(turn) for turn in turns], "ms")
    nothing = np.zeros(shape)
    known = nothing + _column(turns, "known")
    reached = [known]
    for mark in (words, asked + llm, audio):
        reached.append(np.maximum(reached[-1], mark))
    half = change.region_ms / 2
    eot, uplink, downlink = (
        nothing + _column(turns, name) for name in ("eot", "uplink", "downlink")
    )
    rest = _column(turns, "v2v") - _column(turns, "sent") - eot - uplink - downlink
    spans = {
        "eot": eot,
        "uplink": uplink + half,
        "stt": reached[1] - reached[0],
        "llm": reached[2] - reached[1],
        "tts": reached[3] - reached[2],
        "downlink": downlink + half,
        "residual": rest + pacing + known,
    }
    v2v = sum(spans.values(), nothing)
    return {"v2v": v2v, "post_commit": v2v - spans["eot"] - spans["uplink"], **spans}


def _durations(
    own: Sequence[float], spec: str | None, shape: tuple[int, int], seed: tuple[int, int]
) -> Floats:
    if spec is None:
        return np.repeat(np.asarray(own, dtype=np.float64)[:, None], shape[1], axis=1)
    delay = Delay(spec, int(np.random.SeedSequence(seed).generate_state(1)[0]))
    drawn = np.array([delay.draw_ms() for _ in range(shape[0] * shape[1])])
    return drawn.reshape(shape)


def _in_mode(turn: TurnTimes, mode: str | None) -> TurnTimes:
    """Take a turn's waits as they would be in another mode."""
    if mode == "streaming":
        return replace(turn, drafted=False, asked=max(turn.words, turn.known))
    if mode == "speculative" and not turn.drafted:
        return replace(turn, drafted=True, asked=turn.words)
    return turn


def _asked(turns: Sequence[TurnTimes], words: Floats) -> Floats:
    """Find out when the language model is asked, if words are final at `words`."""
    waited = _column(turns, "asked") - _column(turns, "words")
    drafted = _column(turns, "drafted") > 0
    # A draft that waited long for something else than words (a score) waits for it again.
    early = np.where(
        waited <= _AT_ONCE_MS, words + waited, np.maximum(words, _column(turns, "asked"))
    )
    known = _column(turns, "known")
    late = np.maximum(words, known)
    behind = _column(turns, "asked") - np.maximum(_column(turns, "words"), known)
    return np.where(drafted & (early <= known), early, late + np.where(drafted, 0.0, behind))


class _Pacing:
    """What passed between everything being ready and the first samples leaving."""

    def __init__(self, turn: TurnTimes) -> None:
        self.ms = turn.sent - max(turn.known, turn.words, turn.token, turn.audio)


def _column(turns: Sequence[object], name: str) -> Floats:
    return np.array([[getattr(turn, name)] for turn in turns], dtype=np.float64)
