from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from turnkit.agent.server.access import (
    check_exposure,
    host_allowed,
    origin_allowed,
    read_token,
    same_token,
    split_host,
    token_of,
)
from turnkit.agent.server.ice import check_ice, ice_servers, turn_credentials
from turnkit.agent.server.routes import client_of
from turnkit.agent.server_settings import IceServer, ServerSettings, TlsSettings
from turnkit.errors import ConfigError
from turnkit.settings_file import build

TOKEN = "a-token-of-the-tests-0123456789"
PROXIED = TlsSettings(proxy=True)


def test_loopback_needs_nothing() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        assert check_exposure(ServerSettings(host=host), None) == []


@pytest.mark.parametrize(
    "settings",
    [
        ServerSettings(host="0.0.0.0"),
        ServerSettings(host="::"),
        ServerSettings(host="192.168.0.7"),
        ServerSettings(hosts=("agent.example",)),
        ServerSettings(trusted_proxies=("10.0.0.0/8",)),
    ],
)
def test_others_need_a_token_and_tls(settings: ServerSettings) -> None:
    with pytest.raises(ConfigError, match=r"token.*TLS.*--insecure"):
        check_exposure(settings, None)
    with pytest.raises(ConfigError, match="TLS"):
        check_exposure(settings, TOKEN)


def test_what_insecure_gives_up_is_said() -> None:
    settings = ServerSettings(host="0.0.0.0", insecure=True)
    assert len(check_exposure(settings, None)) == 2
    (problem,) = check_exposure(settings, TOKEN)
    assert "microphone" in problem


def test_a_token_and_a_proxy_with_tls_are_enough() -> None:
    settings = ServerSettings(host="0.0.0.0", tls=PROXIED, trusted_proxies=("10.0.0.2",))
    assert check_exposure(settings, TOKEN) == []
    with pytest.raises(ConfigError, match="token"):
        check_exposure(settings, None)


@pytest.mark.parametrize("token", ["short", "with a blank in its middle", "ü" * 20, "x" * 600])
def test_tokens_that_a_header_cannot_carry_are_refused_unseen(token: str) -> None:
    with pytest.raises(ConfigError, match=r"\$TURNKIT_TOKEN") as caught:
        read_token(ServerSettings(), {"TURNKIT_TOKEN": token})
    assert token not in str(caught.value)
    assert read_token(ServerSettings(), {"TURNKIT_TOKEN": ""}) is None


@given(st.text(), st.text())
def test_only_the_same_token_is_the_same(given_token: str, token: str) -> None:
    assert same_token(given_token, token) == (given_token == token)


def test_tokens_are_found_where_clients_can_put_them() -> None:
    assert token_of({"authorization": "bearer abc"}, []) == "abc"
    assert token_of({"authorization": "Basic abc"}, []) is None
    assert token_of({}, ["turnkit", "turnkit.token.abc"]) == "abc"
    assert token_of({}, ["turnkit"]) is None


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        ("localhost", ("localhost", None)),
        ("LOCALHOST.:8080", ("localhost", 8080)),
        ("[::1]", ("::1", None)),
        ("[::1]:80", ("::1", 80)),
        ("1.2.3.4:5", ("1.2.3.4", 5)),
        ("::1", None),
        ("a b", None),
        ("user@host", None),
        ("host:port", None),
        ("host/path", None),
        ("", None),
    ],
)
def test_host_headers_are_taken_apart(host: str, parts: Any) -> None:
    assert split_host(host) == parts


@given(st.text(max_size=40))
def test_no_host_or_origin_makes_it_stumble(text: str) -> None:
    split_host(text)
    host_allowed(text, ServerSettings())
    origin_allowed(text, "http", "localhost", ServerSettings())


def test_beyond_loopback_names_must_be_known_and_addresses_pass() -> None:
    open_to_all = ServerSettings(host="0.0.0.0", hosts=("agent.example",))
    for host in ("agent.example", "AGENT.example:443", "192.168.0.7:8080", "[2001:db8::1]"):
        assert host_allowed(host, open_to_all)
    for host in ("evil.example", "agent.example.evil.example", "1.2.3.4.evil.example"):
        assert not host_allowed(host, open_to_all)
    assert not host_allowed("192.168.0.7", ServerSettings())
    assert not host_allowed("agent.example", ServerSettings())


