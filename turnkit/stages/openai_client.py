"""What all stages behind OpenAI-compatible services share: keys and connections."""

from __future__ import annotations

import os
from typing import Any

from turnkit.errors import ConfigError, MissingDependencyError

KEPT_ALIVE_S = 120.0
"""Seconds that an idle connection is kept: longer than people think between turns."""

NO_KEY = "none"
"""What services without keys are sent: the client insists on one."""


def read_key(stage: str, variable: str | None) -> str:
    """Key out of an environment variable.

    Raises
    ------
    ConfigError
        If the variable is named and not set.
    """
    if variable is None:
        return NO_KEY
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"{stage}.api_key_env: the environment variable {variable} is not set")
    return key


def open_client(
    base_url: str,
    key: str,
    *,
    timeout_s: float,
    connect_timeout_s: float,
    retries: int,
    purpose: str,
) -> Any:
    """Make an `openai.AsyncOpenAI` whose connections stay alive through a call.

    Parameters
    ----------
    base_url, key : str
    timeout_s, connect_timeout_s : float
        For an answer, or between two parts of it; for a connection.
    retries : int
    purpose : str
        What a message about a missing package says it is for.

    Raises
    ------
    MissingDependencyError
        If the client is not installed.
    """
    try:
        import httpx2
        import openai
    except ImportError as error:
        raise MissingDependencyError("openai", "agent", purpose) from error
    timeout = httpx2.Timeout(timeout_s, connect=connect_timeout_s)
    return openai.AsyncOpenAI(
        base_url=base_url,
        api_key=key,
        max_retries=retries,
        timeout=timeout,
        http_client=openai.DefaultAsyncHttpxClient(
            timeout=timeout, limits=httpx2.Limits(keepalive_expiry=KEPT_ALIVE_S)
        ),
    )
