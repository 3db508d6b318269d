"""The stand-in, asked by the client that the agent uses."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.stages.llm.running import answer, asking, listen, until
from tests.stages.llm.running import run as run_to_the_end
from turnkit.errors import ConfigError, MissingDependencyError, StageError
from turnkit.lab.services.certificate import write_certificate
from turnkit.lab.services.openai_stub import ChatStub, StubSettings
from turnkit.settings_file import build
from turnkit.stages.llm.opening import open_llm
from turnkit.stages.llm.protocol import LanguageModel
from turnkit.stages.scripting import Delay

NOTHING = dict.fromkeys(("requests", "connections", "finished", "cancelled", "failed", "tokens"), 0)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    threads = threading.active_count()
    result = run_to_the_end(work)
    assert not [each for each in threading.enumerate() if each.name == "stand-in"]
    assert threading.active_count() <= threads
    return result


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)


@asynccontextmanager
async def asked(
    stub: dict[str, Any], **settings: Any
) -> AsyncIterator[tuple[ChatStub, LanguageModel]]:
    reply = {"first_token": "0", "per_token": "0", **stub.pop("reply", {})}
    content = build(StubSettings, {**stub, "reply": reply}, "stub")
    async with ChatStub(content) as served:
        timeouts = dict.fromkeys(
            ("connect_timeout_s", "first_token_timeout_s", "token_timeout_s"), 60.0
        )
        engine = open_llm({**served.llm_settings(), "retries": 0, **timeouts, **settings})
        try:
            yield served, engine
        finally:
            await engine.aclose()


async def replies(engine: LanguageModel, n: int) -> list[str]:
    conversation = engine.open()
    try:
        return [await answer(conversation, asking("Hi there")) for _ in range(n)]
    finally:
        await conversation.aclose()


def test_replies_come_in_pieces_over_one_connection() -> None:
    async def main() -> None:
        async with asked({"reply": {"replies": ["You said: {text}.", "And so on."]}}) as (
            stub,
            engine,
        ):
            assert stub.counts() == NOTHING
            assert engine.simulated
            assert await replies(engine, 3) == [
                "You said: Hi there.",
                "And so on.",
                "You said: Hi there.",
            ]
            counts = stub.counts()
        wanted = {"requests": 3, "connections": 1, "finished": 3, "tokens": 11}
        assert counts == {**NOTHING, **wanted}

    run(main())


@pytest.mark.parametrize("tls", [False, True])
def test_a_connection_per_request(tls: bool) -> None:
    async def main() -> None:
        for keep_alive, connections in ((True, 1), (False, 4)):
            async with asked({"tls": tls}, keep_alive=keep_alive) as (stub, engine):
                assert stub.base_url.startswith("https://" if tls else "http://")
                await engine.warm()
                assert len(await replies(engine, 3)) == 3
                assert stub.counts()["connections"] == connections

    run(main())


def test_a_certificate_that_nobody_vouches_for_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with asked({"tls": True}, ca_file=None) as (stub, engine):
            with pytest.raises(StageError, match="no connection to 127"):
                await replies(engine, 1)
            assert stub.counts() == NOTHING
            assert stub.ca_file is not None
            assert Path(stub.ca_file).with_name("key.pem").stat().st_mode & 0o77 == 0
            monkeypatch.setenv("SSL_CERT_FILE", stub.ca_file)
            trusting = open_llm({**stub.llm_settings(), "ca_file": None})
            assert len(await replies(trusting, 1)) == 1
            await trusting.aclose()
        assert not Path(stub.ca_file).exists()

    run(main())


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("round_trip_ms", [0, 20])
@pytest.mark.parametrize("before", ["first token", "end"])
def test_hanging_up_is_seen_at_once(tls: bool, round_trip_ms: int, before: str) -> None:
    slow = "first_token" if before == "first token" else "per_token"
    stub_settings = {"tls": tls, "round_trip_ms": round_trip_ms, "reply": {slow: "600000"}}

    async def main() -> None:
        async with asked(stub_settings) as (stub, engine):
            conversation = engine.open()
            heard: list[str] = []
            task = asyncio.create_task(listen(conversation, "Hi", heard))
            await until(lambda: bool(heard) or (slow == "first_token" and requests(stub) == 1))
            assert stub.counts()["cancelled"] == 0
            task.cancel()
            await asyncio.wait([task])
            await until(lambda: stub.counts()["cancelled"] == 1)
            counts = stub.counts()
            assert (counts["finished"], counts["tokens"]) == (0, len(heard))
            await conversation.aclose()

    run(main())


def requests(stub: ChatStub) -> int:
    return stub.counts()["requests"]


async def first_token(engine: LanguageModel) -> float:
    """Seconds until it came; the reply is heard to its end."""
    conversation = engine.open()
    began = time.perf_counter()
    async with aclosing(conversation.reply(asking("Hi"))) as pieces:
        await anext(pieces)
        took = time.perf_counter() - began
        async for _ in pieces:
            pass
    await conversation.aclose()
    return took


@pytest.mark.parametrize("tls", [False, True])
def test_nothing_is_held_back(tls: bool) -> None:
    """Nagle's algorithm and delayed acknowledgements would cost 40 ms each time."""

    async def main() -> None:
        async with asked({"tls": tls}) as (_, engine):
            await engine.warm()
            assert min([await first_token(engine) for _ in range(20)]) < 0.030

    run(main())


