from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
from functools import partial
from pathlib import Path

import httpx
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole
from aiortc.mediastreams import AudioStreamTrack
from websockets.asyncio.client import connect

from tests.agent.server.stubs import run
from turnkit.agent.call import run_call
from turnkit.agent.preset import Preset, read_preset
from turnkit.agent.server import running
from turnkit.agent.server.running import fetch_assets, run_service, secrets_of
from turnkit.agent.server.service import Service
from turnkit.agent.server.serving import serving
from turnkit.agent.stack import Stack
from turnkit.agent.telemetry.logs import open_log
from turnkit.agent.telemetry.observer import Telemetry

FAKE = Path(__file__).resolve().parents[3] / "serve" / "fake.yaml"


def fake_preset() -> Preset:
    return read_preset(FAKE, ["server.limits.loop_lag_s=10"])


def test_a_real_call_over_a_websocket() -> None:
    async def body() -> None:
        log = io.StringIO()
        preset = fake_preset()
        stack = Stack.open(preset)
        await stack.warm()
        service = Service(preset, partial(run_call, stack), Telemetry(open_log(log)), environ={})
        service.calls.warm = True
        async with serving(service) as url:
            address = url.replace("http", "ws", 1) + "/api/stream"
            async with connect(address, proxy=None) as caller:
                hello = json.loads(await caller.recv())
                assert hello["type"] == "hello"
                assert hello["stages"]["llm"]["simulated"] is True
                for _ in range(20):
                    await caller.send(b"\0\0" * 320)
                await caller.send(json.dumps({"type": "hangup"}))
                kinds = set()
                async for frame in caller:
                    if isinstance(frame, str):
                        kinds.add(json.loads(frame)["type"])
                assert "bye" in kinds
            assert len(service.calls) == 0
        await stack.aclose()
        last = json.loads(log.getvalue().splitlines()[-1])
        assert (last["event"], last["result"]) == ("call ended", "ended")

    run(body)


def test_a_real_call_over_webrtc_hears_the_server_stop() -> None:
    async def body() -> None:
        preset = fake_preset()
        stack = Stack.open(preset)
        await stack.warm()
        service = Service(
            preset, partial(run_call, stack), Telemetry(open_log(io.StringIO())), environ={}
        )
        service.calls.warm = True
        caller, heard = RTCPeerConnection(), MediaBlackhole()
        messages: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        channel = caller.createDataChannel("turnkit")
        channel.on("message", lambda text: messages.put_nowait(json.loads(text)))
        caller.addTrack(AudioStreamTrack())
        caller.on("track", heard.addTrack)
        await caller.setLocalDescription(await caller.createOffer())
        async with serving(service) as url:
            content = {"type": "offer", "sdp": caller.localDescription.sdp}
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = (await client.post(f"{url}/api/offer", json=content)).json()
            await caller.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
            await heard.start()
            async with asyncio.timeout(20):
                hello = await messages.get()
            assert (hello["type"], hello["call"]) == ("hello", answer["call"])
        kinds = [messages.get_nowait()["type"] for _ in range(messages.qsize())]
        assert kinds[-1] == "bye"
        await heard.stop()
        await caller.close()
        await stack.aclose()

    run(body)


def test_offers_that_aiortc_cannot_read_are_refused_in_words() -> None:
    async def body() -> None:
        preset = fake_preset()
        service = Service(
            preset,
            partial(run_call, Stack.open(preset)),
            Telemetry(open_log(io.StringIO())),
            environ={},
        )
        service.calls.warm = True
        async with serving(service) as url, httpx.AsyncClient(trust_env=False) as client:
            for sdp in ("", "v=0", "nonsense", "v=0\r\nm=video 9 X 1\r\n", "\0" * 100):
                content = {"type": "offer", "sdp": sdp}
                answer = await client.post(f"{url}/api/offer", json=content)
                assert answer.status_code == 400
                assert answer.json()["error"].startswith("offer")
            assert len(service.calls) == 0

    run(body)


def test_the_address_stands_alone_on_a_line_once_calls_are_answered() -> None:
    async def body() -> None:
        preset = read_preset(FAKE, ["server.port=0", "server.limits.loop_lag_s=10"])
        said: list[str] = []
        address: asyncio.Queue[str] = asyncio.Queue()

        def report(line: str) -> None:
            said.append(line)
            if line.startswith("http"):
                address.put_nowait(line)

        service = asyncio.create_task(run_service(preset, report, environ={}))
        async with asyncio.timeout(30):
            url = await address.get()
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{url}/readyz")).status_code == 200
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(30):
            await service
        assert [line for line in said if re.fullmatch(r"http://127\.0\.0\.1:\d+", line)] == [url]
        assert said[-2:] == [url, "stopping"]
        assert "" not in said

    run(body)


def test_only_what_a_preset_names_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(running, "locate", lambda _: None)
    monkeypatch.setattr(running, "fetch", lambda peer, report: fetched.append(peer.name))  # noqa: ARG005
    fetch_assets(read_preset(FAKE), lambda _: None)
    assert fetched == []
    fetch_assets(read_preset(FAKE, ["shadow=[vad:600, 'smart-turn:repeat']"]), lambda _: None)
    assert fetched == ["smart-turn"]


def test_all_secrets_are_known_to_the_log() -> None:
    preset = read_preset(
        FAKE.with_name("remote.yaml"),
        ["server.ice_servers=[{urls: ['turn:x'], shared_secret_env: TURN_SECRET}]"],
    )
    environ = {"OPENAI_API_KEY": "k", "TURNKIT_TOKEN": "t", "TURN_SECRET": "s", "HOME": "/"}
    assert set(secrets_of(preset, environ)) == {"k", "t", "s"}


def test_secrets_of_nested_engines_and_of_defaults_are_known_to_the_log() -> None:
    remote = "{kind: openai, base_url: 'http://x/v1', model: m, api_key_env: %s}"
    preset = read_preset(
        FAKE,
        [
            "llm={kind: hedged}",
            f"llm.first={remote % 'FIRST_KEY'}",
            f"llm.second={remote % 'SECOND_KEY'}",
            "stt={kind: openai}",
        ],
    )
    environ = {"FIRST_KEY": "1\n", "SECOND_KEY": "2", "OPENAI_API_KEY": "d", "HOME": "/"}
    assert set(secrets_of(preset, environ)) == {"1", "2", "d"}
