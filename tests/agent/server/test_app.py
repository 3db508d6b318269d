from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.agent.server.stubs import OFFER, TOKEN, Served, run, served
from turnkit.agent.server.pages import KINDS, WEB
from turnkit.agent.server.shield import HEADERS

GUARDED = {"TURNKIT_TOKEN": TOKEN}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def web(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>page</title>")
    (folder / "app.js").write_text("export const x = 1;")
    (folder / "__init__.py").write_text("SECRET = 1")
    (folder / ".hidden.js").write_text("hidden")
    (tmp_path / "outside.js").write_text("outside")
    (folder / "link.js").symlink_to(tmp_path / "outside.js")
    return folder


def test_page_and_modules_come_with_safe_headers_and_an_etag(web: Path) -> None:
    async def body() -> None:
        async with served(web=web) as it:
            page = await it.client.get("/")
            assert page.status_code == 200
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            for name, value in HEADERS.items():
                assert page.headers[name] == value
            assert "server" not in page.headers
            module = await it.client.get("/static/app.js")
            assert module.headers["content-type"] == "text/javascript; charset=utf-8"
            known = {"If-None-Match": module.headers["etag"]}
            again = await it.client.get("/static/app.js", headers=known)
            assert again.status_code == 304
            assert again.headers["X-Content-Type-Options"] == "nosniff"

    run(body)


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static",
        "/static/__init__.py",
        "/static/.hidden.js",
        "/static/link.js",
        "/static/../outside.js",
        "/static/%2e%2e/outside.js",
        "/static/..%2foutside.js",
        "/static/..%5coutside.js",
        "/static//etc/passwd",
        "/static/%2fetc/passwd.js",
        "/static/app.js%00.html",
        "/static/" + "a" * 3000 + ".js",
        "/outside.js",
        "/static/app.js/x.js",
    ],
)
def test_a_client_can_name_no_path(web: Path, path: str) -> None:
    async def body() -> None:
        async with served(web=web) as it:
            status, text = await raw(it, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n")
            assert status in {404, 400}
            assert "outside" not in text
            assert "SECRET" not in text

    run(body)


def test_the_real_page_fits_its_policy() -> None:
    text = (WEB / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", text)
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//[^"']*""", text)

    async def body() -> None:
        async with served() as it:
            assert (await it.client.get("/")).text == text
            for path in sorted(WEB.iterdir()):
                answer = await it.client.get(f"/static/{path.name}")
                assert answer.headers["content-type"] == KINDS[path.suffix], path.name

    run(body)


def test_config_shows_no_folders_of_this_machine() -> None:
    async def body() -> None:
        shown = ("bundle=/home/me/runs/mine.turnkit", "shadow=[/home/me/runs/old/, vad:600]")
        async with served(*shown) as it:
            config = (await it.client.get("/api/config")).json()
            assert config["detector"] == "mine.turnkit"
            assert config["shadows"] == ["old", "vad:600"]

    run(body)


async def raw(it: Served, head: str, body: bytes = b"") -> tuple[int, str]:
    """Send exactly these bytes; clients would tidy paths up."""
    port = httpx.URL(it.url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
    try:
        answer = await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        await writer.wait_closed()
    return int(answer.split(b" ")[1]), answer.decode()


def test_unknown_paths_and_methods_are_refused_in_words() -> None:
    async def body() -> None:
        async with served() as it:
            for method, path, status in (
                ("GET", "/nothing", 404),
                ("GET", "/api/offer", 405),
                ("POST", "/healthz", 405),
                ("DELETE", "/api/calls/none", 404),
                ("GET", "/api/stream", 404),
            ):
                answer = await it.client.request(method, path)
                assert answer.status_code == status, path
                assert answer.json()["error"]

    run(body)


def test_a_call_begins_is_counted_and_is_hung_up() -> None:
    async def body() -> None:
        async with served() as it:
            answer = await it.offer()
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"] == "no-store"
            content = answer.json()
            assert content["type"] == "answer"
            assert "o=answer" in content["sdp"]
            health = (await it.client.get("/healthz")).json()
            assert health == {"status": "ok", "calls": 1}
            ended = await it.client.delete(f"/api/calls/{content['call']}")
            assert ended.status_code == 200
            assert (await it.client.get("/healthz")).json()["calls"] == 0
            assert it.stubs.made[0].sent[-1]["type"] == "bye"
            assert it.stubs.made[0].reason == "you hung up"
            sent = len(it.stubs.made[0].sent)
            # The request may come when the call is gone: a page hangs up in the call, too.
            assert (await it.client.delete(f"/api/calls/{content['call']}")).status_code == 200
            assert len(it.stubs.made[0].sent) == sent

    run(body)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"not json", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b'{"type":"answer","sdp":"v=0"}', "application/json", 400),
        (b'{"type":"offer","sdp":3}', "application/json", 400),
        (b'{"type":"offer","sdp":"v=0"}', "text/plain", 415),
        (b'{"type":"offer","sdp":"' + b"a" * 70_000 + b'"}', "application/json", 413),
    ],
)
def test_offers_that_are_none_are_refused(content: bytes, kind: str, status: int) -> None:
    async def body() -> None:
        async with served() as it:
            headers = {"Content-Type": kind}
            answer = await it.client.post("/api/offer", content=content, headers=headers)
            assert answer.status_code == status
            assert answer.json()["error"]
            assert not it.stubs.made

    run(body)


