"""eSpeak NG voices: robots, but with the accents and melodies that others lack.

See `turnkit.stages.tts.espeak` for the library, which is GPL-3 and optional. What it says
depends on what it has said before (phases, noise and wobble go on from one text to the
next), so that each text is spoken by a library loaded afresh, which takes 4 ms; and from
a copy of its file, so that the one an agent in the same process uses is left alone.
"""

from __future__ import annotations

import _ctypes
import ctypes
import shutil
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module, metadata
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from turnkit.audio import Samples
from turnkit.corpus.synthesis.voices.piper import accent_of
from turnkit.corpus.synthesis.voices.protocol import check_length_scale, levelled
from turnkit.corpus.synthesis.voices.spoken import english_g2p, written_spans
from turnkit.errors import ConfigError, MissingDependencyError, StageError
from turnkit.stages.tts.espeak import EspeakCallback, EspeakEvent, events_of
from turnkit.stages.tts.normalize import Token, spoken_tokens
from turnkit.stages.tts.piper import Span, Speech

WORDS_PER_MINUTE = 175
"""eSpeak's own pace, which `length_scale` divides."""

_SYNCHRONOUS, _BUFFER_MS = 2, 60
_PHONEMES_IN_IPA, _DO_NOT_EXIT = 0x0003, 0x8000
_BY_CHARACTER, _UTF8, _RATE = 1, 1, 1
_WORD, _PHONEME = 1, 7
_SEED = 1

_RESPELLED = {"mm": "umm", "hmm": "hum", "mhm": "um-hum", "shh": "sh"}
"""Sounds that eSpeak would spell."""

_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True)
class _Heard:
    samples: Samples
    rate: int
    events: tuple[tuple[int, int, int, str], ...]
    """Kind, place in the text (from 0), sample, text."""


class EspeakVoice:
    """An eSpeak voice that always says the same text in the same way; a `Voice`.

    Parameters
    ----------
    rest : str
        A language of eSpeak, and a variant of its voice after ``+``:
        ``en-gb-scotland+f3``.

    Raises
    ------
    MissingDependencyError
        If the library is not installed.
    ConfigError
        If it has no such voice.
    """

    def __init__(self, rest: str) -> None:
        self.name = f"espeak:{rest}"
        self.accent = accent_of(rest.partition("+")[0])
        self._voice = rest
        with _ONE_AT_A_TIME, _fresh_library() as (library, _):
            self._choose(library)

    def speak(self, text: str, length_scale: float = 1.0) -> Speech:
        """Say `text`; see `Voice.speak`."""
        pace = round(WORDS_PER_MINUTE / check_length_scale(length_scale))
        tokens = spoken_tokens(text, _knows)
        spelled = [_RESPELLED.get(token.word, token.word) + token.pause for token in tokens]
        if not spelled:
            return Speech(np.zeros(0, dtype=np.float32), 22_050)
        heard = self._say(" ".join(spelled), pace)
        words, phones = _word_spans(tokens, spelled, heard), _phone_spans(heard)
        written = written_spans(text, [token.written for token in tokens], words)
        return levelled(Speech(heard.samples, heard.rate, words, phones, written))

    def _choose(self, library: ctypes.CDLL) -> None:
        language, plus, variant = self._voice.partition("+")
        known = language.startswith("en") and (not plus or _has_variant(variant))
        if not known or library.espeak_SetVoiceByName(self._voice.encode()):
            raise ConfigError(
                f"voice {self.name!r}: eSpeak has no such English voice; expected one such as "
                "espeak:en-us, espeak:en-gb-x-rp or espeak:en-gb-scotland+f3"
            )

    def _say(self, text: str, pace: int) -> _Heard:
        waves: list[Samples] = []
        events: list[tuple[int, int, int, str]] = []

        def hear(wave: Any, count: int, found: Any) -> int:
            if wave and count:
                pcm = np.ctypeslib.as_array(wave, (count,))
                waves.append((pcm / 32_768).astype(np.float32))
            events.extend(_plain(event) for event in events_of(found))
            return 0

        callback = EspeakCallback(hear)
        data = text.encode() + b"\0"
        with _ONE_AT_A_TIME, _fresh_library() as (library, rate):
            self._choose(library)
            library.espeak_SetParameter(_RATE, pace, 0)
            library.espeak_SetSynthCallback(callback)
            failed = library.espeak_Synth(data, len(data), 0, _BY_CHARACTER, 0, _UTF8, None, None)
        if failed or not waves:
            raise StageError("tts", f"eSpeak failed with error {failed} on {text!r}")
        return _Heard(np.concatenate(waves), rate, tuple(events))


