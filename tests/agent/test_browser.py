"""The whole agent in a real browser: a caller's speech in, the agent's voice out."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from tests.agent import live
from tests.agent.browser import Browser, BrowserError, Page, microphone_flags
from turnkit.audio import Samples
from turnkit.corpus.reader import load_corpus
from turnkit.corpus.schema import Turn

pytestmark = pytest.mark.realtime

if (reason := live.missing()) is not None:
    pytest.skip(reason, allow_module_level=True)

BUNDLE = "default"
ROW = "synthetic-test-006-0054"
"""Of the embedded test split: "We're looking for a room for twelve nights". However that is
spelled, the language model answers in plain English that a recogniser can follow."""

BEFORE_S = 4.0
"""Silence before the speech: so long may it take to get through to the agent."""

READY = "document.documentElement.dataset.ready === 'true'"
IN_CALL = "document.getElementById('state').dataset.state === 'in call'"
ENDED = "document.getElementById('state').dataset.state === 'ended'"


@pytest.fixture(scope="module")
def row() -> Turn:
    return next(turn for turn in load_corpus("embedded:test") if turn.id == ROW)


@pytest.fixture(scope="module")
def service() -> Iterator[live.Service]:
    shadows = [part for name in live.shadows() for part in ("--shadow", name)]
    with live.serve("--bundle", BUNDLE, *shadows) as running:
        yield running


@pytest.fixture(scope="module")
def browser(row: Turn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    wav = tmp_path_factory.mktemp("microphone") / "caller.wav"
    live.write_microphone(wav, [row], BEFORE_S, 60.0)
    with Browser.launch(extra_flags=microphone_flags(wav)) as started:
        yield started


def call_up(page: Page, service: live.Service) -> None:
    """Load the page and call, by keyboard; the microphone's file starts from its beginning."""
    page.goto(f"{service.url}/?processing=off", timeout_s=60)
    page.wait_for(READY, timeout_s=30)
    page.evaluate("import('/static/main.js').then((main) => { window.main = main; })")
    page.press("Enter")
    page.wait_for(IN_CALL, timeout_s=30)
    page.wait_for("document.getElementById('speaker').srcObject")


def wait(condition: Callable[[], Any], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.05)


def texts(page: Page, selector: str) -> list[str]:
    script = f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.innerText)"
    found: list[str] = page.evaluate(script)
    return found


@dataclass(frozen=True)
class Seen:
    """What the page showed of a call, and the state it was drawn from."""

    state: dict[str, Any]
    caller: str
    agent: str
    facts: str
    log: str
    rows: dict[str, str]
    headline: str
    tiles: dict[str, str]
    substate: str


def look(page: Page) -> Seen:
    """Read a page as somebody reads it who opened the timeline in words."""
    page.evaluate("document.querySelector('.aslist').open = true")
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")
    keys = "[...document.querySelectorAll('.tile')].map((one) => one.dataset.key)"
    numbers, totals = texts(page, ".turnrow .n"), texts(page, ".turnrow .v2v")
    return Seen(
        state=page.evaluate("main.current()"),
        caller=" ".join(texts(page, ".line.caller .text")),
        agent=" ".join(texts(page, ".line.agent:not(.draft) .text")),
        facts=" ".join(texts(page, "#facts")),
        log=" ".join(texts(page, "#log")),
        rows=dict(zip(numbers, totals, strict=True)),
        headline=texts(page, ".headline .big")[0],
        tiles=dict(zip(page.evaluate(keys), texts(page, ".tile-p50"), strict=True)),
        substate=texts(page, "#substate")[0],
    )


@dataclass(frozen=True)
class Call:
    """A call from the first key to the last: seen, heard, and kept by the service."""

    seen: Seen
    sound: Samples
    recorded_from: float
    records: list[dict[str, Any]]
    calls: tuple[int, int]
    ended: str
    errors: list[str]


@pytest.fixture(scope="module")
def call(browser: Browser, service: live.Service, row: Turn) -> Call:
    """One call: the caller says the row, the agent answers, the caller hangs up."""
    with browser.page() as page:
        call_up(page, service)
        live.start_recording(page)
        recorded_from = page.evaluate("main.current().at")
        during = service.calls()
        page.wait_for(
            "(({phase, at, turns}) => phase === 'listening'"
            f" && at > {BEFORE_S + row.end.start + 1} "
            " && turns.every(({turn, record}) => turn === null || record)"
            " && turns.at(-1)?.replies.some(({state}) => state === 'done'))(main.current())",
            timeout_s=120,
        )
        sound = live.stop_recording(page)
        seen = look(page)
        page.press("Escape")
        page.wait_for(ENDED)
        wait(lambda: service.entries("call ended"), 15)
        wait(lambda: service.calls() == 0, 15)
        page.drain(0.2)
        (ended,) = texts(page, "#state")
        errors = list(page.errors)
    calls = (during, service.calls())
    return Call(seen, sound, recorded_from, service.entries("turn"), calls, ended, errors)


