"""From a preset to a served agent, until a signal: what ``turnkit serve`` does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from turnkit.agent.call import run_call
from turnkit.agent.preset import Preset
from turnkit.agent.server.service import Service
from turnkit.agent.server.serving import bind, serving
from turnkit.agent.stack import Stack
from turnkit.agent.telemetry.bridge import bridged
from turnkit.agent.telemetry.logs import open_log
from turnkit.agent.telemetry.observer import Telemetry
from turnkit.agent.telemetry.spans import set_up_exporter
from turnkit.peers import PEERS, fetch, locate
from turnkit.stages.llm.opening import fetch_llm
from turnkit.stages.openai_client import DEFAULT_KEY_ENV

Report = Callable[[str], None]


def secrets_of(preset: Preset, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Values of the environment that no log may hold."""
    names = [preset.server.token_env, DEFAULT_KEY_ENV]
    for stage in (preset.stt, preset.llm, preset.tts):
        names += _variables(stage)
    for server in preset.server.ice_servers:
        names += [server.credential_env or "", server.shared_secret_env or ""]
    # Stages strip their keys.
    return tuple(value for name in names if (value := environ.get(name, "").strip()))


def _variables(settings: Mapping[str, Any]) -> Iterator[str]:
    """Names of environment variables, wherever settings hold them."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _variables(value)
        elif key.endswith("_env") and value:
            yield str(value)


def fetch_assets(preset: Preset, report: Report) -> None:
    """Fetch public models that the preset names and that are not on this machine yet.

    Raises
    ------
    OfflineError, MissingAssetError
        If one cannot be had.
    """
    fetch_llm(preset.llm, report)
    detectors = {spec.partition(":")[0] for spec in (preset.bundle, *preset.shadow)}
    for peer in PEERS.values():
        if peer.name in detectors and locate(peer) is None:
            fetch(peer, report=report)


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """Event that is set by Ctrl-C or SIGTERM.

    The second Ctrl-C is not caught any more. At the end Ctrl-C raises KeyboardInterrupt.
    """
    stop, interrupted = asyncio.Event(), False
    loop = asyncio.get_running_loop()

    def caught(number: int) -> None:
        nonlocal interrupted
        interrupted = number == signal.SIGINT
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, caught, number)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    if interrupted:
        raise KeyboardInterrupt


async def run_service(
    preset: Preset, report: Report, environ: Mapping[str, str] = os.environ
) -> None:
    """Serve a preset until Ctrl-C or SIGTERM.

    Parameters
    ----------
    preset : Preset
    report : callable
        Told, line by line, what is going on.
    environ : mapping
        Where secrets are.

    Raises
    ------
    TurnkitError
        If the preset, the address or a stage is no good.
    KeyboardInterrupt
        After Ctrl-C, once everything is closed.
    """
    settings = preset.server
    secrets = secrets_of(preset, environ)
    log = open_log(sys.stderr, log_words=settings.log_words, secrets=secrets)
    stop_spans = set_up_exporter(environ)
    try:
        # Not opened yet: an address or a preset that is no good is told at once.
        sock = bind(settings.host, settings.port)
        try:
            stack = Stack.open(preset)
        except BaseException:
            sock.close()
            raise
        try:
            service = Service(
                preset,
                partial(run_call, stack),
                Telemetry(log, settings.log_words),
                environ=environ,
            )
            for problem in service.given_up:
                report(f"insecure: {problem}")
            with bridged(log), stop_signals() as stop:
                async with serving(service, sock) as url:
                    await _warm(service, stack, report, stop)
                    if not stop.is_set():
                        report(url)
                    await stop.wait()
                    report("stopping")
        finally:
            sock.close()
            await stack.aclose()
    finally:
        stop_spans()


async def _warm(service: Service, stack: Stack, report: Report, stop: asyncio.Event) -> None:
    """Get everything ready, or give it up when the server is to stop."""

    async def warm() -> None:
        await asyncio.to_thread(fetch_assets, service.preset, report)
        await stack.warm(report)

    warming, stopping = asyncio.create_task(warm()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({warming, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if warming.done():
            warming.result()
            service.calls.warm = True
    finally:
        for task in (warming, stopping):
            task.cancel()
        await asyncio.gather(warming, stopping, return_exceptions=True)
