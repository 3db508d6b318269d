"""A run of calls from request to recordings, and on from where it was stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from turnkit.errors import ConfigError, RunError
from turnkit.evaluate.machine import Machine, StealClock
from turnkit.lab.agents.opening import is_address, open_agent
from turnkit.lab.folder import RunFolder
from turnkit.lab.records import CallRecord
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
    """Place the calls of a run that are not in its folder yet.

    Parameters
    ----------
    prepared : Prepared
    folder : RunFolder
        New, or of the same request.
    told : callable
        Gets each finished call, and how many turns it had.
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
    if len(folder.finished()) == len(prepared.scripts):
        return
    request, steal = prepared.request, StealClock()
    overrides = () if is_address(request.agent) else (*request.overrides, *request.here)
    async with open_agent(
        request.agent,
        overrides,
        cores=request.cores,
        log=folder.path / AGENT_LOG,
        report=report,
    ) as agent:
        plan["agent"] = await agent.describe()
        folder.write_plan(plan)
        await run_calls(
            prepared.scripts,
            agent,
            folder,
            network=prepared.network,
            callers=request.callers,
            playout_delay_s=request.playout_delay_s,
            ice_servers=_ice_servers(plan["agent"]),
            told=told,
        )
    plan["steal"] = steal.share()
    plan["stages"] = _stages(folder)
    folder.write_plan(plan)


def _begin(prepared: Prepared, folder: RunFolder) -> dict[str, Any]:
    """Write the plan, or see that it is the one that is there."""
    asked = prepared.request.as_dict()
    plan = folder.read_plan()
    if plan:
        before = plan.get("request", {})
        changed = [key for key in asked if before.get(key) != asked[key]]
        if changed:
            key = changed[0]
            raise ConfigError(
                f"{folder.path}: holds another run ({key} {before.get(key)!r}, now "
                f"{asked[key]!r}); name another folder, or the same request to go on with it"
            )
        return plan
    if folder.path.exists() and any(folder.path.iterdir()):
        raise ConfigError(f"{folder.path}: not empty, and no run of calls")
    plan = {
        "request": asked,
        "source": prepared.about,
        "network": None if prepared.network is None else asdict(prepared.network),
        "calls": len(prepared.scripts),
        "turns": sum(script.turns for script in prepared.scripts),
        "expect": list(prepared.expect),
        "machine": asdict(Machine.read()),
    }
    folder.write_plan(plan)
    return plan


def _ice_servers(description: dict[str, Any]) -> list[dict[str, Any]]:
    return list(description.get("ice_servers", []))


def _stages(folder: RunFolder) -> dict[str, Any]:
    """Names of the agent's stages and whether they are simulated, as it told a caller.

    Raises
    ------
    RunError
        If no call came about.
    """
    problems = []
    for recording in folder.calls():
        for _, message in recording.log.messages:
            if message.get("type") == "hello":
                return {"detector": message.get("detector"), **message.get("stages", {})}
        problems.append(recording.record.error or "the agent never said hello")
    raise RunError(f"{folder.path}: no call came about: {problems[-1] if problems else 'none'}")
