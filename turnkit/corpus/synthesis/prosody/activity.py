"""Where a chunk of synthetic speech is loud, and where its last syllable lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.corpus.schema import MIN_SPAN_S, Span
from turnkit.corpus.synthesis.prosody.contour import MAX_TAIL_S, MIN_TAIL_S, tail_of
from turnkit.corpus.synthesis.prosody.vocoder import FRAME_S, Floats
from turnkit.stages.tts.piper import Span as Timed

SAMPLE_RATE = 16_000
"""Hz."""

LOUD_FRAME = SAMPLE_RATE // 100
"""Samples of the frames that are loud or not."""

_SILENT_DB = -36.0
"""A frame this far below the loud frames of its chunk is silence."""

_SURELY_VOICED, _PERHAPS_VOICED = 0.35, 0.6
"""Aperiodicity of a voice, and of its less regular beginnings and ends."""

_VOICED_DB = -30.0
"""Frames that are only perhaps voiced are above this, relative to the loud ones."""

_DIP_DB = 3.0
"""A syllable begins where the level is this far below its peak."""


def loud_frames(samples: Samples) -> NDArray[np.bool_]:
    """Whether each frame of 10 ms is no silence; the last, shorter one counts as well."""
    missing = -len(samples) % LOUD_FRAME
    framed = np.pad(samples.astype(np.float64), (0, missing)).reshape(-1, LOUD_FRAME)
    level = np.sqrt(np.mean(framed**2, axis=1))
    if not level.any():
        return np.zeros(len(level), dtype=np.bool_)
    threshold = np.percentile(level[level > 0], 95) * 10 ** (_SILENT_DB / 20)
    loud: NDArray[np.bool_] = level > threshold
    return loud


def inner_silences(loud: NDArray[np.bool_]) -> tuple[Span, ...]:
    """Silences of 0.1 s and more between the first and the last loud frame."""
    where = np.flatnonzero(loud)
    gaps = np.flatnonzero(np.diff(where) > 1)
    seconds = LOUD_FRAME / SAMPLE_RATE
    found = (Span((where[i] + 1) * seconds, where[i + 1] * seconds) for i in gaps)
    return tuple(
        Span(float(s.start), float(s.end)) for s in found if s.duration >= MIN_SPAN_S - 1e-9
    )


def voiced_blind(aperiodicity: Floats, power: Floats) -> NDArray[np.bool_]:
    """Whether each frame has a voice, where nobody tells what sound it is.

    Plainly periodic frames have one, and so have their neighbours as far as these are
    loud and half periodic.

    Parameters
    ----------
    aperiodicity, power : ndarray of float64, shape (n,)
    """
    sure = aperiodicity < _SURELY_VOICED
    loud = power > np.percentile(power, 95) * 10 ** (_VOICED_DB / 10)
    perhaps = (aperiodicity < _PERHAPS_VOICED) & loud
    runs = np.cumsum(np.diff(perhaps, prepend=False)) * perhaps
    voiced: NDArray[np.bool_] = sure | (perhaps & np.isin(runs, runs[sure & perhaps]))
    return voiced


def last_syllable(
    phones: Sequence[Timed], f0: Floats, power: Floats, over_s: float
) -> tuple[float, float]:
    """Seconds at which the stretch that carries the cues starts and ends.

    From the sounds where the voice tells them, else from voicing and level: the last
    peak of level among the voiced frames and the dip before it.

    Parameters
    ----------
    phones : sequence of Span
        May be empty.
    f0, power : ndarray of float64, shape (n,)
        Hz (0 without voice) and power of each frame of 5 ms.
    over_s : float
        Where the last loud frame ends, in seconds.
    """
    # some voices count the silence behind it to the last sound
    heard = [Timed(p.text, p.start, min(p.end, over_s)) for p in phones if p.start < over_s]
    if heard:
        start, end = tail_of(heard, over_s)
        return max(0.0, min(start, end - MIN_TAIL_S)), end
    start = min(_nucleus_start(f0, power, over_s), over_s - MIN_TAIL_S)
    return max(0.0, start, over_s - MAX_TAIL_S), over_s


def _nucleus_start(f0: Floats, power: Floats, over_s: float) -> float:
    """Where the last voiced syllable begins: a dip of level, or the start of voice."""
    frames = min(len(f0), int(over_s / FRAME_S))
    voiced = np.flatnonzero(f0[:frames] > 0)
    if not len(voiced):
        return over_s
    level = 10.0 * np.log10(np.convolve(power, np.ones(7) / 7, "same") + 1e-12)
    peak = at = int(voiced[-1])
    while at > 0 and f0[at - 1] > 0:
        at -= 1
        if level[at] > level[peak]:
            peak = at
        elif level[at] < level[peak] - _DIP_DB and (voiced[-1] - at) * FRAME_S > MIN_TAIL_S:
            break
    return at * FRAME_S
