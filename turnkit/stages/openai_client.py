"""What all stages behind OpenAI-compatible services share: keys and connections."""

from __future__ import annotations

import os
from typing import Any

from turnkit.errors import ConfigError, MissingDependencyError

KEPT_ALIVE_S = 120.0
"""Seconds that an idle connection is kept: longer than people think between turns."""

DEFAULT_KEY_ENV = "OPENAI_API_KEY"
"""Environment variable of a stage's key where a preset names none and one is needed."""

PROBLEM_CHARACTERS = 200
"""Longest text of a service that goes into an error."""

NO_KEY = "none"
"""What services without keys are sent: the client insists on one."""


def read_key(stage: str, variable: str | None) -> str:
    """Key out of an environment variable.

    Raises
    ------
    ConfigError
        If the variable is named and not set, or holds what cannot be sent.
    """
    if variable is None:
        return NO_KEY
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"{stage}.api_key_env: the environment variable {variable} is not set")
    if not (key.isascii() and key.isprintable()):
        # HTTP would refuse it, with an error that spells it out in its own way.
        raise ConfigError(
            f"{stage}.api_key_env: the environment variable {variable} holds characters that "
            "no key has, such as a line break"
        )
    return key


def harmless(text: str, key: str) -> str:
    """Text of a service, fit for an error: without the key in it, and not too long.

    The key goes first: what is left of one that stands across the cut could not be found.
    """
    if key != NO_KEY:
        text = text.replace(key, "***")
    return text[:PROBLEM_CHARACTERS]


def open_client(
    base_url: str,
    key: str,
    *,
    timeout_s: float,
    connect_timeout_s: float,
    retries: int,
    purpose: str,
    keep_alive: bool = True,
    ca_file: str | None = None,
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
    keep_alive : bool
        Whether connections are used again. Without, each request opens one.
    ca_file : str, optional
        PEM file of certificates that are trusted besides those of this machine (or of
        ``SSL_CERT_FILE``), for services behind a company's proxy.

    Raises
    ------
    ConfigError
        If `ca_file` holds no certificates.
    MissingDependencyError
        If the client is not installed.
    """
    try:
        import httpx2
        import openai
    except ImportError as error:
        raise MissingDependencyError("openai", "agent", purpose) from error
    timeout = httpx2.Timeout(timeout_s, connect=connect_timeout_s)
    limits = httpx2.Limits(
        keepalive_expiry=KEPT_ALIVE_S, max_keepalive_connections=None if keep_alive else 0
    )
    trusted = httpx2.create_ssl_context()
    if ca_file is not None:
        try:
            trusted.load_verify_locations(ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigError(f"ca_file {ca_file!r}: not a file of PEM certificates") from error
    return openai.AsyncOpenAI(
        base_url=base_url,
        api_key=key,
        max_retries=retries,
        timeout=timeout,
        http_client=openai.DefaultAsyncHttpxClient(timeout=timeout, limits=limits, verify=trusted),
    )
