"""STUN and TURN servers as browsers and aiortc take them, with short-lived credentials."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any

from turnkit.agent.server_settings import IceServer
from turnkit.errors import ConfigError


def turn_credentials(secret: str, user: str, now_s: float, lifetime_s: int) -> tuple[str, str]:
    """Name and password for a TURN server that shares a secret with us.

    The scheme of coturn's ``use-auth-secret`` (draft-uberti-behave-turn-rest-00): the
    name is ``EXPIRY:USER``, the password ``base64(HMAC-SHA1(secret, name))``.

    Parameters
    ----------
    secret : str
        ``static-auth-secret`` of the TURN server.
    user : str
        Any name without ``:``; it shows in the TURN server's log.
    now_s : float
        Seconds since 1970.
    lifetime_s : int
        Seconds after which the pair opens nothing any more.
    """
    name = f"{int(now_s) + lifetime_s}:{user}"
    digest = hmac.new(secret.encode(), name.encode(), hashlib.sha1).digest()
    return name, base64.b64encode(digest).decode()


def check_ice(servers: Iterable[IceServer], environ: Mapping[str, str]) -> None:
    """Refuse to start without the credentials that the preset names.

    Raises
    ------
    ConfigError
        Naming the environment variable.
    """
    for position, server in enumerate(servers):
        for field in ("username_env", "credential_env", "shared_secret_env"):
            variable = getattr(server, field)
            if variable is not None and not environ.get(variable):
                where = f"server.ice_servers.{position}.{field}"
                raise ConfigError(f"{where}: the environment variable {variable} is not set")


def ice_servers(
    servers: Iterable[IceServer], environ: Mapping[str, str], user: str, now_s: float
) -> list[dict[str, Any]]:
    """Entries for ``RTCPeerConnection``'s ``iceServers``.

    Parameters
    ----------
    servers : iterable of IceServer
    environ : mapping
        Where the secrets are.
    user : str
        Name in short-lived credentials.
    now_s : float
        Seconds since 1970.
    """
    entries = []
    for server in servers:
        entry: dict[str, Any] = {"urls": list(server.urls)}
        if server.shared_secret_env is not None:
            secret = environ.get(server.shared_secret_env, "")
            name, password = turn_credentials(secret, user, now_s, server.lifetime_s)
            entry |= {"username": name, "credential": password}
        elif server.username_env is not None and server.credential_env is not None:
            entry["username"] = environ.get(server.username_env, "")
            entry["credential"] = environ.get(server.credential_env, "")
        entries.append(entry)
    return entries
