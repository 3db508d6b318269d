"""The page in a call: WebRTC to a peer in this process, both ways, and its ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agent.browser import FAKE_MEDIA_FLAGS, Browser, Page, chromium
from tests.agent.web import script
from tests.agent.web.peer import Peer, peer
from tests.agent.web.site import Site, serve

pytestmark = pytest.mark.realtime

if chromium() is None:
    pytest.skip("no Chromium on this machine", allow_module_level=True)

IN_CALL = "document.getElementById('state').dataset.state === 'in call'"
ENDED = "document.getElementById('state').dataset.state === 'ended'"
STATE = "document.getElementById('state').innerText"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser.launch(extra_flags=FAKE_MEDIA_FLAGS) as started:
        yield started


@pytest.fixture
def other() -> Iterator[Peer]:
    with peer() as running:
        yield running


@pytest.fixture
def site(other: Peer) -> Iterator[Site]:
    with serve() as served:
        served.answer = other.answer
        yield served


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """The page in a call, which it began by itself as its address says."""
    with browser.page() as opened:
        opened.goto(f"{site.url}?connect=1&processing=off")
        opened.wait_for(IN_CALL, timeout_s=20)
        opened.wait_for("document.getElementById('speaker').readyState > 2")
        yield opened
        opened.goto("about:blank")


def wait(page: Page, condition: object, seconds: float = 6.0) -> None:
    """Let the page live until something here is true."""
    assert callable(condition)
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        page.drain(0.05)
    raise AssertionError("it did not come to that")


def test_audio_and_messages_go_both_ways(page: Page, other: Peer) -> None:
    other.send(*script.call(6.0))
    page.wait_for("document.querySelector('.line.caller .text')")
    assert page.evaluate(STATE) == "You are speaking"
    assert "In call 0:06 of 15:00" in page.evaluate("document.getElementById('substate').innerText")
    wait(page, lambda: other.frames > 20)
    assert page.evaluate("document.getElementById('speaker').paused") is False
    wait(page, lambda: [m for m in other.heard if m["type"] == "link"])
    link = other.heard[-1]
    assert set(link) == {"type", "rtt_ms", "jitter_ms", "playout_ms"}
    assert 0 <= link["rtt_ms"] < 1000
    assert 0 < link["playout_ms"] < 1000
    assert page.errors == []


def test_hanging_up_tells_the_server_and_lets_the_microphone_go(page: Page, site: Site) -> None:
    page.evaluate(
        "{ const stop = MediaStreamTrack.prototype.stop;"
        " window.stopped = 0; MediaStreamTrack.prototype.stop = function () "
        "{ window.stopped += 1; return stop.call(this); } }"
    )
    page.press("Enter")  # the button has the focus
    page.wait_for(ENDED)
    assert page.evaluate(STATE) == "Ended: you hung up"
    assert page.evaluate("window.stopped") == 1
    assert page.evaluate("document.getElementById('speaker').srcObject") is None
    wait(page, lambda: ("DELETE", "/api/calls/peer", None) in site.requests)
    assert page.evaluate("document.getElementById('connect').innerText") == "Start talking"
    # And once more, from the same page.
    page.press("Enter")
    page.wait_for(IN_CALL, timeout_s=20)
    assert page.errors == []


def test_leaving_the_page_hangs_up(page: Page, site: Site) -> None:
    page.goto("about:blank")
    wait(page, lambda: ("DELETE", "/api/calls/peer", None) in site.requests)


def test_a_goodbye_is_shown(page: Page, other: Peer) -> None:
    reason = "the call's 15 minutes are over"
    other.send(script.hello(), {"type": "bye", "at": 900, "reason": reason})
    page.wait_for(ENDED)
    assert page.evaluate(STATE) == "Ended: the call's 15 minutes are over"
    assert page.evaluate("document.querySelectorAll('.problem').length") == 0


def test_a_connection_that_goes_away_is_told(page: Page, other: Peer) -> None:
    wait(page, lambda: other.frames > 5)
    other.drop()
    page.wait_for(ENDED, timeout_s=15)
    titles = "[...document.querySelectorAll('.problem .title')].map((one) => one.innerText)"
    assert page.evaluate(titles) == ["The connection was lost"]


def test_the_microphone_can_be_changed_in_the_call(page: Page, other: Peer) -> None:
    options = "[...document.querySelectorAll('#microphone option')].map((one) => one.value)"
    choices = page.evaluate(options)
    assert len(choices) >= 2
    page.evaluate(
        f"{{ const list = document.getElementById('microphone'); list.value = '{choices[-1]}';"
        " list.dispatchEvent(new Event('change')); }"
    )
    page.drain(0.5)
    before = other.frames
    wait(page, lambda: other.frames > before + 20)
    assert page.evaluate(IN_CALL)
    page.evaluate("localStorage.clear()")
    assert page.errors == []
