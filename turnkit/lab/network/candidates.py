"""Candidates of a session description (RFC 8839) replaced by addresses of a relay."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection

from turnkit.errors import CallError

Address = tuple[str, int]
"""IP address and port."""

_KEY = "a=candidate:"
_NOWHERE: Address = ("0.0.0.0", 9)
"""What stands for "no address" in a description (trickle ICE, RFC 8840)."""


def replace_candidates(
    sdp: str,
    what: str,
    kinds: Collection[str],
    stand_in: Callable[[Address], Address | None],
) -> str:
    """Let every candidate that can be relayed lead elsewhere, and leave out all others.

    Only UDP candidates of the first component with an IP address are kept: everything of
    a call goes through one (BUNDLE and rtcp-mux).

    Parameters
    ----------
    sdp : str
    what : str
        ``"offer"`` or ``"answer"``, for messages.
    kinds : collection of str
        Types of candidates that can be relayed: ``"host"``, ``"srflx"``.
    stand_in : callable
        Gives the address to put in place of a candidate's, or None if there is none.

    Returns
    -------
    str

    Raises
    ------
    CallError
        If not one candidate is left.
    """
    sections = re.split(r"^(?=m=)", sdp, flags=re.MULTILINE)
    kept, dropped = 0, []
    for number, section in enumerate(sections[1:], 1):
        lines: list[str] = []
        default: Address | None = None
        for line in section.splitlines(keepends=True):
            if not line.startswith(_KEY):
                lines.append(line)
                continue
            address = _relayable(line, kinds)
            address = None if address is None else stand_in(address)
            if address is None:
                dropped.append(_describe(line))
                continue
            lines.append(_moved(line, address))
            default = default or address
            kept += 1
        sections[number] = "".join(_default(line, default or _NOWHERE) for line in lines)
    if not kept:
        found = ", ".join(dropped) or "none at all"
        expected = " or ".join(kinds)
        raise CallError(
            f"{what}: no candidate that can be relayed ({found}); "
            f"expected a UDP candidate of type {expected} with an IP address"
        )
    return "".join(sections)


def _relayable(line: str, kinds: Collection[str]) -> Address | None:
    parts = line.split()
    if len(parts) < 8 or parts[2].lower() != "udp" or parts[1] != "1" or parts[7] not in kinds:
        return None
    try:
        # Names (mDNS) hide an address that only the other side could look up.
        return str(ipaddress.ip_address(parts[4])), int(parts[5])
    except ValueError:
        return None


def _moved(line: str, address: Address) -> str:
    head, end = line.split()[:4], line[len(line.rstrip()) :]
    return " ".join([*head, address[0], str(address[1]), "typ", "host"]) + end


def _describe(line: str) -> str:
    parts = line.split()
    return " ".join([*parts[2:3], *parts[7:8], *parts[4:5]]) or line.strip()


def _default(line: str, address: Address) -> str:
    """Bring the lines that repeat a section's first candidate in line with it."""
    host, port = address
    text, end = line.rstrip(), line[len(line.rstrip()) :]
    family = f"IN IP{ipaddress.ip_address(host).version} {host}"
    if text.startswith("m="):
        media, _, rest = text.partition(" ")
        old, _, rest = rest.partition(" ")
        # Port 0 says that a section is refused.
        return line if old == "0" else f"{media} {port} {rest}{end}"
    if text.startswith("c="):
        return f"c={family}{end}"
    if text.startswith("a=rtcp:"):
        return f"a=rtcp:{_NOWHERE[1]} IN IP4 {_NOWHERE[0]}{end}"
    return line
