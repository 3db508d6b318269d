"""Samples: checking, decoding, streaming resampling, and more of a noise floor.

Audio is mono float32 in [-1, 1]. Only `decode_audio` needs more than numpy.
"""

from __future__ import annotations

import io
import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from turnkit.errors import InputError
from turnkit.timing import check_rate

Samples = NDArray[np.float32]

_ZERO_CROSSINGS = 12
"""Half width of the resampling kernel, in periods of the lower of the two rates."""

_KAISER_BETA = 8.6
"""About 86 dB of stopband (Kaiser's formula in Oppenheim & Schafer, ch. 7)."""

_AT_ONCE = 1 << 14
"""Outputs of a resampler computed in one go: an hour of audio must fit into memory."""

_CUT_SHORT = re.compile(r"^ ?(?:data|SSND) *: *(\d+) \(should be (\d+)\)", re.MULTILINE)
"""Where libsndfile notes that a WAV or AIFF file holds fewer bytes than its header says."""

_LENGTH_UNKNOWN = 0x7F00_0000
"""Byte counts from here on stand for "unknown" in WAV files that were written to a pipe."""

_GRAIN = 1_024
"""Longest grain in samples from which `continue_floor` is laid."""


def as_audio(samples: ArrayLike) -> Samples:
    """Check samples and bring them to float32.

    Parameters
    ----------
    samples : array_like, shape (n,)
        Floats in [-1, 1], or int16, which is scaled. May be empty.

    Returns
    -------
    ndarray of float32, shape (n,)

    Raises
    ------
    InputError
        If the array is not one-dimensional, is of another type, or holds NaN or
        infinity; the message names the first such sample.
    """
    try:
        array = np.asarray(samples)
    except ValueError as error:  # rows of different lengths
        raise InputError(f"samples: expected one dimension (mono); {error}") from error
    if array.ndim != 1:
        raise InputError(f"samples of shape {array.shape}: expected one dimension (mono)")
    if array.dtype == np.int16:
        return (array / np.float32(32768.0)).astype(np.float32)
    if array.size and not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"samples of type {array.dtype}: expected floats in [-1, 1] or int16")
    with np.errstate(over="ignore"):  # becomes infinite, and is named below
        audio = np.ascontiguousarray(array, dtype=np.float32)
    finite = np.isfinite(audio)
    if not finite.all():
        where = int(np.argmin(finite))
        raise InputError(f"sample {where} is {audio[where]}: expected finite numbers")
    return audio


def decode_audio(source: bytes | Path | str) -> tuple[Samples, int]:
    """Decode a sound file; channels are averaged.

    Parameters
    ----------
    source : bytes or path
        Anything that libsndfile reads (WAV, FLAC, OGG, MP3 ...).

    Returns
    -------
    samples : ndarray of float32, shape (n,)
    sample_rate : int
        In Hz.

    Raises
    ------
    InputError
        If it cannot be decoded, holds no samples, or holds fewer than its header says.
    """
    import soundfile

    label = "audio bytes" if isinstance(source, bytes) else str(source)
    if not isinstance(source, bytes) and not Path(source).exists():
        raise InputError(f"{label}: no such file")
    try:
        with soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else source) as f:
            declared, rate, log = f.frames, int(f.samplerate), f.extra_info
            data = f.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        problem = getattr(error, "error_string", error)
        raise InputError(f"{label}: cannot be decoded as audio ({problem})") from error
    for chunk in _CUT_SHORT.finditer(log):
        said, found = int(chunk[1]), int(chunk[2])
        if found < said < _LENGTH_UNKNOWN:
            raise InputError(f"{label}: truncated, {found} of {said} bytes of samples are there")
    if len(data) == 0:
        raise InputError(f"{label}: holds no samples")
    if len(data) < declared:
        raise InputError(f"{label}: truncated, {len(data)} of {declared} samples could be read")
    with np.errstate(invalid="ignore"):  # infinities of either sign become NaN
        mono = data.mean(axis=1)
    return as_audio(mono), check_rate(rate)


def _kernel(up: int, down: int) -> tuple[NDArray[np.float32], int]:
    """Polyphase bank, shape (up, taps), and how many inputs it looks ahead."""
    half = math.ceil(_ZERO_CROSSINGS * max(up, down) / up)
    cutoff = min(1.0, up / down) * 0.95
    # Tap k of phase p weighs the input at distance (k - half) - p / up from the output.
    offset = np.arange(2 * half)[None, :] - half + 1 - np.arange(up)[:, None] / up
    shape = np.clip(1.0 - (offset / half) ** 2, 0.0, 1.0)
    bank = cutoff * np.sinc(cutoff * offset) * np.i0(_KAISER_BETA * np.sqrt(shape))
    bank /= bank.sum(axis=1, keepdims=True)
    return bank.astype(np.float32), half


