"""Language models elsewhere: hedged requests, and connections that are kept."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from turnkit.lab.experiments.experiment import (
    Condition,
    Experiment,
    Options,
    Results,
    in_words,
    request,
    saved,
    value,
)

if TYPE_CHECKING:
    from turnkit.lab.concluding import Conclusion
    from turnkit.lab.services.openai_stub import ChatStub

ENOUGH = "--turns 1000 shows a P99"

TAIL = "tail:120:0.3:0.05:1500"
"""First token: lognormal about 120 ms, and one in twenty 1.5 s later (chosen, simulated)."""

ROUND_TRIP_MS = 80.0
"""Distance of the service in the experiment about connections (chosen, simulated)."""


_ANYWHERE = {"kind": "openai", "base_url": "http://stand-in.invalid/v1", "simulated": True}
"""Settings of a stand-in as they are kept: its address is another one every time."""


def _address(stub: ChatStub) -> dict[str, str]:
    settings = stub.llm_settings()
    return {key: json.dumps(settings[key]) for key in ("base_url", "ca_file", "model")}


def _there(services: Mapping[str, str], where: str = "llm") -> tuple[str, ...]:
    """Name the stand-in of this moment."""
    return tuple(f"{where}.{key}={value}" for key, value in services.items())


@asynccontextmanager
async def _slow_service(options: Options) -> AsyncIterator[dict[str, str]]:
    from turnkit.lab.services.openai_stub import ChatStub, StubSettings
    from turnkit.stages.llm.fake import FakeLlmSettings

    reply = FakeLlmSettings(("Sure.",), first_token=TAIL, seed=options.seed)
    async with ChatStub(StubSettings(reply)) as stub:
        yield _address(stub)


@asynccontextmanager
async def _distant_service(options: Options) -> AsyncIterator[dict[str, str]]:
    from turnkit.lab.services.openai_stub import ChatStub, StubSettings
    from turnkit.stages.llm.fake import FakeLlmSettings

    reply = FakeLlmSettings(("Sure.",), first_token="120", seed=options.seed)
    settings = StubSettings(reply, tls=True, round_trip_ms=ROUND_TRIP_MS)
    async with ChatStub(settings) as stub:
        yield _address(stub)


def _hedging(options: Options, services: Mapping[str, str]) -> list[Condition]:
    alone = request(options, f"llm={json.dumps(_ANYWHERE)}", here=_there(services))
    found = [Condition("one request", alone)]
    for delay_ms in (200, 400):
        hedged = {"kind": "hedged", "delay_ms": delay_ms, "first": _ANYWHERE}
        here = _there(services, "llm.first")
        wanted = request(options, f"llm={json.dumps(hedged)}", here=here)
        found.append(Condition(f"second after {delay_ms} ms", wanted))
    return found


def _connections(options: Options, services: Mapping[str, str]) -> list[Condition]:
    found = []
    for name, kept in (("a connection a request", False), ("kept", True)):
        settings = json.dumps(_ANYWHERE | {"keep_alive": kept})
        wanted = request(options, f"llm={settings}", here=_there(services))
        found.append(Condition(name, wanted))
    return found


def _say_hedging(results: Results) -> list[str]:
    lines, alone = [], results.get("one request")
    for name, conclusion in results.items():
        if alone is None or conclusion is alone:
            continue
        if value(alone, "post_commit_p99") is None:
            lines.append(f"{name}: one turn in twenty is slow, too few turns to see it: {ENOUGH}")
            continue
        before, after = (_with_interval(each, "post_commit_p99") for each in (alone, conclusion))
        asked, won, turns = (value(conclusion, e) or 0 for e in ("hedges", "hedge_wins", "turns"))
        lines.append(
            f"{name}: post-commit P99 {before} -> {after} ms, for {asked:.0f} more requests in "
            f"{turns:.0f} turns, of which {won:.0f} won"
        )
    return lines


def _with_interval(conclusion: Conclusion, name: str) -> str:
    found = conclusion.figures[name]
    shown = "-" if found.get("value") is None else f"{found['value']:.0f}"
    if found.get("low") is None or found.get("high") is None:
        return shown
    return f"{shown} [{found['low']:.0f} .. {found['high']:.0f}]"


def _say_connections(results: Results) -> list[str]:
    less = saved(results, "a connection a request", "kept", "post_commit_ms")
    return [] if less is None else [f"kept connections save {in_words(less)}, of post-commit delay"]


_COLUMNS = ("turns", "v2v_p50", "v2v_p90", "v2v_p99", "v2v_max", "post_commit_p50",
            "post_commit_p90", "post_commit_p99", "llm_p50", "llm_p90")  # fmt: skip

HEDGING = Experiment(
    "hedging",
    "What does a second request do for the slowest turns of a language model elsewhere?",
    _hedging,
    (*_COLUMNS, "hedges", "hedge_wins", "hedge_tokens", "tokens"),
    drawn=("post_commit_p50", "post_commit_p90", "v2v_p90"),
    services=_slow_service,
    say=_say_hedging,
    notes=(f"the language model's delays are simulated: {TAIL}",),
)
CONNECTIONS = Experiment(
    "connections",
    "What does a connection of its own cost each request?",
    _connections,
    _COLUMNS,
    drawn=("llm_p50", "post_commit_p50", "v2v_p50"),
    services=_distant_service,
    say=_say_connections,
    notes=(
        f"the language model is simulated; TLS is real, the round trip of {ROUND_TRIP_MS:.0f} ms "
        "and TCP's handshake are a relay's",
    ),
)
