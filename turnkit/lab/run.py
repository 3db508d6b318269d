"""A run of calls from request to recordings, and on from where it was stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from turnkit.errors import ConfigError, RunError
from turnkit.evaluate.machine import StealClock
from turnkit.lab.agents.agent import Agent
from turnkit.lab.agents.opening import is_address, open_agent
from turnkit.lab.folder import RunFolder
from turnkit.lab.identity import check_same, check_same_agent, described, plan_of
from turnkit.lab.records import AgentLog, CallRecord, CallRecording
from turnkit.lab.request import Prepared
from turnkit.lab.running import run_calls

AGENT_LOG = "agent.log"


async def run(
    prepared: Prepared,
    folder: RunFolder,
    *,
    told: Callable[[CallRecord, int], object] = lambda _record, _turns: None,
    report: Callable[[str], None] = lambda _: None,
) -> None:
    """Place the calls of a run that did not come about yet.

    Parameters
    ----------
    prepared : Prepared
    folder : RunFolder
        New, or of the same run.
    told : callable
        Gets each finished call once it is kept, and how many turns it had.
    report : callable
        Told in a line what a served agent says while it gets ready.

    Raises
    ------
    ConfigError
        If the folder holds another run, or the agent refuses its preset.
    CallError
        If the agent cannot be called.
    RunError
        If not one call came about.
    """
    plan = _begin(prepared, folder)
    if len(folder.came_about()) < len(prepared.scripts):
        await _call(prepared, _Sitting(folder, plan), told, report)
    _check(folder, plan)


async def _call(
    prepared: Prepared,
    sitting: _Sitting,
    told: Callable[[CallRecord, int], object],
    report: Callable[[str], None],
) -> None:
    """Open the agent and place the calls that are left."""
    request, folder = prepared.request, sitting.folder
    overrides = () if is_address(request.agent) else (*request.overrides, *request.here)
    async with open_agent(
        request.agent,
        overrides,
        cores=request.cores,
        log=folder.path / AGENT_LOG,
        report=report,
    ) as agent:
        description = await agent.describe()
        sitting.meet(description)
        try:
            await run_calls(
                prepared.scripts,
                agent,
                folder,
                network=prepared.network,
                callers=request.callers,
                playout_delay_s=request.playout_delay_s,
                ice_servers=Agent.ice_servers(description),
                kept=sitting.keep,
                told=told,
            )
        finally:
            sitting.write()


class _Sitting:
    """One go at a run: what is known of it is in its plan as soon as it is known."""

    def __init__(self, folder: RunFolder, plan: dict[str, Any]) -> None:
        self.folder = folder
        self._plan = plan
        self._steal = StealClock()
        self._before = [each for each in plan.get("steals", []) if each is not None]
        self._lock = threading.RLock()

    def meet(self, description: Mapping[str, Any]) -> None:
        """Note what the agent is, or see that it is the one of before."""
        known = described(description)
        if "agent" in self._plan:
            check_same_agent(self.folder, self._plan["agent"], known)
        self._plan["agent"] = known
        self.write()

    def keep(self, recording: CallRecording) -> None:
        """Note what a call told of the agent's stages; called by threads."""
        stages = _stages(recording.log)
        with self._lock:
            if stages is not None:
                self._plan.setdefault("stages", stages)
            self.write()

    def write(self) -> None:
        """Write the plan, with the time that went to other machines so far."""
        with self._lock:
            share = self._steal.share()
            if share is not None:
                self._plan["steals"] = [*self._before, share]
            self._plan["steal"] = max(self._plan.get("steals", []), default=None)
            self.folder.write_plan(self._plan)


def _begin(prepared: Prepared, folder: RunFolder) -> dict[str, Any]:
    """Make the plan, or see that it is the one that is there.

    It is written once the agent answered: a preset that is refused, which may hold a key,
    leaves no trace, and a slip of the pen does not take the folder.
    """
    if folder.path.exists() and not folder.path.is_dir():
        raise ConfigError(f"{folder.path}: a file; expected a folder for the run")
    plan, asked = folder.read_plan(), plan_of(prepared)
    if plan:
        check_same(folder, plan, asked)
        return plan
    if folder.path.exists() and any(each.name != AGENT_LOG for each in folder.path.iterdir()):
        raise ConfigError(f"{folder.path}: not empty, and no run of calls")
    return asked


def _check(folder: RunFolder, plan: dict[str, Any]) -> None:
    """See that a call came about, and that it is known with whom.

    Raises
    ------
    RunError
        If not: no figure of such a run says anything.
    """
    came_about = folder.came_about()
    if not came_about:
        problems = [folder.read_record(number).error for number in folder.finished()]
        raise RunError(f"{folder.path}: no call came about: {problems[-1] if problems else 'none'}")
    if "stages" in plan:
        return
    for number in came_about:  # a run that was stopped before its plan told
        stages = _stages(folder.read_log(number))
        if stages is not None:
            plan["stages"] = stages
            folder.write_plan(plan)
            return
    raise RunError(f"{folder.path}: no call came about: the agent never said hello")


def _stages(log: AgentLog) -> dict[str, Any] | None:
    """Names of the agent's stages and whether they are simulated, as it told a caller."""
    for _, message in log.messages:
        if message.get("type") == "hello":
            stages = message.get("stages")
            told = {
                "detector": message.get("detector"),
                **(stages if isinstance(stages, dict) else {}),
            }
            # A foreign agent may say anything; what is no description cannot be read later.
            return {k: v for k, v in told.items() if isinstance(v, dict | None)}
    return None
