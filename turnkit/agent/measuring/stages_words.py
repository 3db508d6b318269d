"""Word errors of a recogniser.

Reference and hypothesis are brought to the same spelling first: what is said when the
text is read out, without hesitation sounds, numbers in figures. So "$12 at 3 p.m." is
"twelve dollars at three pm", and "8803" is right however it was read out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from turnkit.agent.measuring.stages_figures import WordErrors
from turnkit.errors import MissingDependencyError
from turnkit.metrics.bootstrap import interval, resample_speakers
from turnkit.stages.tts.lexicon import Lexicon
from turnkit.stages.tts.normalize import spoken_tokens

HESITATIONS = frozenset(("uh", "um", "uhm", "hm", "hmm", "mm", "mmm", "mhm"))
"""Sounds that recognisers are free to write or not, as in Whisper's own evaluation
(Radford et al., "Robust speech recognition via large-scale weak supervision", 2022,
appendix C)."""

_PURPOSE = "measuring word errors"
_DASH_BETWEEN_DIGITS = re.compile(r"(?<=\d)-(?=\d)")
_HALF_OF_DAY = re.compile(r"\b([ap]) m\b")
_BETWEEN_FIGURES = re.compile(r"(?<=\d) (?=\d)")


def check_scoring() -> None:
    """Raise at once if the packages that count word errors are not there.

    Raises
    ------
    MissingDependencyError
    """
    spell("one")
    count_errors([("one", "one")])


def spell(text: str) -> str:
    """Spell a text as it is compared.

    Raises
    ------
    MissingDependencyError
        If ``text2num``, ``num2words`` or the pronouncing dictionary, which tells words
        from acronyms, is not installed.
    """
    try:
        from text_to_num import alpha2digit
    except ImportError as error:
        raise MissingDependencyError("text2num", "agent", _PURPOSE) from error
    said = spoken_tokens(_DASH_BETWEEN_DIGITS.sub(" ", text), _is_word)
    words = " ".join(token.word for token in said if token.word not in HESITATIONS)
    # threshold 0: every number, so that its neighbours do not decide
    figures = str(alpha2digit(_HALF_OF_DAY.sub(r"\1m", words), "en", threshold=0))
    return _BETWEEN_FIGURES.sub("", figures)


def _is_word(word: str) -> bool:
    """Whether it is said as a word and not letter by letter."""
    return word in HESITATIONS or word in _dictionary()


@cache
def _dictionary() -> Lexicon:
    return Lexicon()


def count_errors(pairs: Sequence[tuple[str, str]], seed: int = 0) -> WordErrors:
    """Count word errors, by minimum edit distance.

    Parameters
    ----------
    pairs : sequence of (str, str)
        Reference and hypothesis of each utterance, spelled alike; at least one
        reference has a word.
    seed : int
        Of the bootstrap.

    Raises
    ------
    MissingDependencyError
        If ``jiwer`` is not installed.
    """
    try:
        import jiwer
    except ImportError as error:
        raise MissingDependencyError("jiwer", "agent", _PURPOSE) from error
    each = [jiwer.process_words(said, heard) for said, heard in pairs]
    # columns: substitutions, deletions, insertions, words of the reference
    counts = np.array(
        [
            (o.substitutions, o.deletions, o.insertions, o.substitutions + o.deletions + o.hits)
            for o in each
        ]
    )
    substitutions, deletions, insertions, words = (int(total) for total in counts.sum(axis=0))
    wer = (substitutions + deletions + insertions) / words
    draws = resample_speakers(len(pairs), seed=seed) @ counts
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = interval(draws[:, :3].sum(axis=1) / draws[:, 3]) if len(pairs) > 1 else None
    between = None if bounds is None else (bounds.low, bounds.high)
    return WordErrors(words, substitutions, deletions, insertions, wer, between)
