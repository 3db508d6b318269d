"""What was run, in words, and what of it was simulated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from turnkit.lab.measuring.doubts import doubts

STAGES = ("stt", "llm", "tts")


def simulated_stages(plan: Mapping[str, Any]) -> list[str]:
    """Name the stages of a run that are fakes with injected delays."""
    stages = plan.get("stages") or {}
    return [name for name in STAGES if (stages.get(name) or {}).get("simulated")]


def simulated_spans(plan: Mapping[str, Any]) -> list[str]:
    """Name the spans in which something was injected: stages, and a network's two ways."""
    ways = ["uplink", "downlink"] if plan.get("network") else []
    return [*simulated_stages(plan), *ways]


def marks_of(plan: Mapping[str, Any]) -> list[str]:
    """Write the badges that say at once what was not real."""
    marks = []
    stages = simulated_stages(plan)
    if stages:
        marks.append(f"SIMULATED: {', '.join(name.upper() for name in stages)}")
    network = plan.get("network") or {}
    if network:
        marks.append(f"SIMULATED: network {network.get('name', '')}".rstrip())
    if (plan.get("source") or {}).get("synthetic"):
        marks.append("synthetic speech")
    return marks


def title_of(plan: Mapping[str, Any]) -> str:
    """Write what a run is called: whom it called about what."""
    source = plan.get("source") or {}
    about = source.get("scenario") or source.get("corpus") or "calls"
    agent = (plan.get("request") or {}).get("agent")
    return f"{about} → {agent}" if agent else str(about)


def head_of(plan: Mapping[str, Any], found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Write the facts that a report opens with."""
    source, request = plan.get("source") or {}, plan.get("request") or {}
    machine, figures = plan.get("machine") or {}, found.get("figures") or {}
    kind = "Scenario" if source.get("scenario") else "Corpus"
    name = str(source.get("scenario") or source.get("corpus") or "unknown")
    about = source.get("about") or (f"{source['rows']} rows" if source.get("rows") else "")
    lines = [
        (kind, f"{name}: {about}" if about else name),
        ("Agent", " ".join([str(request.get("agent", "unknown")), *request.get("overrides", ())])),
        *_stage_lines(plan),
        ("Network", _network(plan)),
        ("Listener", f"buffer of {1000 * request.get('playout_delay_s', 0):.0f} ms"),
        (
            "Calls",
            f"{_count(figures, 'turns')} turns in {_count(figures, 'calls')} calls, "
            f"{request.get('callers', 1)} at a time, seed {request.get('seed', 0)}",
        ),
    ]
    if machine:
        cores = request.get("cores")
        bound = f", the agent on cores {', '.join(map(str, cores))}" if cores else ""
        lines.append(
            (
                "Machine",
                f"{machine.get('cpu')}, {machine.get('cores')} cores{bound}; "
                f"{machine.get('system')}, Python {machine.get('python')}, "
                f"turnkit {machine.get('turnkit')}",
            )
        )
    steal = plan.get("steal")
    lines.append(("CPU steal", "unknown" if steal is None else f"{100 * steal:.1f} %"))
    return lines


def _stage_lines(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    stages = plan.get("stages") or {}
    if not stages:
        return []
    simulated = simulated_stages(plan)
    parts = [
        f"{name.upper()} {_plain((stages.get(name) or {}).get('name', 'unknown'))}"
        + (" (SIMULATED)" if name in simulated else "")
        for name in STAGES
        if name in stages
    ]
    detector = stages.get("detector") or {}
    settings = ", ".join(
        f"{key.removesuffix('_s').replace('_', ' ')} {value:g}{' s' if key.endswith('_s') else ''}"
        for key, value in detector.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    )
    named = str(detector.get("name", "unknown"))
    lines = [("Detector", f"{named} ({settings})" if settings else named)]
    return [*lines, ("Stages", ", ".join(parts))] if parts else lines


def _plain(name: str) -> str:
    """Take away what a stage says of itself: the mark beside it says it louder."""
    return str(name).replace("(simulated)", "").strip()


def _network(plan: Mapping[str, Any]) -> str:
    network = plan.get("network")
    if not network:
        return "none between caller and agent"
    about = network.get("about") or network.get("description") or ""
    name = str(network.get("name", "profile"))
    return f"{name} (SIMULATED){f': {about}' if about else ''}"


def _count(figures: Mapping[str, Any], name: str) -> str:
    value = (figures.get(name) or {}).get("value")
    return "?" if value is None else f"{value:.0f}"


def cautions_of(plan: Mapping[str, Any], figures: Mapping[str, Any]) -> list[str]:
    """Say why figures of a run are to be read with care, a line each."""
    return [f"{line[0].upper()}{line[1:]}." for line in doubts(plan, figures)]