def test_who_hangs_up_before_asking_is_counted() -> None:
    async def main() -> None:
        async with asked({}) as (stub, engine):
            port = int(stub.base_url.rpartition(":")[2].partition("/")[0])
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
            writer.write(head.encode())
            await until(lambda: requests(stub) == 1)
            writer.close()
            await writer.wait_closed()
            await until(lambda: stub.counts()["cancelled"] == 1)
            assert len(await replies(engine, 1)) == 1

    run(main())


def test_times_are_those_of_the_script_and_the_distance() -> None:
    async def main() -> None:
        reply = {"first_token": "100"}
        async with asked({"reply": reply, "round_trip_ms": 60, "tls": True}) as (stub, engine):
            fresh = await first_token(engine)
            kept = min([await first_token(engine) for _ in range(3)])
            assert stub.counts()["connections"] == 1
        # TCP and TLS 1.3 take a round trip each, and so does the request.
        assert kept >= 0.160
        assert fresh >= 0.280
        assert kept < fresh

    run(main())


@pytest.mark.parametrize(
    ("fault", "heard", "message"),
    [
        ({"kind": "error"}, "", r"answered 500: .*scripted error \(simulated\)"),
        ({"kind": "error", "after": 2}, "You said: ", r"failed in its answer: scripted error"),
    ],
)
def test_faults(fault: dict[str, Any], heard: str, message: str) -> None:
    async def main() -> None:
        async with asked({"reply": {"fault": fault}}) as (stub, engine):
            conversation = engine.open()
            pieces: list[str] = []
            with pytest.raises(StageError, match=message):
                await listen(conversation, "Hi", pieces)
            assert "".join(pieces) == heard
            assert stub.counts()["failed"] == 1
            await conversation.aclose()
            assert len(await replies(engine, 1)) == 1

    run(main())


def test_a_hedged_request_cancels_the_slow_one_at_the_service() -> None:
    tail = "tail:5:0:0.5:600000"

    def slow_then_quick(seed: int) -> bool:
        delay = Delay(tail, seed)
        return delay.draw_ms() > 1000 > delay.draw_ms()

    async def main() -> None:
        seed = next(filter(slow_then_quick, range(100)))
        async with asked({"reply": {"first_token": tail, "seed": seed}}) as (stub, _):
            first = {**stub.llm_settings(), "first_token_timeout_s": 600.0}
            hedged = open_llm({"kind": "hedged", "delay_ms": 20, "first": first})
            assert hedged.simulated
            conversation = hedged.open()
            assert await answer(conversation, asking("Hi")) == "You said: Hi."
            assert conversation.take_counts() == {"hedges": 1, "hedge_wins": 1}
            await until(lambda: stub.counts()["cancelled"] == 1)
            wanted = {"requests": 2, "connections": 2, "finished": 1, "cancelled": 1}
            assert stub.counts() == {**NOTHING, **wanted, "tokens": 3}
            await conversation.aclose()
            await hedged.aclose()

    run(main())


@pytest.mark.parametrize(
    "content",
    [b"no json", b"[]", b"{}", b'{"messages": 3}', b'{"messages": []}', b'{"messages": [{}]}'],
)
def test_what_is_no_request_is_refused(content: bytes) -> None:
    async def main() -> None:
        async with ChatStub() as stub, httpx.AsyncClient(trust_env=False) as client:
            response = await client.post(f"{stub.base_url}/chat/completions", content=content)
            assert response.status_code == 400
            assert json.loads(response.content)["error"]["message"]
            assert (await client.get(f"{stub.base_url}/models")).status_code == 404

    run(main())


def test_callers_are_not_held_up() -> None:
    async def main() -> None:
        async with ChatStub(), ChatStub() as stub:
            # Its loop is another: this one goes on even if nobody lets it.
            time.sleep(0.2)
            async with httpx.AsyncClient(trust_env=False) as client:
                assert (await client.get(stub.base_url)).status_code == 404

    run(main())


def test_settings_and_missing_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"stub\.round_trip_ms -1"):
        build(StubSettings, {"round_trip_ms": -1.0}, "stub")
    certificate, _ = write_certificate(tmp_path)
    ssl.create_default_context(cafile=certificate)

    async def main() -> None:
        with pytest.raises(MissingDependencyError, match="cryptography"):
            async with ChatStub(StubSettings(tls=True)):
                pass

    monkeypatch.setitem(__import__("sys").modules, "cryptography", None)
    run(main())
