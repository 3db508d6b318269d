from __future__ import annotations

import pytest
from aiortc.sdp import SessionDescription

from turnkit.errors import CallError
from turnkit.lab.network.candidates import Address, replace_candidates

SDP = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "m=audio 4001 UDP/TLS/RTP/SAVPF 96",
        "c=IN IP4 192.0.2.7",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp:4001 IN IP4 192.0.2.7",
        "a=rtcp-mux",
        "a=rtpmap:96 opus/48000/2",
        "a=candidate:f1 1 udp 2130706431 192.0.2.7 4001 typ host generation 0",
        "a=candidate:f2 1 UDP 2130706175 2001:db8::7 4002 typ host",
        "a=candidate:f3 1 tcp 2128609279 192.0.2.7 9 typ host tcptype active",
        "a=candidate:f4 1 udp 2130706431 0f5c-11.local 4003 typ host",
        "a=candidate:f5 1 udp 1694498815 198.51.100.9 4001 typ srflx raddr 192.0.2.7 rport 4001",
        "a=candidate:f6 1 udp 16777215 203.0.113.4 4004 typ relay raddr 0.0.0.0 rport 9",
        "a=candidate:f7 2 udp 2130706430 192.0.2.7 4005 typ host",
        "a=end-of-candidates",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=mid:1",
        "a=sctp-port:5000",
        "",
    ]
)

ASKED: dict[Address, Address] = {
    ("192.0.2.7", 4001): ("127.0.0.1", 5001),
    ("2001:db8::7", 4002): ("::1", 5002),
    ("198.51.100.9", 4001): ("127.0.0.1", 5003),
}


def candidates(sdp: str) -> list[str]:
    return [line for line in sdp.splitlines() if line.startswith("a=candidate:")]


def test_only_what_can_be_relayed_is_kept() -> None:
    changed = replace_candidates(SDP, "offer", ("host",), ASKED.get)
    assert candidates(changed) == [
        "a=candidate:f1 1 udp 2130706431 127.0.0.1 5001 typ host",
        "a=candidate:f2 1 UDP 2130706175 ::1 5002 typ host",
    ]
    assert "192.0.2.7" not in changed
    assert "\r\nm=audio 5001 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 127.0.0.1\r\n" in changed
    assert "a=rtcp:9 IN IP4 0.0.0.0\r\n" in changed
    untouched = [line for line in SDP.splitlines() if line[:2] not in ("m=", "c=")]
    untouched = [line for line in untouched if not line.startswith(("a=candidate:", "a=rtcp:"))]
    assert set(untouched) <= set(changed.splitlines())
    assert changed.endswith("a=sctp-port:5000\r\n")
    parsed = SessionDescription.parse(changed)
    assert [len(media.ice_candidates) for media in parsed.media] == [2, 0]
    assert parsed.media[0].port == 5001


def test_reflexive_ones_are_announced_as_hosts() -> None:
    changed = replace_candidates(SDP, "answer", ("host", "srflx"), ASKED.get)
    assert candidates(changed)[-1] == "a=candidate:f5 1 udp 1694498815 127.0.0.1 5003 typ host"
    assert "raddr" not in changed


def test_a_refused_section_stays_refused() -> None:
    refused = SDP.replace("m=application 9 ", "m=application 0 ")
    assert "m=application 0 " in replace_candidates(refused, "offer", ("host",), ASKED.get)


def test_nothing_to_relay_is_named() -> None:
    with pytest.raises(CallError) as caught:
        replace_candidates(SDP, "answer", ("host",), lambda _: None)
    message = str(caught.value)
    assert message.startswith("answer: no candidate that can be relayed (")
    assert "udp host 0f5c-11.local" in message
    assert "tcp host 192.0.2.7" in message
    assert message.endswith("expected a UDP candidate of type host with an IP address")
    with pytest.raises(CallError, match="none at all"):
        replace_candidates("v=0\r\n", "offer", ("host",), ASKED.get)
    with pytest.raises(CallError, match="a=candidate:broken"):
        replace_candidates("m=audio 9 x 0\na=candidate:broken\n", "offer", ("host",), ASKED.get)
