"""An agent that can be called, wherever it runs: signalling over its HTTP API."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
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
        self.url = _checked(url)
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
        found = await self._json("GET", "/api/config")
        if not isinstance(found.get("mode"), str) or not isinstance(found.get("detector"), str):
            raise self._foreign("/api/config", "no mode and detector in it")
        self.ice_servers(found)
        return found

    @staticmethod
    def ice_servers(description: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Take the ICE servers out of what `describe` gave.

        Raises
        ------
        CallError
            If they are none.
        """
        found = description.get("ice_servers", [])
        if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
            raise CallError(f"agent: ice_servers {found!r}: expected a list of servers")
        return found

    async def signal(self, offer: str) -> str:
        """Take an offer's SDP to the agent and bring the answer's.

        Raises
        ------
        CallError
            If the agent refuses the call, or cannot be reached.
        """
        answer = await self._json("POST", "/api/offer", {"type": "offer", "sdp": offer})
        if not isinstance(answer.get("sdp"), str):
            raise self._foreign("/api/offer", "no sdp in it")
        return str(answer["sdp"])

    async def _json(self, method: str, path: str, content: Any = None) -> dict[str, Any]:
        try:
            response = await self._client.request(method, path, json=content)
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise CallError(f"agent {self.url}: {error or type(error).__name__}") from error
        if response.status_code != httpx2.codes.OK:
            raise CallError(f"agent {self.url}: {self._refusal(response, path)}")
        try:
            body = response.json()
        except ValueError as error:
            kind = response.headers.get("content-type", "no content type")
            raise self._foreign(path, f"{kind}, not JSON") from error
        if not isinstance(body, dict):
            raise self._foreign(path, "JSON, but no object")
        return body

    def _refusal(self, response: httpx2.Response, path: str) -> str:
        """Say why an answer is none, and what would help."""
        status = response.status_code
        if status == httpx2.codes.UNAUTHORIZED:
            return f"{status}: the environment variable {TOKEN_ENV} must hold the agent's token"
        if response.is_redirect:
            return f"{status}: sends to {response.headers.get('location')}; give that address"
        reason: Any = response.reason_phrase
        with suppress(ValueError):
            body = response.json()
            reason = body.get("error", body) if isinstance(body, dict) else body
        if status == httpx2.codes.NOT_FOUND:
            return f"{status} for {path}: no turnkit agent ({reason})"
        return f"{status}: {reason}"

    def _foreign(self, path: str, what: str) -> CallError:
        return CallError(f"agent {self.url}: {path} gave what no turnkit agent gives ({what})")

    def usage(self) -> Usage | None:
        """CPU and memory so far; None for an agent on another machine."""
        return None

    async def aclose(self) -> None:
        """Close connections. May be called twice."""
        await self._client.aclose()


def _checked(url: str) -> str:
    """Return an address without what does not belong to it.

    Raises
    ------
    ConfigError
        If it is none, or has a secret in it.
    """
    expected = "expected http://HOST:PORT or https://HOST"
    try:
        address = urlsplit(url)
        fits = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError as error:
        raise ConfigError(f"agent: {error}; {expected}") from None
    if not fits:
        raise ConfigError(f"agent {url!r}: {expected}")
    if "@" in address.netloc or address.query or address.fragment:
        raise ConfigError(
            "agent: expected an address without a user, a password or a query; a token "
            f"goes into the environment variable {TOKEN_ENV}"
        )
    return f"{address.scheme}://{address.netloc}{address.path.rstrip('/')}"
