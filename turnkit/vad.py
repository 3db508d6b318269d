"""Voice activity: one protocol, and adapters for Silero, WebRTC and TEN.

A VAD turns samples into one speech probability a frame. What counts as speech, with
hysteresis, minimum length and hang-over, is a `Gate` and belongs to whoever listens.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.errors import ConfigError, InputError, MissingDependencyError
from turnkit.runtime import OnnxModel

Probabilities = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Gate:
    """From probabilities to speech and silence.

    Attributes
    ----------
    on, off : float
        Hysteresis: speech begins at a probability >= `on` and lasts until one < `off`.
    min_speech_s : float
        Seconds that speech must last to count; a shorter burst is part of the silence.
    hang_over_s : float
        Seconds of silence before a pause counts; its clock runs from its true start, so
        hang-over hides short gaps and adds no latency.
    lag_s : float
        Seconds by which the VAD notices the end of speech late: the clock of a silence
        starts so much earlier. What it is shows on annotated speech.

    Raises
    ------
    ConfigError
        If a value lies outside its range.
    """

    on: float = 0.5
    off: float = 0.35
    min_speech_s: float = 0.1
    hang_over_s: float = 0.1
    lag_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.off <= self.on < 1.0:
            raise ConfigError(f"gate off {self.off!r}, on {self.on!r}: expected 0 < off <= on < 1")
        for name in ("min_speech_s", "hang_over_s", "lag_s"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"gate {name} {value!r}: expected 0 .. 1 second")

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        return asdict(self)


def speech_runs(
    probabilities: Probabilities, gate: Gate, hop_s: float
) -> list[tuple[float, float]]:
    """Stretches of speech in a whole recording.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n,)
        One a frame.
    gate : Gate
        Its hang-over is the shortest silence that parts two stretches.
    hop_s : float
        Seconds of a frame.

    Returns
    -------
    list of (float, float)
        First and last second of each, in order.
    """
    runs: list[tuple[int, int]] = []
    begin: int | None = None
    for frame, probability in enumerate([*probabilities.tolist(), 0.0]):
        if begin is None and probability >= gate.on:
            begin = frame
        elif begin is not None and probability < gate.off:
            if runs and (begin - runs[-1][1]) * hop_s < gate.hang_over_s:
                begin = runs.pop()[0]
            runs.append((begin, frame))
            begin = None
    return [(a * hop_s, b * hop_s) for a, b in runs if (b - a) * hop_s >= gate.min_speech_s]


class Vad(Protocol):
    """A streaming voice activity detector.

    Attributes
    ----------
    sample_rate : int
        In Hz.
    hop : int
        Samples of a frame.
    """

    @property
    def sample_rate(self) -> int:
        """Rate in Hz that it works at."""
        ...

    @property
    def hop(self) -> int:
        """Samples of a frame."""
        ...

    def push(self, samples: Samples) -> Probabilities:
        """Speech probabilities (0 .. 1) of the frames that `samples` complete."""
        ...

    def reset(self) -> None:
        """Start anew."""
        ...


class _Framed:
    """Cuts whatever comes into frames of one length."""

    def __init__(self, sample_rate: int, hop: int) -> None:
        self.sample_rate = sample_rate
        self.hop = hop
        self._tail = np.zeros(0, dtype=np.float32)

    def push(self, samples: Samples) -> Probabilities:
        """Speech probabilities (0 .. 1) of the frames that `samples` complete."""
        audio = np.concatenate([self._tail, samples])
        n = len(audio) // self.hop
        self._tail = audio[n * self.hop :]
        frames = audio[: n * self.hop].reshape(n, self.hop)
        return np.array([self._probability(frame) for frame in frames], dtype=np.float32)

    def reset(self) -> None:
        """Start anew."""
        self._tail = np.zeros(0, dtype=np.float32)

    def _probability(self, frame: Samples) -> float:
        raise NotImplementedError


def silero_path() -> Path:
    """Silero's ONNX file inside the installed ``silero-vad`` wheel (MIT).

    The package itself imports torch, so its file is used directly.

    Raises
    ------
    MissingDependencyError
        If the package is not installed or no longer carries the file.
    """
    spec = importlib.util.find_spec("silero_vad")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "data" / "silero_vad.onnx"
        if path.is_file():
            return path
    raise MissingDependencyError("silero-vad", "eval", "the Silero VAD")


class SileroVad(_Framed):
    """Silero VAD (Silero Team 2024), 32 ms frames.

    Parameters
    ----------
    sample_rate : int
        8000 or 16000 Hz.
    model : bytes or path, optional
        The ONNX file; the installed wheel's by default.

    Raises
    ------
    InputError
        At another rate.
    MissingDependencyError
        If no model is given and the wheel is not installed.
    """

    def __init__(self, sample_rate: int = 16_000, model: bytes | Path | None = None) -> None:
        if sample_rate not in (8_000, 16_000):
            raise InputError(f"Silero VAD at {sample_rate!r} Hz: expected 8000 or 16000")
        super().__init__(sample_rate, sample_rate * 32 // 1000)
        self._model = OnnxModel(silero_path() if model is None else model)
        # The network expects the end of the frame before in front of each frame.
        self._context = self.hop // 8
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        super().reset()
        self._before = np.zeros(self._context, dtype=np.float32)
        self._state = np.zeros((2, 1, 128), dtype=np.float32)

    def _probability(self, frame: Samples) -> float:
        window = np.concatenate([self._before, frame])[None]
        probability, self._state = self._model.run(
            input=window, state=self._state, sr=np.array(self.sample_rate, dtype=np.int64)
        )
        self._before = frame[-self._context :]
        return float(probability[0, 0])


class WebRtcVad(_Framed):
    """WebRTC's VAD (Gaussian mixtures over six bands), 20 ms frames; 0 or 1.

    Parameters
    ----------
    sample_rate : int
        8000, 16000, 32000 or 48000 Hz.
    aggressiveness : int
        0 .. 3; higher calls less speech.

    Raises
    ------
    InputError
        If a value does not fit.
    MissingDependencyError
        If ``webrtcvad-wheels`` is not installed.
    """

    def __init__(self, sample_rate: int = 16_000, aggressiveness: int = 2) -> None:
        if sample_rate not in (8_000, 16_000, 32_000, 48_000):
            raise InputError(f"WebRTC VAD at {sample_rate!r} Hz: expected 8, 16, 32 or 48 kHz")
        if aggressiveness not in (0, 1, 2, 3):
            raise InputError(f"WebRTC VAD aggressiveness {aggressiveness!r}: expected 0 .. 3")
        super().__init__(sample_rate, sample_rate // 50)
        try:
            import webrtcvad
        except ImportError as error:
            raise MissingDependencyError("webrtcvad-wheels", "eval", "the WebRTC VAD") from error
        self._make: Callable[[], Any] = partial(webrtcvad.Vad, aggressiveness)
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        super().reset()
        self._vad = self._make()

    def _probability(self, frame: Samples) -> float:
        pcm = (np.clip(frame, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
        return float(self._vad.is_speech(pcm, self.sample_rate))


class TenVad(_Framed):
    """TEN VAD, 16 ms frames at 16 kHz. Its licence forbids competing use: a peer, never a default.

    Raises
    ------
    MissingDependencyError
        If ``ten-vad`` is not installed.
    """

    def __init__(self) -> None:
        super().__init__(16_000, 256)
        try:
            from ten_vad import TenVad as Engine
        except (ImportError, OSError) as error:
            raise MissingDependencyError("ten-vad", "ten", "the TEN VAD") from error
        self._make: Callable[[], Any] = partial(Engine, 256, 0.5)
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        super().reset()
        self._engine = self._make()

    def _probability(self, frame: Samples) -> float:
        pcm = (np.clip(frame, -1.0, 1.0) * 32767.0).astype(np.int16)
        return float(self._engine.process(pcm)[0])


VADS = ("silero", "webrtc", "ten")
"""Names that `open_vad` knows."""


def open_vad(name: str, sample_rate: int) -> Vad:
    """Open a VAD at the rate nearest to `sample_rate` that it can work at.

    Parameters
    ----------
    name : str
        One of `VADS`.
    sample_rate : int
        Rate in Hz of the audio to come: 8 kHz audio is heard at 8 kHz.

    Raises
    ------
    ConfigError
        If the name is unknown.
    MissingDependencyError
        If its package is not installed.
    """
    rate = 8_000 if sample_rate == 8_000 else 16_000
    if name == "silero":
        return SileroVad(rate)
    if name == "webrtc":
        return WebRtcVad(rate)
    if name == "ten":
        return TenVad()
    raise ConfigError(f"VAD {name!r}: expected one of {', '.join(VADS)}")