def shown_records(call: Call) -> list[dict[str, Any]]:
    """Records of the caller's turns, as the page has them."""
    return [turn["record"] for turn in call.seen.state["turns"] if turn["turn"] is not None]


def test_the_callers_words_are_on_the_page(call: Call, row: Turn) -> None:
    assert row.transcript is not None
    assert live.share_of_words(row.transcript, call.seen.caller) >= 0.6, call.seen.caller


def test_the_agents_words_are_on_the_page_as_they_were_played(call: Call) -> None:
    replies = [record["reply_text"] for record in shown_records(call)]
    assert len(replies[-1].split()) >= 2
    assert call.seen.agent.split() == " ".join(replies).split()


def test_the_agents_voice_came_out_of_the_page(call: Call) -> None:
    heard = live.loud_part(call.sound)
    level_db = 20 * np.log10(np.sqrt(np.mean(heard**2)))
    assert -40 < level_db < -6
    words = live.transcribe(heard[: 25 * live.RATE])
    reply = shown_records(call)[-1]["reply_text"]
    assert live.share_of_words(reply, words) >= 0.6, (reply, words)


def test_nothing_was_heard_before_the_caller_had_spoken(call: Call) -> None:
    # The page hears of the call's clock about ten times a second.
    heard_at = call.recorded_from + live.first_loud(call.sound)
    assert heard_at > shown_records(call)[0]["speech_end"] - 0.3


def test_the_waterfall_shows_what_the_service_kept(call: Call) -> None:
    shown = {record["turn"]: record for record in shown_records(call)}
    assert call.records
    assert sorted(shown) == [record["turn"] for record in call.records]
    for kept in call.records:
        there = shown[kept["turn"]]
        for name in ("speech_end", "decided_at", "sent_at", "v2v_ms", "outcome", "spans"):
            assert there[name] == kept[name], name
    last = call.records[-1]
    assert last["outcome"] == "answered"
    assert sum(ms or 0.0 for ms in last["spans"].values()) == pytest.approx(last["v2v_ms"])
    assert last["spans"]["transport"] is not None
    # JavaScript rounds halves up.
    rounded = f"{math.floor(last['v2v_ms'] + 0.5)} ms"
    assert call.seen.headline == rounded
    assert call.seen.rows[str(last["turn"])] == rounded


def test_the_figures_are_those_of_the_turns(call: Call) -> None:
    answered = [record for record in call.records if record["sent_at"] is not None]
    for name, values in (
        ("v2v_ms", [record["v2v_ms"] for record in answered]),
        ("post_commit_ms", [record["post_commit_ms"] for record in answered]),
        ("eot_ms", [record["spans"]["eot"] for record in answered]),
    ):
        shown = float(call.seen.tiles[name].removeprefix("P50").removesuffix("ms"))
        assert shown == pytest.approx(np.median(values), abs=1.0), name
    counts = call.seen.state["stats"]["counts"]
    assert counts["adopted"] + counts["discarded"] <= counts["speculations"]
    assert counts["stage_failures"] == 0


def test_shadows_heard_the_same_audio(call: Call) -> None:
    assert set(call.seen.state["call"]["shadows"]) == set(live.shadows())
    for name in live.shadows():
        assert name in call.seen.facts
    fired = {fire["detector"] for fire in call.seen.state["fires"]}
    assert "vad:600" in fired
    assert "vad:600 would have" in call.seen.log
    end = call.records[-1]["speech_end"]
    after = [fire["at"] for fire in call.seen.state["fires"] if fire["detector"] == "vad:600"]
    # Two detectors do not hear speech end at the same moment.
    assert 0.4 < after[-1] - end < 1.0


def test_a_call_is_there_and_gone(call: Call) -> None:
    assert call.calls == (1, 0)
    assert call.seen.substate.startswith("In call 0:")
    assert call.ended == "Ended: you hung up"
    assert call.errors == []


@pytest.mark.usefixtures("call")  # that one first: its log is its own
def test_a_tab_that_closes_in_the_middle_of_a_word_frees_the_call(
    browser: Browser, service: live.Service
) -> None:
    before = len(service.entries("call ended"))
    with browser.page() as page:
        call_up(page, service)
        assert service.calls() == 1
        page.wait_for(
            "main.current().phase === 'user speaking'"
            " && document.querySelector('.line.caller[data-final=\"false\"] .text')",
            timeout_s=60,
        )
        with contextlib.suppress(BrowserError, ConnectionClosed):
            page.command("Page.close", timeout_s=5)
    wait(lambda: service.calls() == 0, 15)
    wait(lambda: len(service.entries("call ended")) == before + 1, 15)
