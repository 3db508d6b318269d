"""Words of a recording by the embedded recogniser, where nobody wrote them down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from turnkit.audio import Samples, resample
from turnkit.corpus.importing.floor import Run, merge
from turnkit.corpus.schema import Word
from turnkit.errors import ConfigError

_PIECE_S = 20.0
"""Longest stretch that is decoded at a time; Whisper takes 30 s."""

_MARGIN_S = 0.2
"""Audio decoded before and after a stretch: a VAD cuts soft consonants off."""

_APART_S = 2.0
"""Stretches further apart than this are decoded one by one: nothing links them."""


class Recogniser:
    """The embedded Whisper over whole recordings.

    Parameters
    ----------
    model : str
        As the agent's settings take it: ``default`` (English only), a folder, a hub id.
    language : str
        Code such as ``en``.

    Raises
    ------
    ConfigError
        If the default model is asked for another language than English.
    MissingAssetError, MissingDependencyError, OfflineError
        If the model is not there.
    """

    def __init__(self, model: str = "default", language: str = "en") -> None:
        from turnkit.stages.stt.whisper_files import WhisperSettings
        from turnkit.stages.stt.whisper_model import WhisperModel

        if model == "default" and language.split("-")[0] != "en":
            raise ConfigError(
                f"language {language!r}: the default recogniser knows English only; name a "
                "folder or a hub id of a CTranslate2 Whisper"
            )
        settings = WhisperSettings(model=model, language=language, workers=1)
        self._model = WhisperModel(settings)

    def words(self, samples: Samples, sample_rate: int, runs: Sequence[Run]) -> list[Word]:
        """Words that are spoken in the given stretches.

        Ends are where Whisper's cross-attention aligns them, brought into the stretches
        of speech: on clean sentences 0.1 s off at the median, 0.4 s at worst.

        Parameters
        ----------
        samples : ndarray of float32, shape (n,)
        sample_rate : int
            In Hz.
        runs : sequence of (float, float)
            Stretches of speech in seconds, in order.

        Returns
        -------
        list of Word
            Times in the recording, in order.
        """
        from turnkit.whisper import SAMPLE_RATE

        found: list[Word] = []
        for piece in _pieces(runs):
            start = max(0.0, piece[0][0] - _MARGIN_S)
            end = piece[-1][1] + _MARGIN_S
            part = samples[round(start * sample_rate) : round(end * sample_rate)]
            encoded = self._model.encode(resample(part, sample_rate, SAMPLE_RATE))
            texts = self._model.decode(encoded)
            if texts:
                ends = self._model.word_ends(encoded, texts)
                found += place_words(texts, [start + second for second in ends], piece)
        return found


def place_words(texts: Sequence[str], ends: Sequence[float], runs: Sequence[Run]) -> list[Word]:
    """Give words that end at `ends` a start, and bring both into stretches of speech.

    Parameters
    ----------
    texts : sequence of str
    ends : sequence of float
        Rising seconds.
    runs : sequence of (float, float)
        Stretches of speech in seconds, in order; at least one.

    Returns
    -------
    list of Word
        In order, not overlapping.
    """
    words, before = [], runs[0][0]
    for text, aligned in zip(texts, ends, strict=True):
        # The stretch that the word ends in, or the last one that began before.
        begun = [run for run in runs if run[0] < aligned] or [runs[0]]
        run = begun[-1]
        end = max(min(aligned, run[1]), before)
        start = min(max(before, run[0]), end)
        words.append(Word(text, start, end))
        before = end
    return words


def _pieces(runs: Sequence[Run]) -> Iterator[list[Run]]:
    piece: list[Run] = []
    for run in _short_enough(merge(runs, 0.0)):
        apart = piece and run[0] - piece[-1][1] > _APART_S
        if piece and (apart or run[1] - piece[0][0] > _PIECE_S):
            yield piece
            piece = []
        piece.append(run)
    if piece:
        yield piece


def _short_enough(runs: Sequence[Run]) -> Iterator[Run]:
    for begin, end in runs:
        parts = max(1, -int(-(end - begin) // _PIECE_S))
        step = (end - begin) / parts
        for part in range(parts):
            yield begin + part * step, begin + (part + 1) * step
