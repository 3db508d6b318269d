from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from turnkit.audio import decode_audio
from turnkit.corpus.reader import Corpus
from turnkit.evaluate import Evaluation, evaluate, worst_cutoffs
from turnkit.plot import plot_frontier
from turnkit.plot.style import INK, SERIES
from turnkit.report import frontier_curves, to_html
from turnkit.report.page import _cell
from turnkit.report.svg import to_svg

VOID = {"meta", "link", "br", "img", "input", "hr", "path", "use", "rect"}


class Page(HTMLParser):
    """Tags with their attributes; elements must close in the order in which they open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


class Rows:
    """Bursts of noise with a hold and an end, as rows; one transcript wants escaping."""

    column_names = ["id", "language", "speaker", "audio", "silence_spans", "transcript"]  # noqa: RUF012

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(0)
        level = np.repeat([0.3, 0.001, 0.3, 0.001], [8_000, 6_000, 8_000, 16_000])
        self.rows = [
            {
                "id": f"r{k}",
                "language": "en",
                "speaker": f"s{k // 2}",
                "audio": {
                    "array": (level * rng.standard_normal(len(level))).clip(-1, 1),
                    "sampling_rate": 8_000,
                },
                "silence_spans": [{"start": 1.0, "end": 1.75}, {"start": 2.75, "end": 4.75}],
                "transcript": "<script>alert('x')</script> & so on",
            }
            for k in range(count)
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        return [row[key] for row in self.rows] if isinstance(key, str) else self.rows[key]

    def __iter__(self) -> Any:
        return iter(self.rows)

    def select(self, indices: list[int]) -> Any:
        raise NotImplementedError


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(Corpus("noise", Rows(4)), ["vad:webrtc:300", "vad:webrtc:900"], resamples=20)


@pytest.fixture(scope="module")
def html(evaluation: Evaluation) -> str:
    return to_html(evaluation, cutoffs=3)


def test_the_page_is_whole_and_asks_the_network_for_nothing(html: str) -> None:
    page = Page(html)
    for _, attributes in page.found:
        for name in ("src", "href", "xlink:href", "action", "data", "poster"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:")), (name, value[:40])
    assert re.findall(r"url\((?!#)[^)]*\)", html) == []
    assert "@import" not in html
    policy = next(m for m in page.all("meta") if m.get("http-equiv"))
    assert str(policy["content"]).startswith("default-src 'none'")


def test_ids_are_unique_and_references_resolve(html: str) -> None:
    page = Page(html)
    ids = [a["id"] for _, a in page.found if "id" in a]
    assert len(ids) == len(set(ids))
    wanted = [a["aria-labelledby"] for _, a in page.found if "aria-labelledby" in a]
    wanted += [str(a["xlink:href"])[1:] for a in page.all("use")]
    wanted += re.findall(r"url\(#([^)]*)\)", html)
    assert wanted
    assert set(wanted) <= set(ids)


def test_text_of_a_corpus_cannot_become_markup(html: str) -> None:
    page = Page(html)
    assert len(page.all("script")) == 1
    assert "<script>alert('x')</script> & so on" in page.text


def test_worst_cutoffs_can_be_heard_and_seen(html: str, evaluation: Evaluation) -> None:
    import base64

    page = Page(html)
    worst = worst_cutoffs(evaluation.detectors[0], 3)
    assert worst is not None
    assert len(worst.cutoffs) == 3
    sounds = page.all("audio")
    assert len(sounds) == 3
    assert all("controls" in sound for sound in sounds)
    encoded = str(sounds[0]["src"]).removeprefix("data:audio/wav;base64,")
    samples, rate = decode_audio(base64.b64decode(encoded))
    original = evaluation.corpus[worst.cutoffs[0].row].samples
    assert rate == 8_000
    assert np.abs(samples - original).max() < 1e-4
    assert page.text.count("false cutoff") >= 3


def test_every_table_and_claim_is_there(html: str) -> None:
    page = Page(html)
    for title in ("Frozen policies, replayed", "Best on test", "Compute", "pure delay"):
        assert title in page.text
    assert page.text.count("not tested") == 2
    assert len(page.all("table")) >= 4
    assert all("scope" in cell for cell in page.all("th"))


def test_every_figure_has_a_name_for_those_who_do_not_see_it(html: str) -> None:
    figures = Page(html).all("svg")
    assert len(figures) == 4
    assert all(f["role"] == "img" and f["aria-label"] for f in figures)


def test_figures_take_their_colours_from_the_page(evaluation: Evaluation) -> None:
    figure = plot_frontier(frontier_curves(evaluation))
    svg = to_svg(figure, "f", 'a "label"')
    assert INK not in svg
    assert not any(colour in svg for colour in SERIES)
    assert "var(--ink)" in svg
    assert 'aria-label="a &quot;label&quot;"' in svg
    assert svg == to_svg(plot_frontier(frontier_curves(evaluation)), "f", 'a "label"')


def test_every_colour_variable_has_both_a_light_and_a_dark_value(html: str) -> None:
    used = set(re.findall(r"var\((--[\w]+)\)", html))
    light, dark = re.findall(r":root \{(.*?)\}", html, re.DOTALL)
    for block in (light, dark):
        assert used <= set(re.findall(r"(--\w+):", block))


def test_frontier_curves_draw_pure_delay_once(evaluation: Evaluation) -> None:
    curves = frontier_curves(evaluation)
    assert [curve.label for curve in curves] == ["vad:webrtc:300", "vad:webrtc:900", "pure delay"]
    assert [len(curve.latency_s) > 0 for curve in curves] == [False, False, True]
    assert [point.label for point in curves[0].points] == ["own policy"]


@pytest.mark.parametrize(
    ("text", "laid_out"),
    [
        ("26.8 % [22.1, 31.0] @ 297 ms", '26.8 %<span class="rest">[22.1, 31.0] @ 297 ms</span>'),
        (
            "905 ms [800, out of reach] @ 12.0 % MISSED",
            '905 ms <span class="flag">MISSED</span>'
            '<span class="rest">[800, out of reach] @ 12.0 %</span>',
        ),
        ("-0.9 pp [-2.3, 0.0]", '-0.9 pp<span class="rest">[-2.3, 0.0]</span>'),
        ("26.8 % @ 297 ms", '26.8 %<span class="rest">@ 297 ms</span>'),
        ("out of reach", '<span class="flag">out of reach</span>'),
        ("a < b", "a &lt; b"),
        ("3 of 5", "3 of 5"),
        ("-", "-"),
    ],
)
def test_cells(text: str, laid_out: str) -> None:
    assert str(_cell(text)) == laid_out
