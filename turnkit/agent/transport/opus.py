"""Opus packets to samples, and something to hear where packets are missing."""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError
from numpy.typing import NDArray

from turnkit.agent.transport.jitter import RTP_RATE, Given, Output
from turnkit.agent.transport.protocol import HEARD_RATE
from turnkit.audio import Resampler, Samples, continue_floor

OPUS_RATE = RTP_RATE
"""Rate in Hz at which Opus is coded and decoded here."""

FADE_S = 0.04
"""Seconds over which the last audio is continued before only the noise floor is left."""

JOIN_S = 0.005
"""Seconds over which a continuation and the audio after it are crossfaded."""

SETTLED = 25
"""Frames of digital silence after which an encoder has nothing new to say of it."""

_LONGEST_PACKET = 5_760
_FLOOR_S = 0.1
_FLOOR_AGE_S = 2.0
_SHORTEST_PERIOD = OPUS_RATE // 400
_LONGEST_PERIOD = OPUS_RATE // 65
_LOG = logging.getLogger(__name__)

# Ticks of one frame by the configuration number of RFC 6716, table 2.
_SILK = (480, 960, 1_920, 2_880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
_FRAME = _SILK * 3 + _HYBRID * 2 + _CELT * 4


def packet_samples(payload: bytes) -> int:
    """Ticks of 1/48000 s that an Opus packet lasts, from its first bytes.

    Parameters
    ----------
    payload : bytes

    Returns
    -------
    int
        0 if it cannot be an Opus packet (RFC 6716, section 3.4).
    """
    if not payload:
        return 0
    frame, code = _FRAME[payload[0] >> 3], payload[0] & 3
    count = (1, 2, 2, 0)[code]
    if code == 3 and len(payload) > 1:
        count = payload[1] & 0x3F
    total = frame * count
    return total if total <= _LONGEST_PACKET else 0


class Concealer:
    """Continues a signal over gaps without clicks.

    The last pitch period is repeated while it fades over `FADE_S` into more of the noise
    floor, the quietest tenth of a second of the last few seconds; what comes after the
    gap is crossfaded in. The method is that of ITU-T G.711 Appendix I, shortened.
    """

    def __init__(self) -> None:
        self._past = np.zeros(2 * _LONGEST_PERIOD, dtype=np.float32)
        self._floor = _QuietestStretch()
        self._gap: _Gap | None = None
        self._seed = 0

    def heard(self, samples: Samples) -> Samples:
        """Take true audio; return it, joined to the continuation if one is running."""
        self._floor.push(samples)
        if self._gap is not None and len(samples):
            joined = min(len(samples), round(JOIN_S * OPUS_RATE))
            rise = np.linspace(0.0, 1.0, joined, endpoint=False, dtype=np.float32)
            samples = samples.copy()
            samples[:joined] = samples[:joined] * rise + self._gap.take(joined) * (1 - rise)
            self._gap = None
        self._remember(samples)
        return samples

    def fill(self, n: int) -> Samples:
        """Return the next `n` samples of a gap."""
        if self._gap is None:
            self._seed += 1
            self._gap = _Gap(self._past, self._floor.stretch(), self._seed)
        filled = self._gap.take(n)
        self._remember(filled)
        return filled

    def _remember(self, samples: Samples) -> None:
        self._past = np.concatenate([self._past, samples])[-2 * _LONGEST_PERIOD :]


class _QuietestStretch:
    """The quietest stretch of the last few seconds, of `_FLOOR_S`."""

    def __init__(self) -> None:
        self._size = round(_FLOOR_S * OPUS_RATE)
        self._parts: list[Samples] = []
        self._count = 0
        self._age = 0
        nothing = np.zeros(0, dtype=np.float32)
        self._best: list[tuple[float, Samples]] = [(np.inf, nothing), (np.inf, nothing)]

    def push(self, samples: Samples) -> None:
        self._parts.append(samples)
        self._count += len(samples)
        if self._count < self._size:
            return
        stretch = np.concatenate(self._parts)[-self._size :]
        self._parts, self._count = [], 0
        self._age += self._size
        if self._age >= _FLOOR_AGE_S * OPUS_RATE:
            self._best, self._age = [self._best[1], (np.inf, stretch)], 0
        power = float(np.mean(stretch * stretch))
        if power < self._best[1][0]:
            self._best[1] = power, stretch

    def stretch(self) -> Samples:
        return min(self._best, key=lambda each: each[0])[1]


class _Gap:
    """One gap: a fading repetition of the last period over the noise floor."""

    def __init__(self, past: Samples, floor: Samples, seed: int) -> None:
        self._period = _last_period(past)
        self._floor, self._seed = floor, seed
        self._reserve = np.zeros(0, dtype=np.float32)
        self._made = 0
        # Repeating a period need not meet the last sample: the step fades out in 2 ms.
        self._step = float(past[-1]) - float(self._period[0]) if len(past) else 0.0
        self._fading = round(FADE_S * OPUS_RATE)

    def take(self, n: int) -> Samples:
        at = np.arange(self._made, self._made + n)
        self._made += n
        fade = np.clip(1.0 - at / self._fading, 0.0, 1.0).astype(np.float32)
        if len(self._reserve) < n:
            self._seed += 7919
            more = continue_floor(self._floor, max(n, OPUS_RATE // 2), self._seed)
            self._reserve = np.concatenate([self._reserve, more])
        floor, self._reserve = self._reserve[:n], self._reserve[n:]
        out = floor * np.sqrt(1.0 - fade * fade)
        if fade.size and fade[0] > 0.0:
            tail = self._step * np.exp(-at / (0.0005 * OPUS_RATE)).astype(np.float32)
            out = out + self._period[at % len(self._period)] * fade + tail
        return np.asarray(np.clip(out, -1.0, 1.0), dtype=np.float32)


def _last_period(past: Samples) -> Samples:
    """Cut the last period of voiced speech out of `past`, or the best match to one.

    The lag is where the end of the signal correlates best with what came before it
    (normalised, decimated to 8 kHz: a repetition need not be exact).
    """
    few = past[:: OPUS_RATE // 8_000].astype(np.float64)
    shortest, longest = _SHORTEST_PERIOD // 6, _LONGEST_PERIOD // 6
    n = longest
    target = few[-n:]
    lags = np.arange(shortest, longest + 1)
    windows = np.lib.stride_tricks.sliding_window_view(few, n)[len(few) - n - lags]
    energy = np.einsum("ij,ij->i", windows, windows)
    likeness = windows @ target / np.sqrt(energy + 1e-9)
    lag = int(lags[int(np.argmax(likeness))]) * (OPUS_RATE // 8_000)
    return past[-lag:].copy()


class OpusDecoder:
    """Decodes Opus to mono float32 at 48 kHz; stereo is mixed by the decoder."""

    def __init__(self) -> None:
        self._codec = _mono_codec("r")

    def decode(self, payload: bytes, n_samples: int) -> Samples | None:
        """Return exactly `n_samples` samples, or None if the packet is damaged."""
        try:
            frames = self._codec.decode(av.Packet(payload))
        except FFmpegError as error:
            _LOG.debug("a damaged Opus packet: %s", error)
            return None
        # Not `to_ndarray`, which takes three times as long.
        parts = [np.frombuffer(bytes(each.planes[0]), np.int16, each.samples) for each in frames]
        whole = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int16)
        if len(whole) != n_samples:
            return None
        return np.multiply(whole, 1 / 32768, dtype=np.float32)


class OpusListener:
    """Turns what a jitter buffer gives into an unbroken signal at `HEARD_RATE`.

    As many samples come out as RTP time went in; the last 0.75 ms are still in the
    resampler.
    """

    def __init__(self) -> None:
        self._decoder = OpusDecoder()
        self._concealer = Concealer()
        self._resampler = Resampler(OPUS_RATE, HEARD_RATE)

    def push(self, output: Output) -> Samples:
        """Return samples at `HEARD_RATE` for one output of the jitter buffer."""
        decoded: Samples | None = None
        if isinstance(output, Given):
            packet = output.packet
            decoded = self._decoder.decode(packet.payload, packet.n_samples)
        if isinstance(output, Given) and decoded is not None:
            audio = self._concealer.heard(decoded[output.skip :])
        else:
            audio = self._concealer.fill(output.n_samples)
        return self._resampler.push(audio)


class OpusEncoder:
    """Encodes frames of 20 ms, mono, for speech.

    Parameters
    ----------
    bit_rate : int, optional
        In bit/s. 32 kbit/s is transparent for speech (RFC 7587, section 3.1.1, suggests
        28 .. 40 for fullband).
    expected_loss : int, optional
        Percent of loss that forward error correction is made for; 0 turns it off.

    Notes
    -----
    An agent is silent most of the time, and a packet of silence costs half as much as one
    of speech. Once `SETTLED` silent frames have passed and two packets in a row were the
    same, that packet is given again instead of encoding another one.
    """

    def __init__(self, bit_rate: int = 32_000, expected_loss: int = 5) -> None:
        self._codec = _mono_codec("w")
        self._codec.bit_rate = bit_rate
        self._codec.time_base = Fraction(1, OPUS_RATE)
        self._codec.options = {
            "application": "voip",
            "frame_duration": "20",
            "fec": "1" if expected_loss else "0",
            "packet_loss": str(expected_loss),
        }
        self._silent = 0
        self._before = self._last = b""

    def encode(self, samples: Samples) -> bytes:
        """Encode one frame of 960 samples in [-1, 1]; louder ones are clipped."""
        self._silent = 0 if samples.any() else self._silent + 1
        if self._silent <= SETTLED or self._last != self._before:
            self._before, self._last = self._last, self._encode(samples)
        return self._last

    def _encode(self, samples: Samples) -> bytes:
        scaled = np.clip(np.rint(samples * 32767.0), -32768, 32767)
        pcm: NDArray[np.int16] = scaled.astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = OPUS_RATE
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))


def _mono_codec(mode: Literal["r", "w"]) -> AudioCodecContext:
    codec = av.CodecContext.create("libopus", mode)
    codec.sample_rate = OPUS_RATE
    codec.layout = "mono"
    codec.format = "s16"
    return codec
