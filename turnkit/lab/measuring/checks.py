"""What must hold of a run, as an expression: ``v2v_p90 <= 800ms``.

``NAME OP NUMBER[UNIT]``: a name of `turnkit.lab.measuring.figures.NAMES`; one of ``<``,
``<=``, ``>``, ``>=``, ``==``; and a unit: none, ``ms`` for times, ``%`` for rates, or
``x``, times the value of a reference run.

A percentile that falls on a turn that was never answered, or an interruption that was
never obeyed, is larger than every number; two such cannot be told apart.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from turnkit.errors import ConfigError
from turnkit.lab.measuring.figures import NAMES, RATES, TIMES

Figures = Mapping[str, Mapping[str, Any]]
"""``figures`` of `turnkit.lab.measuring.figures.describe`."""

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}

_FORM = "NAME OP NUMBER[UNIT], such as 'v2v_p90 <= 800ms' or 'false_interruption_rate < 5%'"
_PATTERN = re.compile(
    r"\s*(?P<name>\w+)\s*(?P<op><=|>=|==|<|>)\s*(?P<number>-?\d+(\.\d+)?|-?\.\d+)\s*"
    r"(?P<unit>[A-Za-z%]*)\s*"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a check.

    Attributes
    ----------
    holds : bool or None
        None if the figure is not known, or there is nothing to compare with.
    text : str
        Why, in one line.
    """

    holds: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Check:
    """A comparison of a figure with a number; made by `parse_check`.

    Attributes
    ----------
    name, op : str
    number : float
        In the figure's own unit: a rate's percent are a share here.
    unit : str
        ``""``, ``"ms"``, ``"%"`` or ``"x"``.
    """

    name: str
    op: str
    number: float
    unit: str = ""

    @property
    def relative(self) -> bool:
        """Whether it needs a reference run."""
        return self.unit == "x"

    def __str__(self) -> str:
        number = self.number * 100 if self.unit == "%" else self.number
        return f"{self.name} {self.op} {number:g}{self.unit}"

    def judge(self, figures: Figures, reference: Figures | None = None) -> Verdict:
        """Hold a run's figures against it.

        Parameters
        ----------
        figures : mapping
            As in a description's ``figures``.
        reference : mapping, optional
            Those of the run that ``x`` refers to.

        Returns
        -------
        Verdict
        """
        figure = figures.get(self.name)
        if figure is None:
            return Verdict(None, f"{self}: {self.name} is not known of this run")
        value, limit = value_of(figure), self.number
        if value is None:
            return Verdict(None, f"{self}: {self.name} is not known of this run")
        against = ""
        if self.relative:
            other = None if reference is None else reference.get(self.name)
            than = None if other is None else value_of(other)
            if than is None:
                return Verdict(None, f"{self}: no run to compare {self.name} with")
            if math.isinf(than) and math.isinf(value):
                return Verdict(None, f"{self}: {self.name} is 'never' in both runs")
            limit = than if math.isinf(than) else limit * than
            against = f", {self.number:g} x {self._show(than)}"
        holds = OPERATORS[self.op](value, limit)
        said = "holds" if holds else "does not hold"
        return Verdict(holds, f"{self}: {said} ({self._show(value)}{self._range(figure)}{against})")

    def _show(self, value: float) -> str:
        if math.isinf(value):
            return "never"
        if self.name in RATES:
            return f"{value:.1%}"
        return f"{value:.0f} ms" if self.name in TIMES else f"{value:.4g}"

    def _range(self, figure: Mapping[str, Any]) -> str:
        low, high = figure.get("low"), figure.get("high")
        if low is None:
            return ""
        return f", 95 % {self._show(low)} .. {self._show(math.inf if high is None else high)}"


def value_of(figure: Mapping[str, Any]) -> float | None:
    """Value of a described figure: infinite if it is censored, None if it is not known."""
    if figure.get("censored"):
        return math.inf
    value = figure.get("value")
    return None if value is None else float(value)


def parse_check(text: str) -> Check:
    """Read an expression.

    Parameters
    ----------
    text : str

    Returns
    -------
    Check

    Raises
    ------
    ConfigError
        If it is none, the name is unknown, or the unit does not fit the figure.
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ConfigError(f"check {text!r}: expected {_FORM}")
    name, unit = match["name"], match["unit"]
    if name not in NAMES:
        near = get_close_matches(name, NAMES, n=4, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"known are {', '.join(NAMES)}"
        raise ConfigError(f"check {text!r}: no figure {name!r}; {hint}")
    allowed = ("", "x") + (("ms",) if name in TIMES else ()) + (("%",) if name in RATES else ())
    if unit not in allowed:
        units = ", ".join(each or "none" for each in allowed)
        raise ConfigError(f"check {text!r}: unit {unit!r} of {name}: expected one of {units}")
    number = float(match["number"])
    return Check(name, match["op"], number / 100 if unit == "%" else number, unit)