def test_a_body_without_end_is_read_no_further_than_the_limit() -> None:
    async def body() -> None:
        async with served() as it:
            port = httpx.URL(it.url).port
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"POST /api/offer HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            chunk = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"
            sent = 0
            with suppress(ConnectionError):
                while sent < 64 << 20:
                    writer.write(chunk)
                    await writer.drain()
                    sent += len(chunk)
            # What the kernel's buffers hold, not what we would have sent.
            assert sent < 16 << 20
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            assert (await it.client.get("/healthz")).status_code == 200

    run(body)


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async def body() -> None:
        async with served("server.limits.request_s=0.2") as it:
            head = (
                "POST /api/offer HTTP/1.1\r\nHost: localhost\r\n"
                "Content-Type: application/json\r\nContent-Length: 100\r\n"
            )
            status, _ = await raw(it, head, b"{")
            assert status == 408

    run(body)


def test_a_head_that_does_not_arrive_is_given_up() -> None:
    async def body() -> None:
        async with served("server.limits.request_s=0.3") as it:
            port = httpx.URL(it.url).port
            silent = await asyncio.open_connection("127.0.0.1", port)
            slow = await asyncio.open_connection("127.0.0.1", port)
            slow[1].write(b"GET /healthz HT")
            for reader, writer in (silent, slow):
                assert await asyncio.wait_for(reader.read(), 5) == b""
                writer.close()
                await writer.wait_closed()
            assert (await it.client.get("/healthz")).status_code == 200

    run(body)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("192.168.0.7", 403),
        ("localhost@evil.example", 403),
        ("", 403),
    ],
)
def test_only_known_names_are_answered(host: str, status: int) -> None:
    async def body() -> None:
        async with served() as it:
            answer = await it.client.get("/api/config", headers={"Host": host})
            assert answer.status_code == status
            if status == 403:
                assert (await it.client.get("/", headers={"Host": host})).status_code == 403

    run(body)


def test_a_request_without_or_with_two_hosts_is_refused() -> None:
    async def body() -> None:
        async with served() as it:
            two = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n"
            assert (await raw(it, two))[0] in {400, 403}
            assert (await raw(it, "GET /healthz HTTP/1.0\r\n"))[0] == 403

    run(body)


