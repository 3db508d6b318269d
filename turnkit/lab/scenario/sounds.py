"""From sources to sounds: what a run has said so far decides what comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from turnkit.errors import ConfigError
from turnkit.lab.scenario.script import Kind, Sound
from turnkit.lab.scenario.sources import (
    Backchannel,
    BackchannelSource,
    CorpusSource,
    FileSource,
    NoiseSource,
    RowSource,
    Source,
    TextSource,
    kind_of,
)

if TYPE_CHECKING:
    from turnkit.corpus.reader import Corpus
    from turnkit.lab.scenario.stimuli import Extent
    from turnkit.stages.tts.piper import PiperTts

_LOUDEST = 0.99
_TEMPOS = (0.87, 1.0, 1.1)
_HUM = "mm-hm"


class SoundBook:
    """The sounds of one run, in the order in which they are asked for.

    Each sound has a name of its own: what is said again is called ``NAME #2``. The same
    seed and the same questions give the same sounds.

    Parameters
    ----------
    seed : int
        0 or more; of the order of corpora, and of noises.
    folder : Path, optional
        Where paths of sound files begin.
    """

    def __init__(self, seed: int, folder: Path = Path()) -> None:
        if seed < 0:
            raise ConfigError(f"seed {seed}: expected 0 or more")
        self.seed = seed
        self.folder = folder
        self._named: Counter[str] = Counter()
        self._made: Counter[str] = Counter()
        self._corpora: dict[str, Corpus] = {}
        self._orders: dict[CorpusSource, Iterator[int]] = {}
        self._texts: dict[tuple[str, float], tuple[Any, Extent]] = {}
        self._voice: PiperTts | None = None

    def sound(self, source: Source, *, over: bool = False) -> Sound:
        """Make the next sound of a source.

        Parameters
        ----------
        source : Source
        over : bool, optional
            Whether it is said over the agent, which makes a turn an interruption.

        Raises
        ------
        ConfigError
            If a corpus has no such row.
        CorpusError, InputError
            If a corpus or a file cannot be read, or nothing in it is audible.
        """
        made = self._make(source, kind_of(source, over=over))
        return self.named(_later(_louder(made, source.gain_db), source.lead_s))

    def row(self, corpus: Corpus, number: int, kind: Kind = "turn") -> Sound:
        """Make a sound of a corpus's row."""
        from turnkit.lab.scenario.stimuli import corpus_sound

        return self.named(corpus_sound(corpus[number], kind))

    def named(self, sound: Sound) -> Sound:
        """Give a sound a name that none in the run has."""
        self._named[sound.name] += 1
        times = self._named[sound.name]
        return sound if times == 1 else replace(sound, name=f"{sound.name} #{times}")

    def corpus(self, name: str) -> Corpus:
        """Open a corpus, once; its test split where it has several and none is named."""
        from turnkit.corpus.reader import load_corpus

        if name not in self._corpora:
            self._corpora[name] = load_corpus(name, default_split="test")
        return self._corpora[name]

    def random(self, name: str, number: int = 0) -> np.random.Generator:
        """Random numbers that belong to one thing of the run."""
        return np.random.default_rng([self.seed, crc32(name.encode()), number])

    def _make(self, source: Source, kind: Kind) -> Sound:
        if isinstance(source, RowSource):
            return self._corpus_row(source.corpus, source.number, kind)
        if isinstance(source, CorpusSource):
            return self._corpus_row(source.corpus, self._next(source), kind)
        if isinstance(source, TextSource):
            return self._spoken(source.text, source.text, source.tempo, kind)
        if isinstance(source, FileSource):
            return self._file(source, kind)
        if isinstance(source, BackchannelSource):
            return self._backchannel(source.backchannel, kind)
        return self._noise(source, kind)

    def _corpus_row(self, name: str, number: int, kind: Kind) -> Sound:
        from turnkit.lab.scenario.stimuli import corpus_sound

        corpus = self.corpus(name)
        if number >= len(corpus):
            last = len(corpus) - 1
            raise ConfigError(f"row {name}/{number}: expected a number from 0 to {last}")
        return corpus_sound(corpus[number], kind)

    def _next(self, source: CorpusSource) -> int:
        # How a row is said does not decide which comes next.
        key = replace(source, kind=None, gain_db=0.0, lead_s=0.0)
        if key not in self._orders:
            rows = fitting_rows(self.corpus(source.corpus), source)
            self._orders[key] = self._shuffled(rows, repr(key))
        return next(self._orders[key])

    def _shuffled(self, rows: list[int], name: str) -> Iterator[int]:
        """All rows in a random order, then all again in another one."""
        round_ = 0
        while True:
            order = self.random(name, round_).permutation(len(rows))
            yield from (rows[position] for position in order)
            round_ += 1

    def _spoken(self, name: str, text: str, tempo: float, kind: Kind) -> Sound:
        from turnkit.lab.scenario.stimuli import RATE, spoken_text
        from turnkit.stages.tts.piper import PiperTts

        if (text, tempo) not in self._texts:
            self._voice = self._voice or PiperTts()
            self._texts[text, tempo] = spoken_text(self._voice, text, tempo)
        samples, extent = self._texts[text, tempo]
        return Sound(kind, name, samples, RATE, extent.onset, extent.ended, extent.gaps, text)

    def _file(self, source: FileSource, kind: Kind) -> Sound:
        from turnkit.audio import decode_audio
        from turnkit.lab.scenario.stimuli import recorded_sound

        samples, rate = decode_audio(self.folder / source.file)
        return recorded_sound(source.file, samples, rate, source.ended_s, kind)

    def _backchannel(self, text: Backchannel, kind: Kind) -> Sound:
        from turnkit.lab.scenario.stimuli import RATE, extent_of, hum

        name, random = self._numbered(text)
        tempo = _TEMPOS[int(random.integers(len(_TEMPOS)))]
        if text != _HUM:
            made = self._spoken(name, f"{text.capitalize()}.", tempo, kind)
        else:
            samples = hum(tempo)
            extent = extent_of(samples, name)
            made = Sound(kind, name, samples, RATE, extent.onset, extent.ended, text=text)
        return _louder(made, float(random.uniform(-3.0, 3.0)))

    def _noise(self, source: NoiseSource, kind: Kind) -> Sound:
        from turnkit.lab.scenario.stimuli import RATE, burst, extent_of

        name, random = self._numbered(source.noise)
        samples = burst(random, leaky=source.noise == "cough")
        extent = extent_of(samples, name)
        return Sound(kind, name, samples, RATE, extent.onset, extent.ended)

    def _numbered(self, what: str) -> tuple[str, np.random.Generator]:
        """Name and random numbers of the next of its sort; other seeds sound otherwise."""
        self._made[what] += 1
        number = self._made[what]
        return f"{what} {self.seed}.{number}", self.random(what, number)


