"""A run of calls with everything that was measured of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from turnkit.errors import RunError
from turnkit.lab.folder import RunFolder
from turnkit.lab.measuring.measured import MeasuredCall, MeasuredTurn, measure_call
from turnkit.lab.measuring.overlaps import Trial


@dataclass(frozen=True)
class MeasuredRun:
    """A run.

    Attributes
    ----------
    name : str
        Of its folder.
    plan : mapping
        What was asked, of which agent, on which machine.
    calls : tuple of MeasuredCall
    usage : sequence of mapping
        Seconds, CPU seconds, memory in MB and running calls, about once a second; empty
        for an agent that ran elsewhere.
    """

    name: str
    plan: Mapping[str, Any]
    calls: tuple[MeasuredCall, ...]
    usage: Sequence[Mapping[str, float]] = field(default=())

    @property
    def turns(self) -> list[MeasuredTurn]:
        """Turns of all calls, in order."""
        return [turn for call in self.calls for turn in call.turns]

    @property
    def trials(self) -> list[Trial]:
        """What was said over the agent, in all calls."""
        return [trial for call in self.calls for trial in call.trials]

    @property
    def simulated(self) -> list[str]:
        """Stages of the agent that are simulated, by the plan or by what it told."""
        known: list[Mapping[str, Any]] = [call.stages for call in self.calls]
        stages = self.plan.get("stages")
        if isinstance(stages, Mapping):
            known.append(stages)
        found: dict[str, str] = {}
        for each in known:
            for stage, about in each.items():
                if isinstance(about, Mapping) and about.get("simulated"):
                    found[stage] = f"{stage} ({about.get('name', 'unnamed')})"
        return [found[stage] for stage in sorted(found)]


def measure_run(folder: RunFolder) -> MeasuredRun:
    """Measure all finished calls of a run, one at a time.

    Parameters
    ----------
    folder : RunFolder

    Returns
    -------
    MeasuredRun

    Raises
    ------
    RunError
        If a file is missing or damaged; the message names it.
    """
    calls = []
    for recording in folder.calls():
        try:
            calls.append(measure_call(recording))
        except RunError as error:
            raise RunError(f"{folder.path}: call {recording.record.number}: {error}") from error
    return MeasuredRun(folder.path.name, folder.read_plan(), tuple(calls), folder.read_usage())