def espeak_version() -> str:
    """Version of the package that carries the library and its data."""
    try:
        return metadata.version("espeakng-loader")
    except metadata.PackageNotFoundError as error:
        raise _missing() from error


def _missing() -> MissingDependencyError:
    return MissingDependencyError("espeakng-loader", "espeak", "an eSpeak voice")


def _knows(word: str) -> bool:
    return word in _RESPELLED or word in english_g2p().lexicon


@lru_cache(maxsize=1)
def _files() -> tuple[Any, bytes]:
    """Copy of the library, which goes with the process, and the folder of its data."""
    try:
        loader = import_module("espeakng_loader")
    except ImportError as error:
        raise _missing() from error
    source = Path(loader.get_library_path())
    copy = tempfile.NamedTemporaryFile(prefix="turnkit-", suffix=source.suffix)  # noqa: SIM115
    with source.open("rb") as file:
        shutil.copyfileobj(file, copy)
    copy.flush()
    return copy, loader.get_data_path().encode()


def _has_variant(variant: str) -> bool:
    """Tell whether the data has such a file: eSpeak would speak without it and not say so."""
    return variant in {path.name for path in Path(_files()[1].decode(), "voices", "!v").iterdir()}


@contextmanager
def _fresh_library() -> Iterator[tuple[ctypes.CDLL, int]]:
    copy, data = _files()
    library = ctypes.CDLL(copy.name)
    try:
        options = _PHONEMES_IN_IPA | _DO_NOT_EXIT
        rate = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data, options)
        if rate <= 0:
            raise StageError("tts", "eSpeak cannot be started with its data")
        # it would take the time of day; some variants' noise comes from the C library
        library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
        ctypes.CDLL(None).srand(_SEED)
        yield library, int(rate)
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)


def _plain(event: EspeakEvent) -> tuple[int, int, int, str]:
    text = event.value.decode("utf-8", errors="replace") if event.kind == _PHONEME else ""
    return event.kind, event.text_position - 1, event.sample, text


def _phone_spans(heard: _Heard) -> tuple[Span, ...]:
    found = [(sample, text) for kind, _, sample, text in heard.events if kind == _PHONEME]
    ends = [sample for sample, _ in found[1:]] + [len(heard.samples)]
    rate = heard.rate
    return tuple(
        Span(text, sample / rate, end / rate)
        for (sample, text), end in zip(found, ends, strict=True)
        if text and sample < end
    )


def _word_spans(tokens: Sequence[Token], spelled: Sequence[str], heard: _Heard) -> tuple[Span, ...]:
    """Find the times of the words; those that eSpeak runs together share theirs by letters."""
    starts = list(accumulate((len(each) + 1 for each in spelled), initial=0))[:-1]
    begins: dict[int, int] = {}
    for kind, position, sample, _ in heard.events:
        if kind == _WORD:
            begins.setdefault(max(bisect_right(starts, position) - 1, 0), sample)
    begins.setdefault(0, 0)
    quiet = [s for kind, _, s, text in heard.events if kind == _PHONEME and not text]
    told = sorted(begins)
    spans: list[Span] = []
    for first, after in zip(told, [*told[1:], len(tokens)], strict=True):
        begin = begins[first]
        end = begins[after] if after in begins else len(heard.samples)
        end = max(begin, min([end, *(s for s in quiet if s > begin)]))
        group = [token.word for token in tokens[first:after]]
        share = list(accumulate((len(word) for word in group), initial=0))
        for word, a, b in zip(group, share, share[1:], strict=False):
            times = (begin + (end - begin) * part / share[-1] for part in (a, b))
            low, high = (time / heard.rate for time in times)
            spans.append(Span(word, low, high))
    return tuple(spans)