def test_pages_of_other_sites_cannot_call() -> None:
    async def body() -> None:
        async with served() as it:
            for origin in ("https://evil.example", "null", "http://localhost:1", "http://[::1"):
                answer = await it.offer(headers={"Origin": origin})
                assert answer.status_code == 403, origin
                assert "access-control-allow-origin" not in answer.headers
            crossing = {"Sec-Fetch-Site": "cross-site"}
            answer = await it.client.get("/api/config", headers=crossing)
            assert answer.status_code == 403
            assert (await it.offer(headers={"Origin": it.url})).status_code == 200

    run(body)


def test_a_site_that_was_named_may_call() -> None:
    async def body() -> None:
        async with served("server.origins=[https://app.example]") as it:
            headers = {"Origin": "https://app.example"}
            answer = await it.offer(headers=headers)
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == "https://app.example"
            asked = headers | {"Access-Control-Request-Method": "POST"}
            preflight = await it.client.options("/api/offer", headers=asked)
            assert preflight.status_code == 200
            other = asked | {"Origin": "https://evil.example"}
            assert (await it.client.options("/api/offer", headers=other)).status_code == 403

    run(body)


def test_without_the_token_there_is_no_call() -> None:
    async def body() -> None:
        async with served(environ=GUARDED) as it:
            for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": TOKEN}):
                answer = await it.offer(headers=headers)
                assert answer.status_code == 401
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert "token" in answer.json()["error"]
            call = (await it.offer(headers=BEARER)).json()["call"]
            assert (await it.client.delete(f"/api/calls/{call}")).status_code == 401
            hung_up = await it.client.delete(f"/api/calls/{call}", headers=BEARER)
            assert hung_up.status_code == 200
            assert TOKEN not in it.log

    run(body)


def test_tokens_cannot_be_guessed_at_leisure() -> None:
    async def body() -> None:
        async with served("server.limits.failures_per_minute=3", environ=GUARDED) as it:
            wrong = {"Authorization": "Bearer wrong-wrong-wrong-wrong"}
            statuses = [(await it.offer(headers=wrong)).status_code for _ in range(5)]
            assert statuses == [401, 401, 401, 429, 429]
            # The right one has to wait, too: answers must not tell it from wrong ones.
            answer = await it.offer(headers=BEARER)
            assert answer.status_code == 429
            assert int(answer.headers["Retry-After"]) > 0

    run(body)


def test_config_shows_relays_only_to_those_with_the_token() -> None:
    ice = "server.ice_servers=[{urls: ['turn:turn.example:3478'], shared_secret_env: TURN_SECRET,"
    ice += " page_only: true}]"
    environ = {"TURNKIT_TOKEN": TOKEN, "TURN_SECRET": "north-wind"}

    async def body() -> None:
        async with served(ice, environ=environ) as it:
            bare = (await it.client.get("/api/config")).json()
            assert bare["token_required"] is True
            assert bare["ice_servers"] == []
            wrong = {"Authorization": "Bearer wrong-wrong-wrong-wrong"}
            assert (await it.client.get("/api/config", headers=wrong)).status_code == 401
            full = (await it.client.get("/api/config", headers=BEARER)).json()
            (entry,) = full["ice_servers"]
            assert entry["urls"] == ["turn:turn.example:3478"]
            assert entry["username"].endswith(":turnkit")
            assert "north-wind" not in str(full)
            await it.offer(headers=BEARER)
            # The agent itself may do without: the relay reaches it.
            assert [each["urls"] for each in it.stubs.ice] == []
            assert full["mode"] == "speculative"
            assert full["detector"] == "default"
            assert full["max_duration_s"] == 900

    run(body)


def test_a_full_server_says_so_and_running_calls_go_on() -> None:
    async def body() -> None:
        async with served("server.limits.calls=1") as it:
            assert (await it.offer()).status_code == 200
            answer = await it.offer()
            assert answer.status_code == 503
            assert "full" in answer.json()["error"]
            assert int(answer.headers["Retry-After"]) > 0
            assert (await it.client.get("/healthz")).json()["calls"] == 1
            assert it.stubs.made[0].reason is None
            metrics = (await it.client.get("/metrics")).text
            assert 'turnkit_refused_total{cause="calls"} 1.0' in metrics

    run(body)


