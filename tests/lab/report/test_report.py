from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.lab.runs import make_run
from turnkit.lab.folder import RunFolder
from turnkit.lab.measuring.checks import parse_check
from turnkit.lab.measuring.figures import NAMES as MEASURED
from turnkit.lab.measuring.figures import describe
from turnkit.lab.measuring.run import MeasuredRun, measure_run
from turnkit.lab.report.clips import clip_of
from turnkit.lab.report.names import NAMES, interval_text, number_text
from turnkit.lab.report.page import write_report
from turnkit.lab.report.plan_text import cautions_of, head_of, marks_of, simulated_spans
from turnkit.lab.report.rows import TrialRow, TurnRow, rows_of
from turnkit.lab.report.tables import groups, is_simulated, network_table, overlaps, tiles
from turnkit.lab.report.turn_list import turn_list
from turnkit.lab.report.worst import worst_turns

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


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, MeasuredRun]:
    folder = make_run(tmp_path_factory.mktemp("report") / "run")
    run = measure_run(folder)
    found = describe(run)
    checks = [parse_check(text).judge(found["figures"]) for text in folder.read_plan()["expect"]]
    write_report(folder, run, found, checks, [("The <agent>", "../agent.html")])
    return folder, run


@pytest.fixture(scope="module")
def html(reported: tuple[RunFolder, MeasuredRun]) -> str:
    return (reported[0].path / "report.html").read_text("utf-8")


def test_the_page_needs_nothing_but_itself_and_links_where_it_was_told(html: str) -> None:
    page = Page(html)
    addresses = [
        value
        for _, attributes in page.found
        for key, value in attributes.items()
        if key in ("src", "href", "xlink:href") and value is not None
    ]
    outside = [each for each in addresses if not each.startswith(("data:", "#"))]
    assert outside == ["../agent.html"]
    assert "The <agent>" in page.text
    assert not re.search(r"url\(\s*['\"]?http", html)
    assert len(html) < 6_000_000


