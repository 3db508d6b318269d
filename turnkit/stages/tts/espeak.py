"""eSpeak NG as the agent's voice: a robot's, within a few milliseconds, in many accents.

Its library is GPL-3. It comes in the wheel ``espeakng-loader`` (extra ``espeak``), is
loaded only when this voice is asked for, and is called through its C interface,
``speak_lib.h`` of eSpeak NG 1.52.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from turnkit.audio import Samples
from turnkit.errors import ConfigError, MissingDependencyError, StageError
from turnkit.stages.tts.stream import SpeechPiece, SpokenWord
from turnkit.stages.tts.worker import Emit, SpeechWorkers, Stop

_SYNCHRONOUS, _BUFFER_MS, _DO_NOT_EXIT = 2, 60, 0x8000
_BY_CHARACTER, _UTF8 = 1, 1
_RATE, _PITCH = 1, 3
_NO_MORE_EVENTS, _WORD = 0, 1
_GO_ON, _ABORT = 0, 1

_ONE_AT_A_TIME = Lock()
"""The library keeps its voice, its text and its callback in global variables."""


class EspeakEvent(ctypes.Structure):
    """``espeak_EVENT``: what the library tells about the samples that it gives."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("message", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # characters, counted from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("value", ctypes.c_char * 8),
    )


EspeakCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(EspeakEvent)
)
"""``t_espeak_callback(wave, count, events)``; what it returns says whether to go on."""


@dataclass(frozen=True)
class EspeakSettings:
    """An eSpeak voice.

    Attributes
    ----------
    voice : str
        A language of eSpeak, ``en-us`` or ``en-gb-scotland``; a variant of its voice may
        follow: ``en-us+f3``.
    words_per_minute : int
        From 80 to 450.
    pitch : int
        From 0 to 100.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """

    voice: str = "en-us"
    words_per_minute: int = 175
    pitch: int = 50

    def __post_init__(self) -> None:
        for name, low, high in (("words_per_minute", 80, 450), ("pitch", 0, 100)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"tts.{name} {value}: expected a number from {low} to {high}")


class EspeakTts:
    """An eSpeak voice as a `StreamingTts`: a piece for each word.

    Parameters
    ----------
    settings : EspeakSettings, optional

    Raises
    ------
    MissingDependencyError
        If the library is not installed.
    ConfigError
        If it has no such voice.
    """

    simulated = False

    def __init__(self, settings: EspeakSettings | None = None) -> None:
        self.settings = settings or EspeakSettings()
        self.name = f"espeak {self.settings.voice}"
        self._library, self._rate = _open_library()
        with _ONE_AT_A_TIME:
            self._choose_voice()
        self._workers = SpeechWorkers(workers=1)

    @property
    def sample_rate(self) -> int:
        """Rate of the samples in Hz."""
        return self._rate

    async def warm(self) -> None:
        """Speak once; see `StreamingTts.warm`."""
        await self._workers.run(partial(self._speak, "Hello.", lambda _: None, Stop()))

    def stream(self, text: str) -> AsyncGenerator[SpeechPiece, None]:
        """Speak, a piece for each word; see `StreamingTts.stream`."""
        return self._workers.stream(partial(self._speak, text))

    async def aclose(self) -> None:
        """Stop all and free the thread; the library stays loaded, as the process has it."""
        await self._workers.aclose()

    def _choose_voice(self) -> None:
        if self._library.espeak_SetVoiceByName(self.settings.voice.encode()):
            raise ConfigError(
                f"tts.voice {self.settings.voice!r}: eSpeak has no such voice; expected one "
                "such as en-us, en-gb-x-rp or en-us+f3"
            )
        self._library.espeak_SetParameter(_RATE, self.settings.words_per_minute, 0)
        self._library.espeak_SetParameter(_PITCH, self.settings.pitch, 0)

    def _speak(self, text: str, emit: Emit, stop: Stop) -> None:
        if not any(map(str.isalnum, text)):
            return
        plain = text.replace("\0", " ")
        speaking = _Speaking(plain, self._rate, emit, stop)
        callback = EspeakCallback(speaking.hear)
        data = plain.encode("utf-8", errors="replace") + b"\0"
        with _ONE_AT_A_TIME:
            if stop:
                return
            self._choose_voice()
            self._library.espeak_SetSynthCallback(callback)
            failed = self._library.espeak_Synth(
                data, len(data), 0, _BY_CHARACTER, 0, _UTF8, None, None
            )
        if speaking.problem is not None:
            raise speaking.problem
        if failed:
            raise StageError("tts", f"eSpeak failed with error {failed}")
        speaking.finish()


class _Speaking:
    """Collects samples, and hands on a piece whenever a word of the text has ended."""

    def __init__(self, text: str, rate: int, emit: Emit, stop: Stop) -> None:
        self.problem: Exception | None = None
        self._words = text.split()
        self._starts: list[int] = []
        at = 0
        for word in self._words:
            self._starts.append(text.index(word, at))
            at = self._starts[-1] + len(word)
        self._rate, self._emit, self._stop = rate, emit, stop
        self._waiting: Samples = np.zeros(0, dtype=np.float32)
        self._given = self._next_word = 0

    def hear(self, wave: Any, count: int, events: Any) -> int:
        """Take samples and events from the library; tell it whether to go on."""
        try:
            if wave and count:
                pcm = np.ctypeslib.as_array(wave, (count,))
                heard = np.asarray(pcm / 32_768, dtype=np.float32)
                self._waiting = np.concatenate((self._waiting, heard))
            for event in events_of(events):
                if event.kind == _WORD:
                    word = bisect_right(self._starts, event.text_position - 1) - 1
                    self._hand_on(event.sample, word)
        except Exception as error:  # must not pass through C
            self.problem = error
        return _ABORT if self._stop or self.problem is not None else _GO_ON

    def finish(self) -> None:
        """Hand on the rest."""
        if not self._stop:
            self._hand_on(self._given + len(self._waiting), len(self._words))

    def _hand_on(self, until: int, next_word: int) -> None:
        """Give the samples up to `until`, where the words before `next_word` end."""
        if next_word <= self._next_word:
            return
        ended = self._words[self._next_word : next_word]
        end = until / self._rate
        words = tuple(SpokenWord(word, end) for word in ended)
        samples, self._waiting = np.split(self._waiting, [until - self._given])
        self._given, self._next_word = until, next_word
        self._emit(SpeechPiece(samples, words))


def events_of(events: Any) -> Iterator[EspeakEvent]:
    """Events that a callback got, up to the one that marks their end."""
    i = 0
    while events and events[i].kind != _NO_MORE_EVENTS:
        yield events[i]
        i += 1


@cache
def _open_library() -> tuple[ctypes.CDLL, int]:
    """Load the library and start it, once in a process."""
    try:
        espeakng_loader = import_module("espeakng_loader")
    except ImportError as error:
        raise MissingDependencyError("espeakng-loader", "espeak", "the eSpeak voice") from error
    path = Path(espeakng_loader.get_library_path())
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise StageError("tts", f"{path.name} cannot be loaded: {error}") from error
    data = espeakng_loader.get_data_path().encode()
    rate = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data, _DO_NOT_EXIT)
    if rate <= 0:
        raise StageError("tts", f"{path.name} cannot be started with its data in {path.parent}")
    return library, int(rate)
