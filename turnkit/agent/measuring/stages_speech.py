"""Speech for recognisers: sentences in a voice of our own, and turns of a corpus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from turnkit.agent.measuring.stages_texts import SENTENCES
from turnkit.audio import Samples, continue_floor, resample
from turnkit.corpus.reader import load_corpus
from turnkit.corpus.schema import Turn
from turnkit.errors import CorpusError
from turnkit.stages.tts.piper import PiperTts
from turnkit.stages.tts.piper_stream import leading_silence

TEMPO = (0.85, 1.3)
"""Durations of sounds, relative to the voice's own, are drawn from this range."""

OWN = "own sentences"
"""Name of the sentences in a voice of our own."""

BEFORE_S = 0.3
AFTER_S = 0.1
"""Seconds of silence after the end of speech at which the words are asked for."""

_FLOOR = 3e-4
"""RMS of the noise under the sentences: about -70 dB of full scale, a quiet room."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something said.

    Attributes
    ----------
    text : str
    samples : ndarray of float32, shape (n,)
        To `AFTER_S` after the end of speech.
    sample_rate : int
    start, end : float
        Of the speech, in seconds.
    """

    text: str
    samples: Samples
    sample_rate: int
    start: float
    end: float

    def at_rate(self, rate: int) -> Samples:
        """Convert the samples to another rate in Hz."""
        if rate == self.sample_rate:
            return self.samples
        return resample(self.samples, self.sample_rate, rate)


@dataclass(frozen=True, slots=True)
class Speech:
    """A set of utterances.

    Attributes
    ----------
    name : str
    origin : str
        What it is, in words; says so where the speech is synthetic.
    utterances : tuple of Utterance
    """

    name: str
    origin: str
    utterances: tuple[Utterance, ...]


def speak_sentences(count: int, seed: int = 0) -> Speech:
    """Let the embedded voice say sentences, faster and slower than it is used to.

    Parameters
    ----------
    count : int
        At least 1. Sentences come again, at another tempo, when all were said.
    seed : int
        Of their order and tempo.

    Raises
    ------
    MissingDependencyError, MissingAssetError
        If the voice is not there.
    """
    voice = PiperTts()
    rng = np.random.default_rng(seed)
    order = [i for _ in range(-(-count // len(SENTENCES))) for i in rng.permutation(len(SENTENCES))]
    said = []
    for i in order[:count]:
        speech = voice.speak(SENTENCES[i], length_scale=float(rng.uniform(*TEMPO)))
        said.append(_in_a_room(SENTENCES[i], speech.samples, voice.sample_rate, rng))
    low, high = TEMPO
    origin = f"synthetic speech, voice {voice.voice.stem}, durations x {low:g}-{high:g}"
    return Speech(OWN, origin, tuple(said))


def _in_a_room(text: str, spoken: Samples, rate: int, rng: np.random.Generator) -> Utterance:
    spoken = spoken[leading_silence(spoken) : len(spoken) - leading_silence(spoken[::-1])]
    before, after = round(BEFORE_S * rate), round(AFTER_S * rate)
    samples = np.pad(spoken, (before, after))
    samples = samples + (_FLOOR * rng.standard_normal(len(samples))).astype(np.float32)
    end = (before + len(spoken)) / rate
    return Utterance(text, np.clip(samples, -1.0, 1.0), rate, before / rate, end)


def corpus_turns(name: str, count: int, seed: int = 0) -> Speech:
    """Take turns of a corpus, up to `AFTER_S` after their annotated end.

    Parameters
    ----------
    name : str
        As `turnkit.corpus.reader.load_corpus` takes it.
    count : int
        Most turns; rows without a transcript are left out.
    seed : int
        Of the choice.

    Raises
    ------
    CorpusError, OfflineError
        If it cannot be read, or no row has a transcript.
    """
    corpus = load_corpus(name, default_split="test")
    written = [i for i, text in enumerate(corpus.column("transcript")) if text]
    if not written:
        raise CorpusError(f"corpus {corpus.name}: no row has a transcript, which word errors need")
    chosen = np.random.default_rng(seed).permutation(written)[:count]
    turns = [_cut(corpus[int(i)]) for i in chosen]
    kind = "synthetic speech" if corpus.synthetic else "recorded speech"
    origin = f"{kind}, {len(corpus)} turns, fingerprint {corpus.fingerprint}"
    return Speech(corpus.name, origin, tuple(turns))


def _cut(turn: Turn) -> Utterance:
    rate = turn.sample_rate
    ends = round((turn.end.start + AFTER_S) * rate)
    samples = turn.samples[:ends]
    silence = turn.samples[round(turn.end.start * rate) :]
    samples = np.concatenate([samples, continue_floor(silence, ends - len(samples))])
    start = turn.words[0].start if turn.words else leading_silence(samples) / rate
    return Utterance(turn.transcript or "", samples, rate, start, turn.end.start)