def test_ids_are_unique_and_references_lead_somewhere(html: str) -> None:
    page = Page(html)
    ids = [a["id"] for _, a in page.found if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes in page.found:
        label = attributes.get("aria-labelledby")
        assert label is None or label in ids


def test_what_was_simulated_is_marked_at_the_top_and_at_every_figure(html: str) -> None:
    text = Page(html).text
    assert "SIMULATED: STT, LLM" in text
    assert "LLM fake (SIMULATED)" in text
    assert "llm (simulated)" in text
    assert "llm (SIMULATED)" in text
    assert "tts (simulated)" not in text
    assert "Voice to voice SIMULATED" in text
    assert "LLM, first token SIMULATED" in text
    assert "EOT delay SIMULATED" not in text
    assert "TTS, first audio SIMULATED" not in text


def test_checks_and_turns_and_overlaps_are_shown(
    html: str, reported: tuple[RunFolder, MeasuredRun]
) -> None:
    page = Page(html)
    assert "v2v_p50 < 900" in page.text
    assert "false_interruptions == 0" in page.text
    badges = [a.get("class") for a in page.all("span") if "badge" in (a.get("class") or "")]
    assert "badge holds" in badges
    assert "badge fails" in badges
    assert len(page.all("details")) == len(reported[1].turns) == 12
    assert "interruption" in page.text
    assert "onset to silence, P50" in page.text


def test_sounds_are_stereo_and_as_long_as_their_pictures(html: str) -> None:
    page = Page(html)
    sounds = [str(a["src"]) for a in page.all("audio")]
    stages = [a for a in page.all("div") if a.get("class") == "stage"]
    assert len(sounds) == len(stages) == 10
    for sound, stage in zip(sounds, stages, strict=True):
        kind, _, content = sound.partition(";base64,")
        assert kind == "data:audio/flac"
        both, rate = soundfile.read(io.BytesIO(base64.b64decode(content)))
        assert both.shape[1] == 2
        assert len(both) / rate == pytest.approx(float(str(stage["data-seconds"])))


def test_the_same_figures_are_there_for_machines(
    reported: tuple[RunFolder, MeasuredRun],
) -> None:
    folder, run = reported
    content = json.loads((folder.path / "report.json").read_text("utf-8"))
    assert content["plan"] == folder.read_plan()
    assert content["figures"] == json.loads(json.dumps(describe(run)["figures"]))
    assert [turn["name"] for turn in content["turns"]] == [t.heard.name for t in run.turns]
    assert [check["holds"] for check in content["checks"]] == [True, False]


def test_without_the_agents_log_the_page_has_waits_but_no_spans(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", calls=2)
    for log in folder.path.glob("calls/*/agent.jsonl"):
        log.unlink()
    run = measure_run(folder)
    assert all(turn.spans == {} for turn in rows_of(run))
    write_report(folder, run, describe(run))
    page = Page((folder.path / "report.html").read_text("utf-8"))
    assert "How long the caller waited" in page.text
    assert "Where the time went" not in page.text
    assert len(page.all("details")) == 6


def test_a_run_in_which_nothing_was_said_has_a_page(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_plan({})
    run = measure_run(folder)
    write_report(folder, run, describe(run))
    Page((tmp_path / "report.html").read_text("utf-8"))


def row(name: str, v2v: float | None = None, **more: object) -> TurnRow:
    return replace(TurnRow(0, 0, name, 0.0, 0.1, 2.0, v2v_ms=v2v), **more)  # type: ignore[arg-type]


def test_the_worst_turns_are_long_waits_with_places_for_the_other_kinds() -> None:
    waits = [row(f"w{k}", float(k)) for k in range(30)]
    cuts = [row(f"c{k}", false_interruption=True, false_start=1.9 - 0.1 * k) for k in range(5)]
    silent = [row(f"s{k}", missed=True, dead_air=True) for k in range(4)]
    chosen = [turn.name for turn in worst_turns([*silent, *waits, *cuts])]
    assert chosen == ["w29", "w28", "w27", "w26", "w25", "c4", "c3", "c2", "s0", "s1"]
    assert [t.name for t in worst_turns(waits)] == [f"w{k}" for k in range(29, 19, -1)]
    assert {t.name for t in worst_turns([*cuts, *silent])} == {
        *(f"c{k}" for k in range(5)), *(f"s{k}" for k in range(4)),
    }  # fmt: skip
    assert worst_turns([]) == []


def test_clips_reach_from_before_the_end_to_after_the_onset(
    reported: tuple[RunFolder, MeasuredRun],
) -> None:
    folder, run = reported
    for turn in rows_of(run):
        recording = folder.read_call(turn.call)
        clip = clip_of(recording, turn)
        first = turn.ended if turn.false_start is None else min(turn.ended, turn.false_start)
        assert clip.begin == pytest.approx(max(0, first - 2), abs=1e-4)
        at = round(clip.begin * 16_000)
        np.testing.assert_array_equal(clip.sent, recording.sent[at : at + len(clip.sent)])
        if turn.audible is not None:
            assert clip.begin + clip.seconds == pytest.approx(turn.audible + 1.5, abs=1e-3)


def test_bars_of_the_list_are_as_long_as_the_spans() -> None:
    spans = {"eot": 200.0, "uplink": 50.0, "llm": 150.0, "tts": 100.0}
    lines, zero, _ = turn_list([row("slow", 500.0, spans=spans), row("fast", 250.0)])
    assert [line["name"] for line in lines] == ["slow", "fast"]
    assert zero == 0
    ends = [float(x) + float(width) for x, width, _ in lines[0]["bars"]]
    assert ends == pytest.approx([400, 500, 800, 1000], abs=1)
    assert float(lines[1]["bars"][0][1]) == pytest.approx(500, abs=1)


def test_a_list_of_very_many_turns_leaves_the_fastest_out_and_says_so() -> None:
    lines, _, note = turn_list([row(f"t{k}", float(k)) for k in range(1_200)])
    assert len(lines) == 1_000
    assert lines[-1]["name"] == "t200"
    assert "1200" in note


def test_every_figure_that_is_measured_has_a_name() -> None:
    assert set(MEASURED) <= set(NAMES)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.0512, "%", "5.1 %"), (512.4, "ms", "512 ms"), (3.0, "", "3"), (None, "ms", "-"),
     (0.254, "cores", "0.25"), (2.5, "", "2.50")],
)  # fmt: skip
def test_values_are_written_in_their_unit(value: float | None, unit: str, text: str) -> None:
    assert number_text(value, unit) == text


def test_intervals_are_written_once_with_their_unit_left_out() -> None:
    assert interval_text({"low": 0.1, "high": 0.25}, "%") == "[10.0 .. 25.0]"
    assert interval_text({"low": None, "high": None}, "ms") == ""


def test_a_network_between_is_simulated_and_marks_its_spans() -> None:
    plan = {"network": {"name": "far"}, "stages": {"llm": {"simulated": True}}}
    assert marks_of(plan) == ["SIMULATED: LLM", "SIMULATED: network far"]
    assert simulated_spans(plan) == ["llm", "uplink", "downlink"]
    assert ("Network", "far (SIMULATED)") in head_of(plan, {})


