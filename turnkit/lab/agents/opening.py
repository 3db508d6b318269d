"""From what a user names to an agent that can be called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from turnkit.errors import ConfigError
from turnkit.lab.agents.agent import Agent
from turnkit.lab.agents.served import serve_preset


def is_address(spec: str) -> bool:
    """Whether an agent is named by its address."""
    return spec.startswith(("http://", "https://"))


@asynccontextmanager
async def open_agent(
    spec: str,
    overrides: Sequence[str] = (),
    *,
    cores: Sequence[int] | None = None,
    log: Path | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Agent]:
    """Open the agent under test.

    Parameters
    ----------
    spec : str
        An address, or a preset that is served by a process of its own.
    overrides : sequence of str
        ``key=value`` for a preset.
    cores : sequence of int, optional
        Cores that a process of its own may use.
    log : Path, optional
        Where its log goes.
    report : callable

    Raises
    ------
    ConfigError, CallError
        If there is no agent behind it; see `serve_preset`.
    """
    if not is_address(spec):
        async with serve_preset(spec, overrides, cores=cores, log=log, report=report) as agent:
            yield agent
        return
    if overrides or cores is not None:
        raise ConfigError(f"agent {spec}: runs elsewhere; settings are for presets")
    async with aclosing(Agent(spec)) as remote:
        await remote.describe()
        yield remote
