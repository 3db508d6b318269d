"""How the chunks of the embedded corpus end: drawn by kind of boundary."""

from __future__ import annotations

import numpy as np

from turnkit.corpus.embedded_text import Boundary
from turnkit.corpus.synthesis.prosody.contour import Contour

_AMBIGUOUS = 0.1
"""Share of boundaries whose pitch says nothing: drawn from one and the same plateau."""


def draw_contour(boundary: Boundary, rng: np.random.Generator) -> Contour:
    """Draw how a chunk ends; kinds of boundary overlap, as they do in speech."""
    movement, spread = {
        Boundary.STATEMENT: (-7.0, 1.8),
        Boundary.QUESTION: (7.0, 1.8),
        Boundary.CLAUSE: (1.0, 1.0),
        Boundary.PHRASE: (0.3, 0.7),
        Boundary.FILLER: (-0.2, 0.6),
    }[boundary]
    if rng.random() < _AMBIGUOUS:
        movement, spread = -0.5, 1.0
    if boundary.is_end:
        stretch, drop = rng.uniform(1.05, 1.35), rng.normal(9.0, 3.0)
    elif boundary is Boundary.FILLER:
        stretch, drop = rng.uniform(1.4, 2.2), rng.normal(0.0, 2.0)
    else:
        stretch, drop = rng.uniform(1.15, 1.7), rng.normal(0.0, 2.0)
    return Contour(float(rng.normal(movement, spread)), float(stretch), float(drop))