@pytest.mark.parametrize(
    ("origin", "scheme", "host", "allowed"),
    [
        (None, "http", "localhost", True),
        ("http://localhost:8080", "http", "localhost:8080", True),
        ("http://localhost", "ws", "localhost:80", True),
        ("https://agent.example", "wss", "agent.example", True),
        ("https://agent.example:443", "https", "AGENT.example", True),
        ("http://[::1]:8080", "http", "[::1]:8080", True),
        ("http://agent.example", "https", "agent.example", False),
        ("https://agent.example", "http", "agent.example", False),
        ("http://localhost:8081", "http", "localhost:8080", False),
        ("http://127.0.0.1:8080", "http", "localhost:8080", False),
        ("http://localhost:99999", "http", "localhost", False),
        ("http://u@localhost", "http", "localhost", False),
        ("file://", "http", "localhost", False),
        ("null", "http", "localhost", False),
        ("", "http", "localhost", False),
        ("https://app.example", "http", "localhost", True),
        ("https://app.example.evil.example", "http", "localhost", False),
    ],
)
def test_origins(origin: str | None, scheme: str, host: str, allowed: bool) -> None:
    settings = ServerSettings(origins=("https://app.example",))
    assert origin_allowed(origin, scheme, host, settings) is allowed


def test_turn_credentials_are_what_coturn_computes() -> None:
    # printf 1700003600:alice | openssl dgst -sha1 -hmac north-wind -binary | base64
    name, password = turn_credentials("north-wind", "alice", 1_700_000_000.7, 3600)
    assert name == "1700003600:alice"
    assert password == "iRtTIZ3N38dm9S+dP+UkHfnN9Qo="


def test_each_kind_of_ice_server_gets_its_credentials() -> None:
    servers = (
        IceServer(("stun:stun.example:3478",)),
        IceServer(("turn:a.example",), username_env="NAME", credential_env="WORD"),
        IceServer(("turns:b.example:443?transport=tcp",), shared_secret_env="SECRET"),
    )
    environ = {"NAME": "me", "WORD": "mine", "SECRET": "north-wind"}
    check_ice(servers, environ)
    plain, lasting, short = ice_servers(servers, environ, "alice", 1_700_000_000)
    assert plain == {"urls": ["stun:stun.example:3478"]}
    assert (lasting["username"], lasting["credential"]) == ("me", "mine")
    assert short["username"] == "1700003600:alice"
    assert "north-wind" not in str(short)
    with pytest.raises(ConfigError, match=r"ice_servers\.2\.shared_secret_env.*SECRET"):
        check_ice(servers, {"NAME": "me", "WORD": "mine"})


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"port": 70_000}, "server.port"),
        ({"host": "http://x"}, "server.host"),
        ({"hosts": ["https://agent.example"]}, "server.hosts"),
        ({"origins": ["agent.example"]}, "server.origins"),
        ({"trusted_proxies": ["proxy.example"]}, "server.trusted_proxies"),
        ({"tls": {"certificate": "a.pem"}}, "server.tls.key"),
        ({"tls": {"certificate": "no.pem", "key": "no.pem"}}, "server.tls.certificate"),
        ({"tls": {"proxy": True}}, "server.trusted_proxies"),
        ({"limits": {"calls": 0}}, "server.limits.calls"),
        ({"ice_servers": [{"urls": ["http://x"]}]}, "server.ice_servers.0.urls"),
        ({"ice_servers": [{"urls": []}]}, "server.ice_servers.0.urls"),
        (
            {"ice_servers": [{"urls": ["turn:x"], "username_env": "A"}]},
            "server.ice_servers.0.username_env",
        ),
        (
            {
                "ice_servers": [
                    {
                        "urls": ["turn:x"],
                        "username_env": "A",
                        "credential_env": "B",
                        "shared_secret_env": "C",
                    }
                ]
            },
            "server.ice_servers.0.shared_secret_env",
        ),
        ({"token_env": "my token"}, "server.token_env"),
    ],
)
def test_settings_that_do_not_fit_are_named(content: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(ServerSettings, content, "server")
    assert key in str(caught.value)


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        # Whoever has one address of a /64 has them all.
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("not an address", "not an address"),
    ],
)
def test_clients_are_counted_by_what_they_can_change(host: str, client: str) -> None:
    scope = {"type": "http", "client": (host, 1), "headers": []}
    assert client_of(HTTPConnection(scope)) == client
    assert client_of(HTTPConnection(scope | {"client": None})) == ""
