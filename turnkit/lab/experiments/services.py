"""Language models elsewhere: hedged requests, and connections that are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from turnkit.lab.experiments.experiment import (
    Condition,
    Experiment,
    Options,
    Results,
    difference,
    request,
    value,
)

TAIL = "tail:120:0.3:0.05:1500"
"""First token: lognormal about 120 ms, and one in twenty 1.5 s later (chosen, simulated)."""

ONE_WAY_MS = 40.0
"""Distance of the service in the experiment about connections (chosen, simulated)."""


@asynccontextmanager
async def _slow_service(options: Options) -> AsyncIterator[dict[str, str]]:
    from turnkit.lab.services.openai_stub import ChatStub, ChatStubSettings

    async with ChatStub(ChatStubSettings(first_token=TAIL, seed=options.seed)) as stub:
        yield {"base_url": stub.base_url}


@asynccontextmanager
async def _distant_service(options: Options) -> AsyncIterator[dict[str, str]]:
    from turnkit.lab.network.tcp import TcpRelay
    from turnkit.lab.services.openai_stub import ChatStub, ChatStubSettings

    settings = ChatStubSettings(first_token="120", seed=options.seed, tls=True)
    async with (
        ChatStub(settings) as stub,
        TcpRelay("127.0.0.1", stub.port, ONE_WAY_MS) as relay,
    ):
        url = f"https://127.0.0.1:{relay.port}/v1"
        yield {"base_url": url, "ca_file": str(stub.ca_file)}


def _remote(services: Mapping[str, str], prefix: str = "llm.") -> tuple[str, ...]:
    return (
        f"{prefix}kind=openai",
        f"{prefix}model=stub",
        *(f"{prefix}{key}={text}" for key, text in services.items()),
    )


def _hedging(options: Options, services: Mapping[str, str]) -> list[Condition]:
    found = [Condition("one request", request(options, "llm=null", *_remote(services)))]
    for delay_ms in (200, 400):
        sets = ("llm=null", "llm.kind=hedged", f"llm.delay_ms={delay_ms}")
        wanted = request(options, *sets, *_remote(services, "llm.first."))
        found.append(Condition(f"second after {delay_ms} ms", wanted))
    return found


def _connections(options: Options, services: Mapping[str, str]) -> list[Condition]:
    return [
        Condition(name, request(options, "llm=null", *_remote(services), f"llm.keep_alive={kept}"))
        for name, kept in (("a connection a request", "false"), ("kept", "true"))
    ]


def _say_hedging(results: Results) -> list[str]:
    lines, alone = [], results["one request"]
    for name, conclusion in results.items():
        if conclusion is alone:
            continue
        asked, won = (value(conclusion, each) for each in ("hedges", "hedge_wins"))
        turns = value(conclusion, "turns")
        tail = "v2v_p99" if value(conclusion, "v2v_p99") is not None else "v2v_max"
        saved = difference(results, "one request", name, tail)
        if None not in (asked, won, turns, saved):
            lines.append(
                f"{name}: {saved:.0f} ms less of {tail}, for {asked:.0f} more requests in "
                f"{turns:.0f} turns, of which {won:.0f} won"
            )
    return lines


def _say_connections(results: Results) -> list[str]:
    saved = difference(results, "a connection a request", "kept", "post_commit_p50")
    return [] if saved is None else [f"kept connections save {saved:.0f} ms of post-commit P50"]


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
        f"the language model is simulated; TLS is real, the distance of {ONE_WAY_MS:.0f} ms one "
        "way and TCP's handshake are a relay's",
    ),
)
