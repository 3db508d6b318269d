"""A run of calls with everything that was measured of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from turnkit.errors import RunError
from turnkit.lab.folder import RunFolder
from turnkit.lab.measuring.doubts import incomplete
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
        """What is simulated: stages of the agent, by the plan or what it told; the network."""
        known: list[Mapping[str, Any]] = [call.stages for call in self.calls]
        stages = self.plan.get("stages")
        if isinstance(stages, Mapping):
            known.append(stages)
        found: dict[str, str] = {}
        for each in known:
            for stage, about in each.items():
                if isinstance(about, Mapping) and about.get("simulated"):
                    found[stage] = f"{stage} ({about.get('name', 'unnamed')})"
        stages_found = [found[stage] for stage in sorted(found)]
        network = self.plan.get("network")
        if not network:
            return stages_found
        name = network.get("name", "unnamed") if isinstance(network, Mapping) else network
        return [*stages_found, f"network ({name})"]

    @property
    def incomplete(self) -> str | None:
        """In words, if fewer calls are finished than were planned."""
        return incomplete(self.plan, len(self.calls))

    @property
    def seed(self) -> int | None:
        """The seed of its calls, as far as the plan has it."""
        request = self.plan.get("request")
        seed = request.get("seed") if isinstance(request, Mapping) else None
        return seed if isinstance(seed, int) else None


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
