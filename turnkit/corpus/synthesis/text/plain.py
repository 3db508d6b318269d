"""The plain way: fluent sentences with pauses anywhere, for ablations to compare with."""

from __future__ import annotations

import itertools

import numpy as np

from turnkit.corpus.synthesis.script import Boundary, Chunk, Script
from turnkit.corpus.synthesis.text.grammar import PLACES, Memory, expand, load_grammar

_KINDS = ("booking", "request")
_PAUSE_S = (0.2, 1.5)


def write_plain(rng: np.random.Generator) -> Script:
    """Draw a turn of one whole sentence with none to three pauses at random words.

    Parameters
    ----------
    rng : numpy.random.Generator
    """
    grammar = load_grammar(_KINDS[int(rng.random() * len(_KINDS))])
    group = grammar.groups[int(rng.random() * len(grammar.groups))]
    text = expand(group.open[int(rng.random() * len(group.open))], grammar.slots, Memory(), rng)
    words = [token for token in text[:-1].split() if token not in PLACES]
    count = min(int(rng.random() * 4), len(words) - 1)
    cuts = sorted(rng.choice(len(words) - 1, size=count, replace=False) + 1) if count else []
    edges = [0, *map(int, cuts), len(words)]
    last = Boundary.QUESTION if text.endswith("?") else Boundary.STATEMENT
    chunks = [
        Chunk(
            " ".join(words[a:b]).rstrip(","),
            last if b == len(words) else Boundary.PHRASE,
            0.0 if b == len(words) else round(float(rng.uniform(*_PAUSE_S)), 3),
        )
        for a, b in itertools.pairwise(edges)
    ]
    tags = frozenset({"question"} if text.endswith("?") else ())
    return Script(grammar.name, tuple(chunks), tags)