class Resampler:
    """Streaming rational resampler, exact in time.

    A windowed-sinc polyphase filter (Crochiere & Rabiner 1983). Output `m` stands for
    the same moment as input ``m * source / target`` and comes as soon as the inputs it
    needs are there, so what is returned depends on the number of samples consumed and
    never on how they were cut into chunks.

    Parameters
    ----------
    source_rate, target_rate : int
        In Hz.

    Raises
    ------
    InputError
        If a rate cannot be used.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        source, target = check_rate(source_rate), check_rate(target_rate)
        divisor = math.gcd(source, target)
        self._up, self._down = target // divisor, source // divisor
        if self._up != self._down:
            self._bank, self._ahead = _kernel(self._up, self._down)
        self.reset()

    def reset(self) -> None:
        """Start anew at time zero."""
        self._made = 0
        if self._up == self._down:
            return
        # What lies before the first sample is silence.
        self._start = -self._bank.shape[1]
        self._tail = np.zeros(-self._start, dtype=np.float32)

    def inputs_needed(self, outputs: int) -> int:
        """Count the inputs after which the first `outputs` outputs have been returned."""
        if self._up == self._down or outputs <= 0:
            return max(outputs, 0)
        return (outputs - 1) * self._down // self._up + self._ahead + 1

    def push(self, samples: Samples) -> Samples:
        """Consume samples and return the outputs that they complete."""
        if self._up == self._down:
            self._made += len(samples)
            return samples
        tail = np.concatenate([self._tail, samples])
        usable = self._start + len(tail) - self._ahead
        ready = ((usable * self._up - 1) // self._down + 1) if usable > 0 else 0
        count = ready - self._made
        if count <= 0:
            self._tail = tail
            return np.zeros(0, dtype=np.float32)
        taps, step = self._bank.shape[1], tail.strides[0]
        # As sliding_window_view has it, which takes longer than all the rest of a frame.
        windows = np.ndarray((len(tail) - taps + 1, taps), tail.dtype, tail, 0, (step, step))
        out = np.empty(count, dtype=np.float32)
        for begin in range(0, count, _AT_ONCE):
            part = out[begin : begin + _AT_ONCE]
            made = self._made + begin
            index = np.arange(made, made + len(part)) * self._down
            first = index // self._up - self._ahead + 1 - self._start
            part[:] = np.einsum("ij,ij->i", windows[first], self._bank[index % self._up])
        self._made += count
        oldest = self._made * self._down // self._up - self._ahead + 1
        drop = max(0, min(oldest - self._start, len(tail)))
        self._tail, self._start = tail[drop:], self._start + drop
        return out


def resample(samples: Samples, source_rate: int, target_rate: int) -> Samples:
    """Resample a whole signal.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
    source_rate, target_rate : int
        In Hz.

    Returns
    -------
    ndarray of float32, shape (ceil(n * target_rate / source_rate),)

    Raises
    ------
    InputError
        If a rate cannot be used.
    """
    if source_rate == target_rate:
        return samples
    resampler = Resampler(source_rate, target_rate)
    wanted = math.ceil(len(samples) * target_rate / source_rate)
    padding = max(0, resampler.inputs_needed(wanted) - len(samples))
    return resampler.push(np.pad(samples, (0, padding)))[:wanted]


def continue_floor(silence: Samples, n: int, seed: int = 0) -> Samples:
    """More of the noise floor that runs through `silence`.

    Grains from random places overlap by half under a square-root Hann window, which
    keeps power and spectrum and repeats nothing audibly; the first grain fades in over
    the mirrored end of `silence`, so that there is no step where the two meet.

    Parameters
    ----------
    silence : ndarray of float32, shape (m,)
        A stretch without speech; zeros come back where it is shorter than 16 samples.
    n : int
        Number of samples wanted.
    seed : int
        Fixes where the grains come from.

    Returns
    -------
    ndarray of float32, shape (n,)
    """
    if len(silence) < 16 or n <= 0:
        return np.zeros(max(n, 0), dtype=np.float32)
    half = min(_GRAIN, len(silence)) // 2
    rise = np.sin(np.linspace(0.0, np.pi / 2, half, endpoint=False) + np.pi / (4 * half))
    window = np.concatenate([rise, rise[::-1]])
    rng = np.random.default_rng(seed)
    # The window keeps the power of noise; a constant offset would swell in every overlap.
    offset = silence.mean(dtype=np.float64)
    noise = silence - offset
    out = np.zeros((n // half + 3) * half)
    out[:half] = noise[-half:][::-1] * rise[::-1]
    for start in range(0, n, half):
        begin = int(rng.integers(0, len(noise) - 2 * half + 1))
        out[start : start + 2 * half] += noise[begin : begin + 2 * half] * window
    return np.asarray(out[:n] + offset, dtype=np.float32)
