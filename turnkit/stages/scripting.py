"""Scripted timing and faults, for the fakes of every stage.

A fake is a product feature: it lets an application test what its users will feel when a
service is slow or fails, and lets a measurement put a stated delay in a stage's place.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnkit.errors import ConfigError, StageError

_LONGEST_MS = 3_600_000.0
"""An hour: longer than any call."""

_LARGEST_SIGMA = 5.0
"""Of a logarithm: beyond it a draw in a hundred is a hundred thousand times the median."""

FaultKind = Literal["none", "die", "hang", "error", "garbage"]
"""What can go wrong: ending without a word, never answering, an error, or nonsense."""


class Delay:
    """A delay in milliseconds, constant or drawn.

    Parameters
    ----------
    spec : str or float
        ``75`` or ``"75"``: always that. ``"uniform:50:100"``. ``"lognormal:180:0.4"``:
        median 180, sigma 0.4 of its logarithm. ``"tail:120:0.3:0.05:1500"``: lognormal
        with median 120 and sigma 0.3, and 1500 more with a chance of 0.05, which is how
        a service looks whose replies now and then wait in a queue.
    seed : int

    Raises
    ------
    ConfigError
        If the spec is none of these, a number is negative, a time longer than an hour, or
        sigma larger than 5.
    """

    def __init__(self, spec: str | float, seed: int = 0) -> None:
        self.spec = str(spec)
        self._random = np.random.default_rng(seed)
        name, *numbers = self.spec.split(":")
        try:
            if not numbers:
                name, numbers = "constant", [name]
            values = [float(number) for number in numbers]
        except ValueError:
            values = []
        wanted = {"constant": 1, "uniform": 2, "lognormal": 2, "tail": 4}.get(name)
        if len(values) != wanted or any(not 0 <= v < math.inf for v in values):
            raise ConfigError(
                f"delay {self.spec!r}: expected milliseconds, uniform:LOW:HIGH, "
                "lognormal:MEDIAN:SIGMA or tail:MEDIAN:SIGMA:CHANCE:MORE"
            )
        self._name, self._values = name, values
        times = values if name in ("constant", "uniform") else [values[0], *values[3:]]
        if any(time > _LONGEST_MS for time in times):
            raise ConfigError(f"delay {self.spec!r}: expected {_LONGEST_MS:.0f} ms at most")
        if name in ("lognormal", "tail") and values[1] > _LARGEST_SIGMA:
            raise ConfigError(f"delay {self.spec!r}: expected a sigma of 0 .. {_LARGEST_SIGMA:g}")
        if name == "uniform" and values[0] > values[1]:
            raise ConfigError(f"delay {self.spec!r}: the lower end comes first")
        if name == "tail" and values[2] > 1:
            raise ConfigError(f"delay {self.spec!r}: expected a chance of 0 .. 1")

    def draw_ms(self) -> float:
        """Next delay in milliseconds."""
        if self._name == "constant":
            return self._values[0]
        if self._name == "uniform":
            return float(self._random.uniform(self._values[0], self._values[1]))
        usual = self._values[0] * math.exp(self._values[1] * self._random.standard_normal())
        if self._name == "tail" and self._random.random() < self._values[2]:
            usual += self._values[3]
        return float(usual)

    async def wait(self) -> None:
        """Sleep for the next delay."""
        await asyncio.sleep(self.draw_ms() / 1000)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong at a stated call of a fake.

    Attributes
    ----------
    kind : str
        ``"die"`` ends without a word, ``"hang"`` never answers, ``"error"`` raises,
        ``"garbage"`` gives nonsense; ``"none"`` leaves all well.
    call : int
        The call, counted from 1, at which it happens.
    after : int
        Pieces (tokens, words or pieces of audio) that still come before it.
    lasting : bool
        Whether every later call fails, too.
    """

    kind: FaultKind = "none"
    call: int = 1
    after: int = 0
    lasting: bool = False

    def __post_init__(self) -> None:
        if self.call < 1 or self.after < 0:
            raise ConfigError("fault.call, fault.after: expected at least 1 and 0")

    def strikes(self, call: int) -> bool:
        """Whether the fault belongs to call number `call`, counted from 1."""
        return self.kind != "none" and (call == self.call or (self.lasting and call > self.call))

    async def strike(self, stage: str) -> None:
        """Hang or raise; returns for the kinds that a stage acts out itself."""
        if self.kind == "hang":
            await asyncio.Event().wait()
        if self.kind == "error":
            raise StageError(stage, "scripted error (simulated)")