def test_offers_that_fail_give_their_room_back() -> None:
    from turnkit.errors import CallError

    async def body() -> None:
        async with served("server.limits.calls=1") as it:

            async def refuse(*_: object) -> None:
                raise CallError("offer: no Opus among its codecs")

            good = it.stubs.answer
            it.stubs.answer = refuse  # type: ignore[assignment,method-assign]
            answer = await it.offer()
            assert answer.status_code == 400
            assert "Opus" in answer.json()["error"]
            it.stubs.answer = good  # type: ignore[method-assign]
            assert (await it.offer()).status_code == 200

    run(body)


def test_bugs_are_told_without_their_words() -> None:
    async def body() -> None:
        async with served() as it:

            async def broken(*_: object) -> None:
                raise RuntimeError("what the caller said")

            it.stubs.answer = broken  # type: ignore[assignment,method-assign]
            answer = await it.offer()
            assert answer.status_code == 500
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "caller said" not in answer.text + it.log
            assert "RuntimeError" in it.log
            assert (await it.client.get("/healthz")).json()["calls"] == 0

    run(body)


def test_not_ready_until_warm() -> None:
    async def body() -> None:
        async with served(warm=False) as it:
            assert (await it.client.get("/readyz")).status_code == 503
            assert (await it.client.get("/healthz")).status_code == 200
            answer = await it.offer()
            assert answer.status_code == 503
            assert "ready" in answer.json()["error"]
            it.service.calls.warm = True
            assert (await it.client.get("/readyz")).json() == {"status": "ready"}

    run(body)


def test_one_client_may_ask_only_so_often() -> None:
    async def body() -> None:
        async with served("server.limits.offers_per_minute=3", "server.limits.calls=9") as it:
            statuses = [(await it.offer()).status_code for _ in range(4)]
            assert statuses == [200, 200, 200, 429]

    run(body)


def test_metrics_are_for_this_machine_or_with_the_token() -> None:
    async def body() -> None:
        async with served() as it:
            assert (await it.client.get("/metrics")).status_code == 200
            forwarded = {"X-Forwarded-For": "203.0.113.9"}
            assert (await it.client.get("/metrics", headers=forwarded)).status_code == 403
        async with served(
            "server.hosts=[agent.example]", "server.insecure=true", environ=GUARDED
        ) as it:
            assert (await it.client.get("/metrics")).status_code == 401
            assert (await it.client.get("/metrics", headers=BEARER)).status_code == 200

    run(body)


def test_behind_a_proxy_only_encrypted_requests_pass() -> None:
    settings = (
        "server.tls.proxy=true",
        "server.trusted_proxies=['127.0.0.1']",
        "server.hosts=[agent.example]",
        "server.limits.offers_per_minute=1",
        "server.limits.calls=9",
    )

    async def body() -> None:
        async with served(*settings, environ=GUARDED) as it:
            headers = BEARER | {"Host": "agent.example", "Origin": "https://agent.example"}
            assert (await it.offer(headers=headers)).status_code == 403
            assert (await it.client.get("/healthz")).status_code == 200
            secure = headers | {"X-Forwarded-Proto": "https"}
            # Each client has a rate of its own: the proxy is not the client.
            for client in ("203.0.113.1", "203.0.113.2"):
                answer = await it.offer(headers=secure | {"X-Forwarded-For": client})
                assert answer.status_code == 200
                assert "max-age" in answer.headers["Strict-Transport-Security"]
            again = await it.offer(headers=secure | {"X-Forwarded-For": "203.0.113.1"})
            assert again.status_code == 429

    run(body)


def test_offer_text_is_not_logged() -> None:
    async def body() -> None:
        async with served() as it:
            await it.offer(OFFER + "a=ice-pwd:northwindandthesun\r\n")
            assert "northwind" not in it.log
            assert "call started" in it.log

    run(body)
