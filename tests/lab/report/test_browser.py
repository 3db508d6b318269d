"""The page in a real browser: it works from a file, in both themes, and on a phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agent.browser import FAKE_MEDIA_FLAGS, Browser, Page, chromium
from tests.lab.runs import make_run
from turnkit.lab.measuring.figures import describe
from turnkit.lab.measuring.run import measure_run
from turnkit.lab.report.page import write_report

if chromium() is None:
    pytest.skip("no Chromium", allow_module_level=True)

NAMES = "[...document.querySelectorAll('#list details:not([hidden]) .who')].map(e => e.textContent)"
WAITS = "[...document.querySelectorAll('#list details')].map(e => +e.dataset.ms)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = make_run(tmp_path_factory.mktemp("page") / "run", calls=2)
    run = measure_run(folder)
    write_report(folder, run, describe(run))
    address = (folder.path / "report.html").as_uri()
    with Browser.launch(extra_flags=FAKE_MEDIA_FLAGS) as browser, browser.page(address) as page:
        yield page
        assert page.errors == []


def test_turns_are_sorted_and_found(page: Page) -> None:
    slowest = page.evaluate(WAITS)
    assert slowest == sorted(slowest, reverse=True)
    page.evaluate("order.value = 'fast'; order.dispatchEvent(new Event('change'))")
    assert page.evaluate(WAITS) == slowest[::-1]
    page.evaluate("order.value = 'said'; order.dispatchEvent(new Event('change'))")
    assert page.evaluate(NAMES) == [f"row-{k}" for k in range(6)]
    page.evaluate(
        "const box = document.querySelector('#find');"
        " box.value = 'ROW-4'; box.dispatchEvent(new Event('input'))"
    )
    assert page.evaluate(NAMES) == ["row-4"]
    assert page.evaluate("shown.textContent") == "1 of 6"
    page.evaluate("box.value = ''; box.dispatchEvent(new Event('input'))")
    assert len(page.evaluate(NAMES)) == 6


def test_a_line_opens_and_tells_its_spans(page: Page) -> None:
    page.evaluate("document.querySelector('#list summary').click()")
    text = page.evaluate("document.querySelector('#list details').innerText")
    assert "llm" in text
    assert "Of course, for when?" in text


def test_a_click_in_a_picture_plays_the_sound_from_there(page: Page) -> None:
    page.wait_for("document.querySelector('audio').readyState >= 1")
    seconds = page.evaluate("+document.querySelector('.stage').dataset.seconds")
    assert page.evaluate("document.querySelector('audio').duration") == pytest.approx(
        seconds, abs=0.05
    )
    page.evaluate(
        "(() => { const s = document.querySelector('.stage'), b = s.getBoundingClientRect();"
        " const at = +s.dataset.left + (s.dataset.right - s.dataset.left) / 2;"
        " s.dispatchEvent(new MouseEvent('click',"
        " {clientX: b.left + at * b.width, clientY: b.top + 5, bubbles: true})) })()"
    )
    page.wait_for(f"document.querySelector('audio').currentTime >= {seconds / 2 - 0.05}")
    page.wait_for("document.querySelector('.playhead').style.display === 'block'")
    page.evaluate("document.querySelectorAll('audio').forEach(a => a.pause())")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_in_both_themes(page: Page, theme: str) -> None:
    page.media(prefers_color_scheme=theme)
    ink, ground = (
        page.evaluate(
            f"getComputedStyle(document.querySelector('{part}')).{name}"
            ".match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + +part, 0)"
        )
        for part, name in (("h2", "color"), ("section", "backgroundColor"))
    )
    assert abs(ink - ground) > 450
    assert (ink < ground) == (theme == "light")


def test_nothing_is_wider_than_a_phone(page: Page) -> None:
    page.resize(390, 800, mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
