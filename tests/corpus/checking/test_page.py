from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.browser import Browser, Page, chromium
from turnkit.corpus.checking.corrections import CORRECTIONS, Correction, read_corrections
from turnkit.corpus.checking.doubts import Doubt
from turnkit.corpus.checking.inspection import Report, SplitReport
from turnkit.corpus.checking.page import choose_rows, write_page
from turnkit.corpus.checking.serving import make_server
from turnkit.corpus.reader import load_corpus, load_splits
from turnkit.corpus.schema import Span
from turnkit.errors import ConfigError

MakeRow = Callable[..., dict[str, Any]]
WriteParquet = Callable[..., Path]

READY = "document.documentElement.dataset.ready === 'true'"
SAVED = "document.getElementById('state').dataset.state === 'saved'"


@pytest.fixture(scope="module")
def folder(
    make_row: MakeRow, write_parquet: WriteParquet, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    home = tmp_path_factory.mktemp("page")
    rows = [make_row(f"t{i}", transcript="</script><b>so") for i in range(3)]
    splits = load_splits(str(write_parquet(home / "train.parquet", rows)))
    doubts = tuple(
        Doubt(index, f"t{index}", "end cut", "too early", (Span(2.0, 2.2),)) for index in (0, 2)
    )
    report = Report({"train": SplitReport("train", False, 3, 3, (), (), doubts)}, ())
    assert write_page(home / "page", splits, report, title="<corpus>") == 2
    return home / "page"


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    (folder / CORRECTIONS).unlink(missing_ok=True)
    with make_server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def ask(
    port: int, method: str, path: str, body: str = "", **headers: str
) -> tuple[int, bytes, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body.encode() or None, named)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, answer


def test_a_frequent_doubt_does_not_crowd_others_out() -> None:
    doubts = [("train", Doubt(k, f"r{k}", "frequent", "")) for k in range(100)]
    doubts += [("train", Doubt(k, f"r{k}", "rare", "")) for k in (50, 120)]
    doubts += [("train", Doubt(7, "r7", "unusable", ""))]
    chosen = choose_rows(doubts, 6)
    numbers = [index for _, index, _ in chosen]
    assert len(numbers) == 6
    assert {50, 120} <= set(numbers)
    assert [d.kind for _, k, found in chosen for d in found if k == 50] == ["frequent", "rare"]
    assert 7 not in [index for _, index, _ in choose_rows(doubts, 1_000)]
    assert len(choose_rows(doubts, 1_000)) == 100


def test_the_page_holds_what_it_shows_and_nothing_from_elsewhere(folder: Path) -> None:
    html = (folder / "index.html").read_text("utf-8")
    assert "&lt;corpus&gt;" in html
    assert not re.search(r'(src|href)="(https?:)?//', html)
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)
    cards = json.loads(data)
    assert [card["id"] for card in cards] == ["t0", "t2"]
    assert cards[0]["transcript"] == "</script><b>so"
    assert max(cards[0]["wave"]) == 100
    assert all((folder / card["sound"]).read_bytes().startswith(b"fLaC") for card in cards)


def test_sounds_are_sent_whole_and_in_parts(port: int, folder: Path) -> None:
    whole = (folder / "audio" / "0000.flac").read_bytes()
    status, body, answer = ask(port, "GET", "/audio/0000.flac")
    assert (status, body, answer.headers["Content-Type"]) == (200, whole, "audio/flac")
    for asked, part in (("10-19", whole[10:20]), ("5-", whole[5:]), ("-7", whole[-7:])):
        status, body, answer = ask(port, "GET", "/audio/0000.flac", Range=f"bytes={asked}")
        assert (status, body) == (206, part)
    assert answer.headers["Content-Range"].endswith(f"/{len(whole)}")
    assert ask(port, "GET", "/audio/0000.flac", Range=f"bytes={len(whole)}-")[0] == 416


