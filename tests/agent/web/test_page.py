"""The page in a real browser: a scripted call, errors, keyboard, layout and contrast."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.agent.browser import FAKE_MEDIA_FLAGS, Browser, Page, chromium
from tests.agent.web import script
from tests.agent.web.site import Site, serve

if chromium() is None:
    pytest.skip("no Chromium on this machine", allow_module_level=True)

READY = "document.documentElement.dataset.ready === 'true'"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser with a microphone that beeps, which pages may use without asking."""
    with Browser.launch(extra_flags=FAKE_MEDIA_FLAGS) as started:
        yield started


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as served:
        yield served


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """The page, loaded and idle, in a desktop's window."""
    with browser.page() as opened:
        opened.resize(1360, 900)
        load(opened, site)
        yield opened
        opened.goto("about:blank")


def load(page: Page, site: Site, query: str = "") -> None:
    page.goto(site.url + query)
    page.wait_for(READY)
    page.evaluate("import('/static/main.js').then((main) => { window.main = main; })")


def tell(page: Page, *messages: dict[str, Any]) -> None:
    """Give the page messages of the agent, and let it draw."""
    used = page.evaluate(f"{json.dumps(messages)}.map((one) => main.handle(one))")
    assert all(used)
    page.evaluate(
        "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
    )


def text(page: Page, selector: str) -> str:
    found = page.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
    assert isinstance(found, str)
    return found


def texts(page: Page, selector: str) -> list[str]:
    found = page.evaluate(
        f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.innerText)"
    )
    assert isinstance(found, list)
    return found


def clean(page: Page) -> None:
    """Nothing was logged, thrown or blocked by the content security policy."""
    page.drain()
    assert page.errors == []


def test_loads_under_its_policy_without_a_word_on_the_console(page: Page) -> None:
    clean(page)
    assert text(page, "#state") == "Idle"
    assert "speculative" in text(page, "#facts")
    assert page.evaluate("document.activeElement.id") == "connect"


def test_an_inline_script_would_be_blocked_and_seen(page: Page) -> None:
    page.evaluate(
        "document.head.append(Object.assign(document.createElement('script'), {text: '1'}))"
    )
    page.drain()
    assert any("Content Security Policy" in error for error in page.errors)


def test_words_of_the_call(page: Page) -> None:
    tell(page, *script.call(5.9))
    caller = texts(page, ".line.caller .text")
    assert len(caller) == 1
    assert caller[0].startswith("I'd like to book a table")
    tail = text(page, ".line.caller .tail")
    assert tail
    assert caller[0].endswith(tail)
    tell(page, *[m for m in script.call(24.0) if m["at"] > 5.9])
    assert texts(page, ".line.caller .text") == [
        "I'd like to book a table for, um, four people on Friday night.",
        "Around half past seven, please.",
        "Actually, could we sit outside, if it does not rain?",
        "Lovely, thank you very much.",
    ]
    assert page.evaluate("document.querySelectorAll('.line.caller .tail').length") == 0
    agent = texts(page, ".line.agent:not(.draft) .text")
    assert agent[2] == "Half past seven is free. I can also offer — cut off"
    assert "answered after 507 ms" in text(page, '[data-turn="2"]')
    assert page.evaluate("main.current().ended") is None
    clean(page)


def test_drafts_are_shown_on_demand(page: Page) -> None:
    messages = script.call(24.0)
    for message in messages:
        if message["type"] == "reply" and message["state"] == "drafting":
            message["text"] = "For how many people?"
    tell(page, *messages)
    visible = "[...document.querySelectorAll('.draft')].filter((one) => one.offsetHeight).length"
    assert page.evaluate(visible) == 0
    page.evaluate("document.getElementById('show-drafts').click()")
    assert page.evaluate(visible) == 2
    assert text(page, ".draft s") == "For how many people?"


def test_words_are_never_markup(page: Page) -> None:
    tell(page, script.hello())
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    words = {"turn": 1, "committed": evil, "tail": evil, "final": False}
    tell(page, {"type": "words", "at": 1, **words})
    tell(page, {"type": "spoken", "at": 1, "turn": 1, "reply": 1, "text": evil})
    tell(page, {"type": "error", "at": 1, "stage": evil, "text": evil, "fatal": False})
    assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0
    assert text(page, ".line.agent .text") == evil
    clean(page)


