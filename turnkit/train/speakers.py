"""The corpora of a recipe, cut by speaker: who trains the weights, and who judges them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from turnkit.corpus.names import parse_name
from turnkit.corpus.reader import Corpus, load_corpus
from turnkit.corpus.split import split_by_speaker
from turnkit.corpus.tags import check_complete
from turnkit.errors import ConfigError, CorpusError
from turnkit.evaluate.leakage import speaker_hash
from turnkit.train.recipe import Recipe
from turnkit.train.settings import CorpusEntry

_Recording = tuple[str, str]
"""Name of a recording behind that of its corpus: others may have recordings of that name."""


@dataclass(frozen=True, slots=True)
class TrainingCorpus:
    """One corpus of a recipe.

    Attributes
    ----------
    training : Corpus
        Rows that train weights.
    validation : Corpus or None
        Rows of other speakers and recordings, for early stopping and the frozen policies.
    entry : CorpusEntry
        What the recipe says of it.
    whole : Corpus
        Both. Caches are of the whole, so that recipes which cut it elsewhere share them.
    """

    training: Corpus
    validation: Corpus | None
    entry: CorpusEntry
    whole: Corpus

    @property
    def rows(self) -> list[int]:
        """Numbers of the training rows in the whole."""
        trains = set(self.training.speakers)
        return [i for i, speaker in enumerate(self.whole.speakers) if speaker in trains]

    @property
    def labels(self) -> bool:
        """Whether it is known which spans end a turn."""
        return self.entry.labels

    @property
    def weight(self) -> float:
        """Weight of a row in the loss."""
        return self.entry.weight


def open_corpora(recipe: Recipe) -> list[TrainingCorpus]:
    """Open and cut the corpora of a recipe.

    A speaker that one corpus holds out trains nothing in the others either, nor does who
    is in a recording that another cut of the same corpus holds out.

    Raises
    ------
    ConfigError
        If a corpus is not named.
    CorpusError, OfflineError
        If one cannot be opened, has too few speakers, or is to teach labels and has rows
        that are tagged ``incomplete`` or ``backchannel``.
    """
    opened = [_open(i, entry, recipe) for i, entry in enumerate(recipe.data.corpora)]
    speakers = {s for each in opened if each.validation for s in each.validation.speakers}
    recordings = {r for each in opened for r in _recordings(each, each.validation) if r}
    return [_without(each, speakers, recordings) for each in opened]


def _open(number: int, entry: CorpusEntry, recipe: Recipe) -> TrainingCorpus:
    if entry.source is None:
        short = "corpus=PATH, short for " if number == 0 else ""
        raise ConfigError(
            f"data.corpora.{number}.source: not set: give it as {short}"
            f"data.corpora.{number}.source=PATH (a parquet file, a folder, a hub id or 'embedded')"
        )
    corpus = load_corpus(entry.source, entry.split, default_split="train")
    if entry.labels:
        check_complete(corpus)
    if entry.max_turns is not None and entry.max_turns < len(corpus):
        rng = np.random.default_rng(recipe.seed)
        chosen = rng.choice(len(corpus), entry.max_turns, replace=False)
        corpus = corpus.subset(sorted(chosen.tolist()))
    share = recipe.data.held_out(entry)
    if share == 0.0:
        return TrainingCorpus(corpus, None, entry, corpus)
    parts = split_by_speaker(corpus, {"validation": share, "training": 1.0 - share}, recipe.seed)
    return TrainingCorpus(parts["training"], parts["validation"], entry, corpus)


def _recordings(cut: TrainingCorpus, part: Corpus | None) -> list[_Recording | None]:
    """Name the recording of each row of a part of a corpus, where it is known."""
    if part is None or cut.entry.source is None:
        return []
    source = parse_name(cut.entry.source).name
    return [None if name is None else (source, name) for name in part.recordings]


def _without(
    corpus: TrainingCorpus, speakers: set[str], recordings: set[_Recording]
) -> TrainingCorpus:
    rows = list(zip(corpus.training.speakers, _recordings(corpus, corpus.training), strict=True))
    # all rows of a speaker or none: `TrainingCorpus.rows` goes by who trains
    held_out = speakers | {speaker for speaker, recording in rows if recording in recordings}
    keep = [i for i, (speaker, _) in enumerate(rows) if speaker not in held_out]
    if len(keep) == len(corpus.training):
        return corpus
    if not keep:
        raise CorpusError(
            f"corpus {corpus.training.name}: all its speakers are held out by another corpus"
        )
    return replace(corpus, training=corpus.training.subset(keep))


def hashed(corpora: list[Corpus]) -> list[str]:
    """Hashes of the speakers of some corpora, in order; names stay at home."""
    return sorted({speaker_hash(speaker) for corpus in corpora for speaker in corpus.speakers})