def fitting_rows(corpus: Corpus, source: CorpusSource) -> list[int]:
    """Find the rows that a source may take, by their annotation alone.

    Raises
    ------
    ConfigError
        If there are none.
    """
    from turnkit.corpus.schema import records

    rows = []
    columns = corpus.column("silence_spans"), corpus.column("transcript")
    for number, (spans, transcript) in enumerate(zip(*columns, strict=True)):
        lengths = [float(span["end"]) - float(span["start"]) for span in records(spans) or []]
        if source.with_hold_s is not None and max(lengths[:-1], default=0) < source.with_hold_s:
            continue
        words = None if transcript is None else len(str(transcript).split())
        low, high = source.at_least_words, source.at_most_words
        if (low is not None and (words is None or words < low)) or (
            high is not None and (words is None or words > high)
        ):
            continue
        rows.append(number)
    if not rows:
        raise ConfigError(f"corpus {source.corpus}: no row fits {source}")
    return rows


def _louder(sound: Sound, gain_db: float) -> Sound:
    """Change the level, but never beyond full scale."""
    if gain_db == 0.0:
        return sound
    peak = float(np.max(np.abs(sound.samples), initial=0.0))
    gain = 10.0 ** (gain_db / 20.0)
    if gain > 1.0 and peak > 0.0:
        gain = max(1.0, min(gain, _LOUDEST / peak))
    return replace(sound, samples=np.asarray(sound.samples * gain, dtype=np.float32))


def _later(sound: Sound, lead_s: float) -> Sound:
    """Put silence before it."""
    silence = np.zeros(round(lead_s * sound.rate), dtype=np.float32)
    if not len(silence):
        return sound
    lead = len(silence) / sound.rate
    return replace(
        sound,
        samples=np.concatenate([silence, sound.samples]),
        onset=sound.onset + lead,
        ended=sound.ended + lead,
        holds=tuple((start + lead, end + lead) for start, end in sound.holds),
    )
