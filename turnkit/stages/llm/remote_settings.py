"""Settings of a chat service; what may be a key is never printed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from turnkit.errors import ConfigError

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class RemoteLlmSettings:
    """A chat service: OpenAI, vLLM, Ollama, a llama.cpp server and others.

    Attributes
    ----------
    base_url : str
        Address up to and without ``/chat/completions``; no user, key or query in it.
    model : str
        As the service names it.
    api_key_env : str, optional
        Name of the environment variable that holds the key, never the key itself; for a
        service that wants none, nothing.
    temperature : float, optional
        Not sent if null.
    max_tokens : int
        Longest reply; not sent if 0.
    sentences : int
        Sentences after which a reply is stopped here; 0 for no limit. Stopping early
        gives up the connection, so a word in the system prompt is better.
    extra : dict
        More keys of the request's body.
    connect_timeout_s, first_token_timeout_s, token_timeout_s : float
        Seconds to wait for the connection, for the first token, and for each further one.
    retries : int
        More tries after a failed connection or a 429 or 5xx, before any token came and
        within the time for the first token.
    required : bool
        Whether `RemoteLlm.warm` fails if the service does not answer. Otherwise it logs
        a warning, and calls are taken: the service may come up later.
    keep_alive : bool
        Whether connections are used again. Without, every request opens one of its own,
        and waits for it: for measurements.
    ca_file : str, optional
        PEM file of certificates that are trusted besides those of this machine, for a
        service behind a company's proxy.
    simulated : bool
        Whether the service is a stand-in: reports say so.

    Raises
    ------
    ConfigError
        If a value does not fit; what may be a key is not printed.
    """

    base_url: str
    model: str
    api_key_env: str | None = None
    temperature: float | None = None
    max_tokens: int = 120
    sentences: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    connect_timeout_s: float = 3.0
    first_token_timeout_s: float = 10.0
    token_timeout_s: float = 5.0
    retries: int = 1
    required: bool = False
    keep_alive: bool = True
    ca_file: str | None = None
    simulated: bool = False

    def __post_init__(self) -> None:
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https") or not address.netloc:
            raise ConfigError("llm.base_url: expected an address with http:// or https://")
        if "@" in address.netloc or address.query or address.fragment:
            raise ConfigError(
                "llm.base_url: expected an address without a user, a password or a query; "
                "a key goes into the environment variable that llm.api_key_env names"
            )
        if self.api_key_env is not None and not _VARIABLE.fullmatch(self.api_key_env):
            raise ConfigError(
                "llm.api_key_env: expected the name of an environment variable such as "
                "OPENAI_API_KEY, not a key"
            )
        if not self.model:
            raise ConfigError("llm.model '': expected the name of a model")
        limits = {
            "temperature": (0.0, 2.0),
            "max_tokens": (0, 100_000),
            "sentences": (0, 1000),
            "connect_timeout_s": (0.01, 600.0),
            "first_token_timeout_s": (0.01, 600.0),
            "token_timeout_s": (0.01, 600.0),
            "retries": (0, 10),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ConfigError(f"llm.{name} {value}: expected a number from {low:g} to {high:g}")