@pytest.mark.parametrize(
    "path", ["/audio/../index.html", "/audio/0099.flac", "/..%2f..%2fetc/passwd", "/train.parquet"]
)
def test_nothing_else_is_sent(port: int, path: str) -> None:
    assert ask(port, "GET", path)[0] == 404


def test_corrections_are_saved_and_sent_back(port: int, folder: Path) -> None:
    assert ask(port, "GET", f"/{CORRECTIONS}")[:2] == (200, b"")
    line = '{"id": "t0", "split": "train", "drop": true}\n'
    assert ask(port, "PUT", f"/{CORRECTIONS}", line)[:2] == (200, b"1")
    assert read_corrections(folder / CORRECTIONS) == [Correction("t0", "train", drop=True)]
    assert json.loads(ask(port, "GET", f"/{CORRECTIONS}")[1])["drop"] is True


def test_what_is_no_correction_is_refused_and_the_file_stays(port: int, folder: Path) -> None:
    ask(port, "PUT", f"/{CORRECTIONS}", '{"id": "t0"}\n')
    status, told, _ = ask(port, "PUT", f"/{CORRECTIONS}", '{"id": "t0", "last": "maybe"}\n')
    assert status == 400
    assert b"'maybe': expected 'end' or 'hold'" in told
    assert ask(port, "PUT", "/elsewhere.jsonl", '{"id": "t0"}\n')[0] == 404
    assert read_corrections(folder / CORRECTIONS) == [Correction("t0")]


def test_a_body_that_was_cut_short_is_refused_and_the_file_stays(port: int, folder: Path) -> None:
    ask(port, "PUT", f"/{CORRECTIONS}", '{"id": "t0"}\n{"id": "t2"}\n')
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = f"PUT /{CORRECTIONS} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 26\r\n"
        connection.sendall(f'{head}\r\n{{"id": "t0"}}\n'.encode())
        connection.shutdown(socket.SHUT_WR)
        assert b" 400 " in connection.recv(1_000).partition(b"\r\n")[0]
    assert len(read_corrections(folder / CORRECTIONS)) == 2


def test_a_tab_of_another_corpus_cannot_save_over_this_one(port: int, folder: Path) -> None:
    ask(port, "PUT", f"/{CORRECTIONS}", '{"id": "t0"}\n')
    status, told, _ = ask(port, "PUT", f"/{CORRECTIONS}", '{"id": "t1"}\n', X_Corpus="another")
    assert (status, b"another corpus" in told) == (409, True)
    assert read_corrections(folder / CORRECTIONS) == [Correction("t0")]


@pytest.mark.parametrize(
    "line",
    [
        f'{{"id": "t0", "spans": [{{"start": 0, "end": {"9" * 400}}}]}}',
        f'{{"id": "t0", "spans": [{{"start": 0, "end": {"9" * 5_000}}}]}}',
        '{"id": "t0", "note": "\\ud800"}',
        '{"id": "\\ud800", "last": 1}',
    ],
    ids=["400 digits", "5000 digits", "half a character", "half a character in a message"],
)
def test_whatever_is_sent_gets_an_answer(port: int, folder: Path, line: str) -> None:
    assert ask(port, "PUT", f"/{CORRECTIONS}", line)[0] == 400
    assert not (folder / CORRECTIONS).exists()


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}],
    ids=["origin", "host", "null"],
)
def test_other_sites_cannot_ask(port: int, folder: Path, headers: dict[str, str]) -> None:
    assert ask(port, "PUT", f"/{CORRECTIONS}", '{"id": "t0"}\n', **headers)[0] == 403
    assert ask(port, "GET", "/", **headers)[0] == 403
    assert not (folder / CORRECTIONS).exists()


def test_a_body_that_is_too_long_is_refused_unread(port: int) -> None:
    headers = {"Content_Length": str(1 << 40)}
    assert ask(port, "PUT", f"/{CORRECTIONS}", "x", **headers)[0] == 413