def test_waterfall_of_each_turn(page: Page) -> None:
    tell(page, *script.call(24.0, simulated=True))
    assert text(page, ".big").split() == ["287", "ms"]
    assert "score" in text(page, ".because")
    names = texts(page, ".gantt .name")
    assert names[0] == "End of turn"
    assert any("simulated" in name for name in names)
    assert page.evaluate("document.querySelectorAll('.bar.simulated').length") == 1
    rows = texts(page, ".turnrow .v2v")
    assert rows == ["287 ms", "637 ms", "507 ms", "503 ms"]
    page.evaluate("document.querySelectorAll('.turnrow')[3].click()")
    assert text(page, ".big").split() == ["503", "ms"]
    # The reply was begun before the decision: its bar starts left of the decision's end.
    edges = page.evaluate(
        "['eot', 'llm'].map((key) => document.querySelector(`.gantt .bar.${key}`)"
        ".getBoundingClientRect()).map(({left, right}) => [left, right])"
    )
    assert edges[1][0] < edges[0][1]
    assert text(page, "#pause").startswith("Follow")  # the timeline shows that turn, held


def test_percentiles_and_counts(page: Page) -> None:
    tell(page, *script.call(24.0))
    v2v = text(page, '.tile[data-key="v2v_ms"]')
    assert "508 ms" in v2v
    assert "632 ms" in v2v
    counts = dict(
        page.evaluate(
            "[...document.querySelectorAll('.counts > div')]"
            ".map((one) => [one.querySelector('dt').innerText, one.querySelector('dd').innerText])"
        )
    )
    assert counts["Take-backs"] == "1"
    assert counts["Barge-ins"] == "1"
    assert counts["False interruptions"] == "0"
    assert "3 adopted, 3 discarded" in text(page, ".drafts")


def test_the_canvas_has_its_words(page: Page) -> None:
    tell(page, *script.call(24.0))
    assert "Newest:" in page.evaluate(
        "document.getElementById('timeline').getAttribute('aria-label')"
    )
    page.evaluate("document.querySelector('.aslist').open = true")
    log = text(page, "#log")
    assert "vad:600 would have cut you off 600 ms into the silence" in log
    assert "Turn decided over 312 ms after you stopped with a score of" in log


def test_the_canvas_is_painted_and_stops_painting(page: Page) -> None:
    tell(page, *script.call(12.0))
    painted = (
        "(() => { const c = document.getElementById('timeline');"
        " return c.getContext('2d').getImageData(0, 0, c.width, c.height).data"
        ".reduce((sum, x, i) => sum + (i % 4 === 3 && x > 0 ? 1 : 0), 0)"
        " / (c.width * c.height); })()"
    )
    assert page.evaluate(painted) > 0.3
    page.evaluate(
        "{ const draw = CanvasRenderingContext2D.prototype.clearRect; window.draws = 0;"
        " CanvasRenderingContext2D.prototype.clearRect = function (...a)"
        " { window.draws += 1; return draw.apply(this, a); }; }"
    )
    page.drain(0.8)
    page.evaluate("window.draws = 0")
    page.drain(0.3)
    assert page.evaluate("window.draws") == 0


def test_a_stage_that_failed_is_told(page: Page) -> None:
    tell(page, script.hello())
    error = {"type": "error", "at": 1, "stage": "tts", "text": "no audio in 2 s", "fatal": False}
    tell(page, error, error)
    assert texts(page, ".problem .title") == ["The voice failed"]
    assert "no audio in 2 s" in text(page, ".problem")
    assert page.evaluate("document.getElementById('problems').getAttribute('role')") == "alert"
    page.evaluate("document.querySelector('.problem [aria-label^=Dismiss]').click()")
    assert texts(page, ".problem") == []


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (503, "The server is full"),
        (401, "The server refused the token"),
        (403, "The server does not accept calls from this address"),
        (400, "The server refused the call"),
    ],
)
def test_a_refused_offer_is_told(page: Page, site: Site, status: int, title: str) -> None:
    site.offer = (status, {"error": "because of the test"})
    page.press("Enter")
    page.wait_for("document.querySelector('.problem')")
    assert text(page, ".problem .title") == title
    assert "because of the test" in text(page, ".problem")
    assert text(page, "#state").startswith("Ended")
    assert text(page, "#connect") == "Start talking"


