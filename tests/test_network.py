from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from turnkit import network


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    offline = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
    for name in ("HF_ENDPOINT", *offline):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")


@contextmanager
def server(answer: bytes | None) -> Iterator[str]:
    """Address of a server that gives one answer to all, or accepts and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_connections: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_connections.append(connection)
            if answer is not None:
                connection.recv(4096)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in open_connections:
            connection.close()


@pytest.mark.parametrize(
    ("status", "expected"),
    [("200 OK", True), ("404 Not Found", True), ("401 Unauthorized", True), ("502 Bad", False)],
)
def test_any_answer_of_the_hub_itself_counts(
    monkeypatch: pytest.MonkeyPatch, status: str, expected: bool
) -> None:
    answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    with server(answer) as address:
        monkeypatch.setenv("HF_ENDPOINT", f"{address}/")
        assert network.hub_endpoint() == address
        assert network.hub_answers() is expected


def test_a_hub_that_says_nothing_costs_no_more_than_the_time_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with server(None) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        started = time.monotonic()
        assert not network.hub_answers(timeout_s=0.5)
        assert 0.4 < time.monotonic() - started < 3.0


def test_a_name_look_up_that_hangs_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        released.wait(30.0)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    started = time.monotonic()
    assert not network.hub_answers(timeout_s=0.5)
    assert time.monotonic() - started < 3.0
    released.set()


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://hub.invalid", "nonsense"])
def test_no_hub(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    assert not network.hub_answers()


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"])
def test_a_forbidden_network_is_not_asked(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    def fail(*_: object) -> bool:
        raise AssertionError("the network was used")

    monkeypatch.setattr(network, "_probe", fail)
    monkeypatch.setenv(variable, "1")
    assert network.hub_refused()
    assert not network.hub_answers()


def test_the_public_hub_is_the_default() -> None:
    assert network.hub_endpoint() == "https://huggingface.co"
    assert not network.hub_refused()
