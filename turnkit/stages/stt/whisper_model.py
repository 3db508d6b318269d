"""One decoding with Whisper, run by CTranslate2 on a short context.

Whisper (Radford et al. 2023) was trained on windows of 30 s. Encoding fewer seconds is
cheaper in proportion, and costs guards: a decoder that finds no silence after the words
tends to start again at the first of them, so the context has a floor, output has a cap,
and what is repeated over and over is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from turnkit.audio import Samples
from turnkit.errors import ConfigError, MissingAssetError, MissingDependencyError
from turnkit.stages.stt.agreement import Words, word_key
from turnkit.stages.stt.whisper_files import WhisperSettings, find_model
from turnkit.whisper import HOP, SAMPLE_RATE, whisper_log_mel

WINDOW_S = 30.0
"""Longest audio that Whisper takes."""

TOKENS_PER_S = 9.0
"""Nobody speaks faster: a cap on the output."""

TOKEN_S = 0.02
"""Seconds that one frame of the encoder's output stands for."""

_SILENT, _UNLIKELY = 0.6, -0.8
"""A decoding is of no speech if Whisper gives silence more than this, and its words a
mean log-probability below that. Noise, clicks and hum had at least 0.84 and at most -1.7;
clean sentences at most 0.3 and at least -0.4."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Audio as the encoder left it."""

    features: Any
    seconds: float


class WhisperModel:
    """A loaded model; every method may be called from several threads.

    Raises
    ------
    MissingAssetError, MissingDependencyError, OfflineError
        See `find_model`.
    ConfigError
        If this machine cannot run the model as the settings say.
    """

    def __init__(self, settings: WhisperSettings) -> None:
        folder = find_model(settings.model)
        try:
            import ctranslate2
            from tokenizers import Tokenizer
        except ImportError as error:
            name = error.name or "ctranslate2"
            raise MissingDependencyError(name, "agent", "the embedded recogniser") from error
        self._settings = settings
        self._array: Any = ctranslate2.StorageView.from_array
        try:
            self._model: Any = ctranslate2.models.Whisper(
                str(folder),
                device=settings.device,
                compute_type=settings.compute_type,
                intra_threads=settings.threads,
                inter_threads=settings.workers,
            )
        except ValueError as error:
            raise ConfigError(f"compute_type, device: {error}") from error
        except RuntimeError as error:
            raise MissingAssetError(f"stt model {folder}: cannot be loaded: {error}") from error
        self._tokens: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._start = self._start_tokens(settings.language)

    def _start_tokens(self, language: str) -> list[int]:
        names = ["<|startoftranscript|>"]
        if self._model.is_multilingual:
            names += [f"<|{language}|>", "<|transcribe|>"]
        ids = [self._tokens.token_to_id(name) for name in [*names, "<|notimestamps|>"]]
        if None in ids:
            raise ConfigError(f"language {language!r}: the model does not know it")
        return ids

    def encode(self, audio: Samples) -> Encoded:
        """Run the encoder over at most `WINDOW_S` seconds at 16 kHz."""
        seconds = len(audio) / SAMPLE_RATE
        wanted = max(self._settings.context_s, seconds + self._settings.margin_s)
        frames = 2 * round(min(wanted, WINDOW_S) * SAMPLE_RATE / HOP / 2)
        window = np.zeros(frames * HOP, dtype=np.float32)
        window[: len(audio)] = audio[: len(window)]
        mel = whisper_log_mel(window, n_mels=self._model.n_mels, standardize=False)
        array = self._array(np.ascontiguousarray(mel[None]))
        return Encoded(self._model.encode(array), seconds)

    def decode(self, encoded: Encoded, begin: Sequence[str] = ()) -> Words:
        """Most likely words.

        Parameters
        ----------
        encoded : Encoded
        begin : sequence of str
            Words that the audio is known to begin with; the result begins with them.
        """
        prefix = self._encode_text(begin)
        result = self._model.generate(
            encoded.features,
            [[*self._start, *prefix]],
            beam_size=1,
            max_length=len(self._start) + len(prefix) + 6 + round(TOKENS_PER_S * encoded.seconds),
            suppress_blank=not prefix,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        if not begin and result.no_speech_prob > _SILENT and result.scores[0] < _UNLIKELY:
            return ()
        words = tuple(self._tokens.decode(result.sequences_ids[0]).split())
        if words[: len(begin)] != tuple(begin):
            return (*begin, *words[len(begin) :])
        return without_repeats(words)

    def word_ends(self, encoded: Encoded, words: Sequence[str]) -> list[float]:
        """Where each of `words`, known to be spoken in this order, ends: seconds of the audio."""
        pieces = [self._encode_text([word]) for word in words]
        ids = [number for piece in pieces for number in piece]
        frames = max(1, round(encoded.seconds * SAMPLE_RATE / HOP))
        start = self._start[:-1]
        found = self._model.align(encoded.features, start, [ids], frames)[0].alignments
        starts: dict[int, float] = {}
        for token, frame in found:
            starts.setdefault(token, frame * TOKEN_S)
        # A word ends where the next one begins; the tokens are in order, so take the last.
        ends, token = [], 0
        for piece in pieces:
            token += len(piece)
            ends.append(starts.get(token, encoded.seconds))
        return ends

    def _encode_text(self, words: Sequence[str]) -> list[int]:
        text = "".join(f" {word}" for word in words)
        return list(self._tokens.encode(text, add_special_tokens=False).ids)


def without_repeats(words: Words, times: int = 3) -> Words:
    """Cut what is said `times` times in a row or more down to once.

    People repeat a phrase, hardly ever so often; a decoder that loops does.
    """
    keys = [word_key(word) for word in words]
    for size in range(1, len(words) // times + 1):
        for start in range(len(words) - size * times + 1):
            unit = keys[start : start + size]
            count = 1
            while keys[start + count * size : start + (count + 1) * size] == unit:
                count += 1
            if count >= times and not _spelled(unit):
                end = start + count * size
                return without_repeats(words[: start + size] + words[end:], times)
    return words


def _spelled(unit: list[str]) -> bool:
    """Single words that come three times in a row for good: digits, letters, "no no no"."""
    return len(unit) == 1 and len(unit[0]) <= 5