def test_no_microphone_and_no_permission_are_told(page: Page) -> None:
    for name, title in (
        ("NotFoundError", "No microphone was found"),
        ("NotAllowedError", "The page may not use the microphone"),
    ):
        page.evaluate(
            "navigator.mediaDevices.getUserMedia = () =>"
            f" Promise.reject(new DOMException('so it is', '{name}'))"
        )
        page.evaluate("document.getElementById('connect').click()")
        page.wait_for("document.querySelector('.problem')")
        assert texts(page, ".problem .title") == [title]
    page.evaluate("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
    page.evaluate("document.getElementById('connect').click()")
    page.wait_for("document.querySelector('.problem .title').innerText.includes('keeps')")
    clean(page)


def test_a_server_that_is_gone_is_told(page: Page) -> None:
    page.evaluate("window.fetch = () => Promise.reject(new TypeError('Failed to fetch'))")
    page.press("Enter")
    page.wait_for("document.querySelector('.problem')")
    assert text(page, ".problem .title") == "The server does not answer"


def test_an_answer_that_never_connects_ends_in_words(page: Page, site: Site) -> None:
    site.offer = (200, {"sdp": "v=0", "type": "answer", "call": "c/1"})
    page.press("Enter")
    page.wait_for("document.querySelector('.problem')")
    assert text(page, "#state").startswith("Ended")
    page.drain(0.2)
    assert ("DELETE", "/api/calls/c%2F1", None) in site.requests


def test_the_token_is_asked_for_sent_and_kept_for_the_session(page: Page, site: Site) -> None:
    assert page.evaluate("document.getElementById('token-field').hidden")
    site.config["token_required"] = True
    load(page, site)
    assert not page.evaluate("document.getElementById('token-field').hidden")
    page.press("Enter")
    page.wait_for("document.querySelector('.problem')")
    assert text(page, ".problem .title") == "This server wants a token"
    assert page.evaluate("document.activeElement.id") == "token"
    page.command("Input.insertText", text="hush")
    page.press("Enter")
    page.wait_for("document.querySelector('.problem .title')?.innerText.includes('full')")
    assert ("POST", "/api/offer", "Bearer hush") in site.requests
    assert ("GET", "/api/config", "Bearer hush") in site.requests  # relays, with the token only
    assert page.evaluate("sessionStorage.getItem('turnkit.token')") == "hush"
    assert page.evaluate("Object.values(localStorage).includes('hush')") is False
    assert "hush" not in page.evaluate("JSON.stringify(main.diagnostics())")
    page.evaluate("sessionStorage.clear()")


def test_diagnostics_tell_what_happened_and_nothing_private(page: Page) -> None:
    tell(page, *script.call(24.0))
    found = page.evaluate("main.diagnostics()")
    assert found["call"]["id"] == "b7c1"
    assert found["turns"][1]["outcome"] == "answered"
    written = json.dumps(found)
    for private in ("table", "candidate:", "ice-pwd", "a=fingerprint"):
        assert private not in written


def test_keyboard(page: Page) -> None:
    tell(page, *script.call(12.0))
    page.evaluate("document.activeElement.blur()")
    page.press("p")
    assert page.evaluate("document.getElementById('pause').getAttribute('aria-pressed')") == "true"
    page.press("p")
    assert text(page, "#pause").startswith("Pause")
    page.evaluate("document.getElementById('timeline').focus()")
    page.press("ArrowLeft")
    assert text(page, "#pause").startswith("Follow")
    page.evaluate("document.activeElement.blur()")
    # A server that takes its time, so that there is something to hang up.
    page.evaluate("window.fetch = () => new Promise(() => {})")
    page.press(" ")
    page.wait_for("document.getElementById('state').innerText === 'Connecting'")
    page.press("Escape")
    page.wait_for("document.getElementById('state').innerText === 'Ended: you hung up'")


def test_everything_is_reached_by_tab(page: Page) -> None:
    tell(page, *script.call(12.0))
    page.evaluate("document.activeElement.blur()")
    reached = []
    focused = "document.activeElement.id || document.activeElement.className"
    for _ in range(40):
        page.press("Tab")
        reached.append(page.evaluate(focused))
    for wanted in ("connect", "theme", "microphone", "pause", "timeline", "words", "turnrow"):
        assert wanted in reached


def test_unreadable_messages_are_counted_and_left_out(page: Page) -> None:
    tell(page, script.hello())
    assert page.evaluate("main.handle({type: 'phase', at: 1, phase: 'asleep'})") is False
    assert page.evaluate("main.handle({type: 'from the future', at: 1})") is False
    assert page.evaluate("main.handle({type: 'pong', at: 1, sent: 0.5})") is False
    assert page.evaluate("main.handle({type: 'cancelled', at: 1, what: 'stt', ms: 1})") is False
    assert page.evaluate("Object.keys(main.diagnostics().unreadable_messages)") == [
        'phase: "phase" is not what it should be'
    ]
    clean(page)


@pytest.mark.parametrize("width", [360, 768, 1024, 1360])
def test_nothing_overflows_sideways(page: Page, site: Site, width: int) -> None:
    page.resize(width, 800, mobile=width < 500)
    load(page, site)
    site.config["token_required"] = True
    tell(page, *script.call(24.0))
    long = {"type": "error", "at": 1, "stage": "llm", "text": "x" * 300, "fatal": True}
    tell(page, long)
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths == [width, width]


# The contrast of WCAG 2.2 (1.4.3) of every text on the page that can be seen.
CONTRASTS = """
(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const ground = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const color = rgb(getComputedStyle(one).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const luminance = (color) => {
    const [r, g, b] = color.slice(0, 3).map((x) => x / 255)
      .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const said = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    if (!said || !node.checkVisibility() || node.closest(".hidden, .skip, :disabled")) continue;
    const [a, b] = [luminance(rgb(getComputedStyle(node).color)), luminance(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push([ratio, `${node.tagName}.${node.className}: ${node.textContent.slice(0, 30)}`]);
  }
  return found.sort((a, b) => a[0] - b[0]);
})()
"""


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_contrast_of_all_text(page: Page, site: Site, theme: str) -> None:
    page.media(prefers_color_scheme="light" if theme == "dark" else "dark")
    load(page, site, f"?theme={theme}")
    tell(page, *script.call(24.0, simulated=True))
    error = {"type": "error", "at": 1, "stage": "llm", "text": "it hangs", "fatal": False}
    tell(page, error)
    page.evaluate("document.getElementById('show-drafts').click()")
    found = page.evaluate(CONTRASTS)
    assert len(found) > 60
    assert found[0][0] >= 4.5, found[:8]
    page.media()


def test_the_theme_follows_the_system_until_it_is_chosen(page: Page, site: Site) -> None:
    theme = "document.documentElement.dataset.theme"
    try:
        for wanted in ("dark", "light"):
            page.media(prefers_color_scheme=wanted)
            page.wait_for(f"{theme} === '{wanted}'")
        page.evaluate("document.getElementById('theme').click()")
        assert page.evaluate(theme) == "dark"
        load(page, site)
        assert page.evaluate(theme) == "dark"
    finally:
        page.evaluate("localStorage.clear()")
        page.media()


def test_processing_is_off_where_the_address_says_so(page: Page, site: Site) -> None:
    load(page, site, "?processing=off")
    checked = "[...document.querySelectorAll('fieldset input')].map((one) => one.checked)"
    assert page.evaluate(checked) == [False, False, False]
    load(page, site)
    assert page.evaluate(checked) == [True, True, True]


def test_motion_is_reduced_where_that_is_wished(page: Page) -> None:
    page.media(prefers_reduced_motion="reduce")
    tell(page, *script.call(12.0))
    style = "getComputedStyle(document.getElementById('connect'))"
    assert page.evaluate(f"{style}.transitionDuration") == "0s"
    page.media()