def test_a_port_in_use_is_named(port: int, folder: Path) -> None:
    with pytest.raises(ConfigError, match=f"port {port}: cannot be served on 127.0.0.1"):
        make_server(folder, port)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("no Chromium")
    with Browser.launch() as started:
        yield started


def fill(page: Page, label: str, value: str) -> None:
    page.evaluate(
        f"""(() => {{ const input = document.querySelector('[aria-label="{label}"]');
        input.value = "{value}"; input.dispatchEvent(new Event("change")); }})()"""
    )


def test_corrections_made_in_a_browser_are_there_again(
    browser: Browser, port: int, folder: Path
) -> None:
    address = f"http://127.0.0.1:{port}/"
    with browser.page(address) as page:
        page.wait_for(READY)
        fill(page, "silence 2 start, seconds", "2.25")
        page.evaluate("document.querySelectorAll('.drop')[1].click()")
        page.evaluate("document.querySelectorAll('.hold')[0].click()")
        page.wait_for(SAVED)
        # Each says what it is of.
        first, _, third = load_corpus(str(folder.parent / "train.parquet")).digests
        name = str(folder.parent / "train.parquet")
        spans = (Span(0.8, 1.3), Span(2.25, 3.0))
        expected = [
            Correction("t0", "train", spans, "hold", corpus=name, audio=first),
            Correction("t2", "train", drop=True, corpus=name, audio=third),
        ]
        assert read_corrections(folder / CORRECTIONS) == expected
        page.goto(address)
        page.wait_for(READY)
        start = """document.querySelector('[aria-label="silence 2 start, seconds"]').value"""
        assert page.evaluate(start) == "2.25"
        assert page.evaluate("document.querySelectorAll('.changed').length") == 2
        assert page.evaluate("document.querySelectorAll('.drop')[1].checked")
        page.evaluate("document.querySelector('.reset').click()")
        page.wait_for(SAVED)
        assert read_corrections(folder / CORRECTIONS) == expected[1:]
        assert page.errors == []


def test_an_edge_is_dragged_in_the_waveform(browser: Browser, port: int, folder: Path) -> None:
    with browser.page(f"http://127.0.0.1:{port}/") as page:
        page.wait_for(READY)
        box = page.evaluate(
            "(() => { const c = document.querySelector('canvas');"
            " c.scrollIntoView({block: 'center'}); return c.getBoundingClientRect().toJSON(); })()"
        )
        y = box["y"] + box["height"] / 2
        for kind, second in (("Pressed", 0.8), ("Moved", 0.6), ("Moved", 0.5), ("Released", 0.5)):
            page.command(
                "Input.dispatchMouseEvent",
                type=f"mouse{kind}",
                x=box["x"] + box["width"] * second / 3.0,
                y=y,
                button="left",
                buttons=1,
                clickCount=1,
            )
        page.wait_for(SAVED)
        (one,) = read_corrections(folder / CORRECTIONS)
        assert one.spans is not None
        assert one.spans[0].start == pytest.approx(0.5, abs=0.02)
        assert one.spans[0].end == 1.3
        assert page.errors == []


def test_a_sound_plays_from_where_it_is_asked_to(browser: Browser, port: int) -> None:
    with browser.page(f"http://127.0.0.1:{port}/") as page:
        page.wait_for(READY)
        page.evaluate("document.querySelectorAll('tbody button')[2].click()", gesture=True)
        playing = "document.querySelector('audio').currentTime > 1.0"
        page.wait_for(playing)
        assert page.evaluate("document.querySelector('audio').duration") == pytest.approx(3.0)
        assert page.errors == []


def test_a_page_opened_as_a_file_keeps_corrections_too(browser: Browser, folder: Path) -> None:
    with browser.page((folder / "index.html").as_uri()) as page:
        page.wait_for(READY)
        page.evaluate("document.querySelector('.drop').click()")
        page.wait_for(SAVED)
        page.goto((folder / "index.html").as_uri())
        page.wait_for(READY)
        assert page.evaluate("document.querySelector('.drop').checked")
        assert page.errors == []
