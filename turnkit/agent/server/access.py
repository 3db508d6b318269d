"""Who may talk to the server: host names, origins, tokens, encryption. Pure functions.

A page of another site may make a browser send requests here, and after DNS rebinding even
under that site's own name: so every request must carry a ``Host`` that is known (names are
what rebinding needs; an address cannot be rebound) and, if it carries an ``Origin``, one
that is ours.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from turnkit.agent.server_settings import LOOPBACK_NAMES, ServerSettings, is_loopback
from turnkit.errors import ConfigError

SUBPROTOCOL = "turnkit"
"""WebSocket subprotocol that the server speaks."""

TOKEN_SUBPROTOCOL = "turnkit.token."
"""Prefix of a second subprotocol offered by browsers, which cannot send other headers."""

_TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,512}")
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def read_token(settings: ServerSettings, environ: Mapping[str, str]) -> str | None:
    """Token that callers must show, out of the environment.

    Raises
    ------
    ConfigError
        If it is there but too short or with characters that a header cannot carry.
    """
    token = environ.get(settings.token_env, "")
    if not token:
        return None
    if not _TOKEN.fullmatch(token):
        raise ConfigError(
            f"${settings.token_env}: expected 16 to 512 letters, digits and . _ ~ -, for "
            "example out of: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return token


def exposure_problems(settings: ServerSettings, token: str | None) -> list[str]:
    """List in words what keeps the server from being open to others; empty if nothing does."""
    if not settings.exposed:
        return []
    problems = []
    if token is None:
        problems.append(
            f"no token: anybody who reaches it can call; put one into ${settings.token_env}"
        )
    if not settings.tls.on:
        problems.append(
            "no TLS: words, voices and the token can be read on the way, and browsers give "
            "pages no microphone; set server.tls.certificate and server.tls.key"
        )
    return problems


def check_exposure(settings: ServerSettings, token: str | None) -> list[str]:
    """Refuse to serve other machines openly; returns what ``insecure`` gives up.

    Raises
    ------
    ConfigError
        If something is missing and ``insecure`` was not asked for.
    """
    problems = exposure_problems(settings, token)
    if problems and not settings.insecure:
        raise ConfigError(
            f"server.host {settings.host!r} is reachable by others: {'; '.join(problems)}; "
            "or give that up with --insecure"
        )
    return problems


def same_token(given: str | None, token: str) -> bool:
    """Whether a token is the right one, in a time that says nothing about it."""
    # Digests have one length; compare_digest would tell another length by its time.
    digests = [hashlib.sha256(text.encode()).digest() for text in (given or "", token)]
    return hmac.compare_digest(*digests)


def token_of(headers: Mapping[str, str], subprotocols: list[str]) -> str | None:
    """Token that a request shows: ``Authorization: Bearer``, or a WebSocket subprotocol."""
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    for name in subprotocols:
        if name.startswith(TOKEN_SUBPROTOCOL):
            return name.removeprefix(TOKEN_SUBPROTOCOL)
    return None


def split_host(host: str) -> tuple[str, int | None] | None:
    """Name and port of a ``Host`` header; None if it is no such thing."""
    if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", host):
        return None
    name, port = host, None
    if not host.endswith("]") and ":" in host:
        name, _, digits = host.rpartition(":")
        port = int(digits)
    return name.strip("[]").lower().rstrip("."), port


def host_allowed(host: str, settings: ServerSettings) -> bool:
    """Whether a ``Host`` header is a name of this server.

    Names must be known. Beyond loopback, plain addresses pass, too: no foreign site can
    have one as its name.
    """
    parts = split_host(host)
    if parts is None:
        return False
    name = parts[0]
    known = {each.strip("[]").lower() for each in (*settings.hosts, settings.host)}
    if name in known or name in LOOPBACK_NAMES or is_loopback(name):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return not is_loopback(settings.host)


def origin_allowed(origin: str | None, scheme: str, host: str, settings: ServerSettings) -> bool:
    """Whether a request with this ``Origin`` is one of our page's.

    Parameters
    ----------
    origin : str or None
        The header; programs send none.
    scheme, host : str
        How the request came (``http``, ``https``, ``ws``, ``wss``) and its ``Host``.
    settings : ServerSettings
    """
    if origin is None or origin in settings.origins:
        return True
    try:
        parts = urlsplit(origin)
        theirs = (parts.hostname or "", parts.port or _PORTS.get(parts.scheme))
    except ValueError:
        return False
    ours = split_host(host)
    if ours is None or parts.scheme not in {"http", "https"} or parts.username is not None:
        return False
    secure = scheme in {"https", "wss"}
    if (parts.scheme == "https") != secure:
        return False
    return theirs == (ours[0], ours[1] or _PORTS[scheme])