def test_steal_and_skipped_frames_are_told() -> None:
    figures = {"skipped_frame_rate": {"value": 0.02}, "failed_calls": {"value": 1.0}}
    told = cautions_of({"steal": 0.03}, figures)
    for word, line in zip(("1 calls", "3.0%", "2.0% of its frames"), told, strict=True):
        assert word in line
    assert cautions_of({"steal": 0.01}, {}) == []
    half = cautions_of({"calls": 4}, {"calls": {"value": 2}, "late_frame_rate": {"value": 0.02}})
    assert half[0] == "Incomplete: 2 of 4 planned calls are finished."
    assert half[1].startswith("2.0% of the frames came too late")


def test_means_of_the_network_are_weighted_and_largest_stay_largest() -> None:
    calls = [
        {"up": {"packets": 30, "delay_ms_mean": 10.0, "delay_ms_max": 90.0}},
        {"up": {"packets": 10, "delay_ms_mean": 50.0, "delay_ms_max": 60.0}},
        {"up": {"packets": 0, "delay_ms_mean": 0.0, "delay_ms_max": 0.0}},
    ]
    table = network_table(calls)
    assert table is not None
    assert table["rows"] == [["up", "40", "20.0", "90.0"]]


def test_counts_of_the_network_are_summed_by_direction() -> None:
    calls: list[dict[str, Any]] = [
        {"up": {"packets": 5, "lost": 1, "note": "x"}, "down": {"packets": 4}},
        {"up": {"packets": 7}, "name": "far"},
        {},
    ]
    table = network_table(calls)
    assert table is not None
    assert table["columns"] == ["direction", "packets", "lost"]
    assert table["rows"] == [["up", "12", "1"], ["down", "4", "-"]]
    assert network_table([{}]) is None


def test_what_was_said_over_the_agent_is_told_by_kind_and_by_name_if_those_are_few() -> None:
    def trial(kind: str, name: str, stopped: bool, ms: float | None) -> TrialRow:
        return TrialRow(0, kind, name, 1.0, stopped, ms)

    trials = [
        trial("backchannel", "yeah", False, 2000.0),
        trial("backchannel", "yeah #2", True, 300.0),
        trial("backchannel", "okay", True, 100.0),
        *(trial("interruption", f"row-{k}", True, 400.0) for k in range(12)),
        trial("interruption", "row-12", False, 2600.0),
        trial("interruption", "row-13", False, None),
        trial("interruption", "row-14", False, None),
    ]
    table = overlaps(trials)
    assert table is not None
    # What stopped too late counts, and what never stopped ranks above all.
    assert [row[:6] for row in table["rows"]] == [
        ["backchannel", "", "3", "2 of 3", "200 ms", "280 ms"],
        ["", "okay", "1", "1 of 1", "100 ms", "100 ms"],
        ["", "yeah", "2", "1 of 2", "300 ms", "300 ms"],
        ["interruption", "", "15", "12 of 15", "400 ms", "never"],
    ]
    assert overlaps([]) is None


def test_a_figure_that_is_never_has_a_tile_and_a_row() -> None:
    never = {"value": None, "n": 9, "low": 500.0, "high": None, "censored": True}
    (tile,) = tiles({"v2v_p90": never}, {})
    assert (tile["value"], tile["unit"], tile["rest"]) == ("never", "", "[500 .. never] n = 9")
    (group,) = groups({"v2v_p90": never, "v2v_p50": {"value": None, "n": 0}}, {})
    assert group["rows"][0]["cells"] == [{"value": "never", "interval": "[500 .. never]"}]


@pytest.mark.parametrize(
    ("simulated", "marked"),
    [
        ({"stages": {"llm": {"simulated": True}}}, {"v2v_p50", "post_commit_p90", "llm_p50"}),
        (
            {"network": {"name": "far"}},
            {"v2v_p50", "eot_p50", "post_commit_p90", "uplink_p50", "stop_from_decision_p50"},
        ),
        ({"stages": {"tts": {"simulated": False}}, "network": None}, set()),
    ],
)
def test_a_figure_is_simulated_if_a_part_of_it_is(
    simulated: dict[str, Any], marked: set[str]
) -> None:
    figures = (
        "v2v_p50", "eot_p50", "post_commit_p90", "uplink_p50", "llm_p50", "tts_p50",
        "stop_from_decision_p50", "eot_span_p50", "false_interruption_rate", "turns",
    )  # fmt: skip
    assert {figure for figure in figures if is_simulated(figure, simulated)} == marked
