"""How long people pause inside a turn, by where they pause: fitted log-normal mixtures.

Far from normal, and of three modes in spontaneous speech: brief (below 0.2 s), medium and
long (above 1 s); thresholds on them mislead (Campione & Véronis, "A large-scale multilingual
study of silent pause duration", Speech Prosody 2002). Hence three log-normal components, for
each kind of place. The parameters in ``pauses.json`` were fitted by ``turnkit data
pauses`` on transcribed meetings; the file holds numbers only, no words.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.errors import ConfigError

MIN_PAUSE_S, MAX_PAUSE_S = 0.1, 5.0
"""What counts as a pause inside a turn: a silence span at least, a hold at most."""

PLACES = ("filler", "repair", "clause", "phrase")
"""Kinds of place: after a filler; after something broken off or about to be said again;
between two clauses; anywhere else."""

_RATES = ("repetitions", "fragments", "pause_after_filler")
"""Rates that scripts are written with."""

_LEAST_SHARE = 0.01
"""Less of a mixture within the range of pauses, and drawing from it would take for ever."""


@dataclass(frozen=True, slots=True)
class LogMixture:
    """Mixture of log-normal components, cut off outside the range of pauses.

    Attributes
    ----------
    weights : tuple of float
        Of the components; they sum to 1.
    medians : tuple of float
        Seconds.
    spreads : tuple of float
        Standard deviations of the logarithm.

    Raises
    ------
    ConfigError
        If the values are none of a mixture, or nearly all of it is outside that range.
    """

    weights: tuple[float, ...]
    medians: tuple[float, ...]
    spreads: tuple[float, ...]

    def __post_init__(self) -> None:
        lengths = {len(self.weights), len(self.medians), len(self.spreads)}
        usable = len(lengths) == 1 and abs(sum(self.weights) - 1.0) < 1e-3
        if not usable or min((*self.medians, *self.spreads, *self.weights)) < 0.0:
            raise ConfigError(
                "pauses: weights, medians and spreads: expected as many of each, none "
                "negative, weights that sum to 1"
            )
        if not self._share() >= _LEAST_SHARE:
            raise ConfigError(
                f"pauses: medians {self.medians}, spreads {self.spreads}: expected some between "
                f"{MIN_PAUSE_S:g} and {MAX_PAUSE_S:g} s"
            )

    def _share(self) -> float:
        """Share of the mixture that lies in the range of pauses."""
        total = 0.0
        for weight, median, spread in zip(self.weights, self.medians, self.spreads, strict=True):
            if median > 0.0:
                low, high = (
                    math.erf(math.log(edge / median) / (max(spread, 1e-9) * math.sqrt(2.0)))
                    for edge in (MIN_PAUSE_S, MAX_PAUSE_S)
                )
                total += weight * 0.5 * (high - low)
        return total

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one pause, in seconds, 0.1 .. 5."""
        while True:
            at, component = rng.random(), 0
            while component < len(self.weights) - 1 and at >= self.weights[component]:
                at -= self.weights[component]
                component += 1
            spread = self.spreads[component] * rng.standard_normal()
            length = self.medians[component] * float(np.exp(spread))
            if MIN_PAUSE_S <= length <= MAX_PAUSE_S:
                return length

    def sample(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw `count` pauses; float64, seconds."""
        return np.array([self.draw(rng) for _ in range(count)], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class PauseModel:
    """What was measured about pauses and disfluencies.

    Attributes
    ----------
    lengths : mapping of str to LogMixture
        By place (`PLACES`).
    rates : mapping of str to float
        See `turnkit.corpus.synthesis.text.fitting.fit`.
    """

    lengths: Mapping[str, LogMixture]
    rates: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Plain content, as ``pauses.json`` has it."""
        return {
            "lengths": {
                place: {
                    "weights": [round(v, 4) for v in mixture.weights],
                    "medians": [round(v, 4) for v in mixture.medians],
                    "spreads": [round(v, 4) for v in mixture.spreads],
                }
                for place, mixture in self.lengths.items()
            },
            "rates": {name: round(value, 4) for name, value in self.rates.items()},
        }


def parse_model(content: Any, where: str) -> PauseModel:
    """Model from plain content.

    Raises
    ------
    ConfigError
        If a place is missing or a value does not fit.
    """
    try:
        lengths = {
            place: LogMixture(
                weights=_normal(content["lengths"][place]["weights"]),
                medians=tuple(map(float, content["lengths"][place]["medians"])),
                spreads=tuple(map(float, content["lengths"][place]["spreads"])),
            )
            for place in PLACES
        }
        rates = {str(name): float(value) for name, value in content["rates"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise ConfigError(
            f"{where}: not parameters of pauses ({error!r}); expected what "
            "'turnkit data pauses --out' writes"
        ) from error
    lacking = [name for name in _RATES if name not in rates]
    if lacking:
        raise ConfigError(f"{where}: rates: expected {lacking[0]} among them")
    return PauseModel(lengths, rates)


def load_model(path: str = "") -> PauseModel:
    """Read fitted parameters.

    Parameters
    ----------
    path : str
        A file written by ``turnkit data pauses --out``; empty for the shipped ones.

    Raises
    ------
    ConfigError
        If the file cannot be read.
    """
    if not path:
        return _shipped()
    try:
        content = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"pauses {path}: cannot be read ({error})") from error
    return parse_model(content, path)


@lru_cache(maxsize=1)
def _shipped() -> PauseModel:
    text = files("turnkit.corpus.synthesis.text").joinpath("pauses.json").read_text()
    return parse_model(json.loads(text), "pauses.json")


def _normal(weights: Any) -> tuple[float, ...]:
    """Weights that were rounded when written sum to 1 again."""
    total = sum(weights)
    return tuple(float(weight) / total for weight in weights)
