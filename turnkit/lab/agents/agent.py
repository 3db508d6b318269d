"""An agent that can be called, wherever it runs: signalling over its HTTP API."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from turnkit.errors import CallError, ConfigError

TOKEN_ENV = "TURNKIT_TOKEN"
"""Environment variable with the token that an agent may ask for."""

_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What an agent's processes have used.

    Attributes
    ----------
    cpu_s : float
        Seconds of CPU since they began, all threads.
    rss_mb : float
        Memory that they hold now, in MB of 10^6 bytes.
    """

    cpu_s: float
    rss_mb: float


class Agent:
    """An agent behind an address.

    Parameters
    ----------
    url : str
        ``http://HOST[:PORT]`` or https.
    token : str, optional
        Default: what the environment variable `TOKEN_ENV` holds.

    Raises
    ------
    ConfigError
        If the address is none.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        address = urlsplit(url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ConfigError(f"agent {url!r}: expected http://HOST:PORT or https://HOST")
        if "@" in address.netloc or address.query or address.fragment:
            raise ConfigError(
                "agent: expected an address without a user, a password or a query; a token "
                f"goes into the environment variable {TOKEN_ENV}"
            )
        self.url = f"{address.scheme}://{address.netloc}{address.path.rstrip('/')}"
        token = token or os.environ.get(TOKEN_ENV, "").strip()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx2.AsyncClient(
            base_url=self.url, headers=headers, timeout=_TIMEOUT_S, trust_env=False
        )

    async def describe(self) -> dict[str, Any]:
        """Ask what it is: mode, detector, ICE servers.

        Raises
        ------
        CallError
            If nobody answers there, or something else than an agent.
        """
        return await self._json("GET", "/api/config")

    async def signal(self, offer: str) -> str:
        """Take an offer's SDP to the agent and bring the answer's.

        Raises
        ------
        CallError
            If the agent refuses the call, or cannot be reached.
        """
        answer = await self._json("POST", "/api/offer", {"type": "offer", "sdp": offer})
        return str(answer["sdp"])

    async def _json(self, method: str, path: str, content: Any = None) -> dict[str, Any]:
        try:
            response = await self._client.request(method, path, json=content)
            body = response.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise CallError(f"agent {self.url}: {error or type(error).__name__}") from error
        if response.status_code != httpx2.codes.OK:
            reason = body.get("error", body) if isinstance(body, dict) else body
            raise CallError(f"agent {self.url}: {response.status_code}: {reason}")
        if not isinstance(body, dict):
            raise CallError(f"agent {self.url}: {path} gave what no turnkit agent gives")
        return body

    def usage(self) -> Usage | None:
        """CPU and memory so far; None for an agent on another machine."""
        return None

    async def aclose(self) -> None:
        """Close connections. May be called twice."""
        await self._client.aclose()
