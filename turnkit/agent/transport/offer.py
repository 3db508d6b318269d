"""Offers checked before aiortc works on them: what is wrong is said in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiortc import RTCIceServer
from aiortc.sdp import MediaDescription, SessionDescription

from turnkit.errors import CallError

MAX_OFFER = 65_536
"""Longest offer in characters; those of browsers have a few thousand."""

MAX_CANDIDATES = 64
"""Most ICE candidates in an offer: each of them is an address that we send packets to."""


def check_offer(offer_sdp: str) -> None:
    """Refuse an offer that cannot become a call.

    Raises
    ------
    CallError
        If it is no SDP, or offers anything but one audio stream with Opus in both
        directions and at most one data section.
    """
    if not isinstance(offer_sdp, str) or not offer_sdp.strip():
        raise CallError("offer: empty, expected an SDP")
    if len(offer_sdp) > MAX_OFFER:
        raise CallError(f"offer: {len(offer_sdp)} characters, expected at most {MAX_OFFER}")
    try:
        session = SessionDescription.parse(offer_sdp)
    except Exception as error:  # the parser raises whatever its lines lead it to
        raise CallError(f"offer: not an SDP ({type(error).__name__}: {error})") from error
    kinds = [media.kind for media in session.media]
    if not kinds:
        raise CallError("offer: not an SDP, or one without media; expected an audio section")
    if "video" in kinds:
        raise CallError("offer: video is not taken; offer audio and a data channel only")
    if kinds.count("audio") != 1 or kinds.count("application") > 1 or len(set(kinds)) > 2:
        raise CallError(
            f"offer: sections {', '.join(kinds)}; expected one audio and at most one data section"
        )
    names = [media.rtp.muxId for media in session.media]
    if len(set(names)) != len(names) or not all(names):
        raise CallError(f"offer: a=mid {', '.join(map(str, names))}; expected different ones")
    for group in session.group:
        if group.semantic == "BUNDLE" and not set(group.items) <= set(names):
            raise CallError(f"offer: a=group {group}; expected sections {', '.join(names)}")
    for media in session.media:
        _check_media(media)


def _check_media(media: MediaDescription) -> None:
    where = f"offer: {media.kind} section"
    if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
        raise CallError(f"{where}: no ICE user name and password")
    if media.dtls is None or not media.dtls.fingerprints:
        raise CallError(f"{where}: no DTLS fingerprint; expected an encrypted call")
    if len(media.ice_candidates) > MAX_CANDIDATES:
        raise CallError(
            f"{where}: {len(media.ice_candidates)} candidates, expected at most {MAX_CANDIDATES}"
        )
    if media.kind == "application":
        if media.sctp_port is None and not media.sctpmap:
            raise CallError(f"{where}: no SCTP port; expected a data channel")
        if media.sctpCapabilities is None:
            raise CallError(f"{where}: no a=max-message-size; expected a data channel")
        return
    if media.direction != "sendrecv":
        raise CallError(f"{where}: direction {media.direction}; expected sendrecv")
    if not any(codec.mimeType.lower() == "audio/opus" for codec in media.rtp.codecs):
        raise CallError(f"{where}: no Opus among its codecs; expected opus/48000")
    if not media.rtcp_mux:
        raise CallError(f"{where}: no a=rtcp-mux; expected RTP and RTCP on one port")


def without_mdns(offer_sdp: str) -> str:
    """Leave out candidates that hide the caller's address behind a name (``.local``).

    Looking such names up takes a second each and a multicast socket, and leads nowhere
    outside of the caller's own network. The caller reaches us all the same, and its
    address is learnt from its first packet (RFC 8445, section 7.3.1.3). For that, the
    list of candidates must stay open.
    """
    lines = offer_sdp.splitlines(keepends=True)
    kept = [line for line in lines if not _hides_address(line)]
    if len(kept) != len(lines):
        kept = [line for line in kept if line.strip() != "a=end-of-candidates"]
    return "".join(kept)


def _hides_address(line: str) -> bool:
    parts = line.split()
    return (
        line.startswith("a=candidate:") and len(parts) > 4 and parts[4].lower().endswith(".local")
    )


def as_ice_servers(entries: Sequence[Mapping[str, Any]]) -> list[RTCIceServer]:
    """Entries as browsers take them (urls, username, credential), as aiortc takes them.

    Raises
    ------
    CallError
        If an entry has no urls.
    """
    servers = []
    for entry in entries:
        urls = entry.get("urls")
        if not urls:
            raise CallError(f"ICE server with {', '.join(entry) or 'nothing'}: expected urls")
        servers.append(
            RTCIceServer(
                urls=urls if isinstance(urls, str) else list(urls),
                username=entry.get("username"),
                credential=entry.get("credential"),
            )
        )
    return servers
