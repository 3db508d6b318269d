"""Pretrained speech encoders, and what an end-of-turn head reads off them.

An encoder is asked at set times inside a silence. It sees the last seconds, with now at
the right edge; `pool` turns its frames into the vector that a head is trained on. Both
run with numpy and ONNX Runtime alone.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.errors import BundleError
from turnkit.model.onnx_edit import with_outputs
from turnkit.runtime import OnnxModel
from turnkit.whisper import N_MELS, last_window, whisper_log_mel

FRAME_S = 0.02
"""Seconds of an encoder frame: two mel frames of 10 ms."""

SMART_TURN_FRAMES = "layer_norm_8"
SMART_TURN_POOLED = "sum_1"
SMART_TURN_SCORE = "logits"
"""Tensors of Smart Turn v3.2's public graph: encoder output, attention pool, probability."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """What an encoder says of one window.

    Attributes
    ----------
    frames : ndarray, shape (t, width)
        The last frame is now.
    pooled : ndarray, shape (width,)
        The encoder's own summary; the mean of the frames where it has none.
    score : float
        The encoder's own end-of-turn probability; 0.5 where it has none.
    """

    frames: NDArray[np.float32]
    pooled: NDArray[np.float32]
    score: float


class SpeechEncoder:
    """An ONNX speech encoder over Whisper's log-mel spectrogram.

    Parameters
    ----------
    model : bytes
        A graph with input ``input_features`` [1, 80, 100 * seconds]. Either Smart Turn
        v3.2 as published, or an encoder with the output ``frames`` [1, t, width].
    memory : int
        Encodings to remember by the content of their window: replaying the same rows
        under several policies asks the same questions again. 0 for none.

    Raises
    ------
    BundleError
        If the graph is neither.
    """

    def __init__(self, model: bytes, memory: int = 0) -> None:
        self.sha256 = hashlib.sha256(model).hexdigest()
        self._model = OnnxModel(model)
        inner = (SMART_TURN_FRAMES, SMART_TURN_POOLED)
        # Names alone tell little: any exported Whisper has a ninth layer norm.
        self._smart_turn = "frames" not in self._model.outputs and all(
            name.encode() in model for name in inner
        )
        if self._smart_turn:
            # The published graph keeps its encoder's frames to itself.
            self._model = OnnxModel(with_outputs(model, inner))
        shape = [*self._model.inputs.get("input_features", ())]
        wanted = SMART_TURN_SCORE if self._smart_turn else "frames"
        if (
            len(shape) != 3
            or shape[1] != N_MELS
            or not isinstance(shape[2], int)
            or wanted not in self._model.outputs
        ):
            raise BundleError(
                "speech encoder: expected Smart Turn v3.2, or a graph from `input_features` "
                f"[1, {N_MELS}, n] to `frames`; got {self._model.inputs} -> {self._model.outputs}"
            )
        self.window_s = shape[2] / 100.0
        self._memory = memory
        self._known: OrderedDict[bytes, Encoding] = OrderedDict()

    def encode(self, audio: Samples) -> Encoding:
        """Encode the last `window_s` seconds of 16 kHz audio."""
        window = last_window(audio, self.window_s)
        if not self._memory:
            return self._run(window)
        key = hashlib.blake2b(window.tobytes(), digest_size=16).digest()
        if key not in self._known:
            self._known[key] = self._run(window)
            if len(self._known) > self._memory:
                self._known.popitem(last=False)
        return self._known[key]

    def _run(self, window: Samples) -> Encoding:
        mel = whisper_log_mel(window)[None]
        if not self._smart_turn:
            (frames,) = self._model.get(("frames",), input_features=mel)
            return Encoding(frames[0], frames[0].mean(axis=0), 0.5)
        names = (SMART_TURN_FRAMES, SMART_TURN_POOLED, SMART_TURN_SCORE)
        frames, pooled, score = self._model.get(names, input_features=mel)
        return Encoding(frames[0], pooled[0], float(score[0, 0]))


def pool(encoding: Encoding, silence_s: float) -> NDArray[np.float32]:
    """Build the vector that a head sees.

    Parameters
    ----------
    encoding : Encoding
    silence_s : float
        Seconds of silence before now.

    Returns
    -------
    ndarray of float32, shape (6 * width + 2,)
        The encoder's own summary; the mean of all frames, of the last 0.1 s, of the last
        0.1 s of speech, of the 0.2 s before that, and of the first 0.1 s of silence; log
        of the seconds in silence; logit of the encoder's own score.
    """
    frames = encoding.frames
    total = len(frames)
    end = min(max(total - round(silence_s / FRAME_S), 1), total)

    def mean(first: int, last: int) -> NDArray[np.float32]:
        first = min(max(first, 0), total - 1)
        return np.asarray(frames[first : max(last, first + 1)].mean(axis=0))

    score = min(max(encoding.score, 1e-5), 1.0 - 1e-5)
    extra = np.array([math.log(max(silence_s, 0.02)), math.log(score / (1.0 - score))])
    parts = [
        encoding.pooled,
        frames.mean(axis=0),
        mean(total - 5, total),
        mean(end - 5, end),
        mean(end - 15, end - 5),
        mean(end, end + 5),
        extra,
    ]
    return np.concatenate(parts).astype(np.float32)


def read_encoder(source: Path, memory: int = 0) -> SpeechEncoder:
    """Open an encoder from an ONNX file.

    Raises
    ------
    BundleError
        If the file is missing or is no such graph.
    """
    try:
        model = source.read_bytes()
    except OSError as error:
        raise BundleError(f"speech encoder {source}: {error.strerror}") from error
    return SpeechEncoder(model, memory)
