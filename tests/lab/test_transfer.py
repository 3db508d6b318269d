from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from tests.lab.runs import PLAN
from turnkit.corpus.reader import Corpus
from turnkit.detector.opening import open_detector
from turnkit.detector.policy import Policy
from turnkit.errors import ConfigError, RunError
from turnkit.evaluate.replaying import replay_turn
from turnkit.lab.folder import RunFolder
from turnkit.lab.measuring.measured import MeasuredTurn
from turnkit.lab.measuring.run import MeasuredRun
from turnkit.lab.measuring.turns import HeardTurn
from turnkit.lab.transfer import (
    Commits,
    Transfer,
    TransferTurn,
    hold_against,
    predict,
    transfer,
    transfer_text,
)

DETECTOR = "vad:webrtc:400"
ENDED = 2.75
"""Annotated end of every row, in its own time."""


class Rows:
    """Bursts of noise with a hold of 0.75 s and an end; the second row has no hold."""

    column_names = ["id", "language", "speaker", "audio", "silence_spans"]  # noqa: RUF012

    def __init__(self, rate: int = 16_000) -> None:
        rng = np.random.default_rng(0)
        self.rows = []
        for name, hold in (("held", 0.001), ("plain", 0.3)):
            lengths = [round(s * rate) for s in (1.0, 0.75, 1.0, 2.0)]
            level = np.repeat([0.3, hold, 0.3, 0.001], lengths)
            spans = [{"start": 1.0, "end": 1.75}] if hold < 0.1 else []
            samples = (level * rng.standard_normal(len(level))).clip(-1, 1)
            self.rows.append(
                {
                    "id": name,
                    "language": "en",
                    "speaker": "s",
                    "audio": {"array": samples, "sampling_rate": rate},
                    "silence_spans": [*spans, {"start": ENDED, "end": 4.75}],
                }
            )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return [row[key] for row in self.rows]
        return self.rows[key]


def corpus(rate: int = 16_000) -> Corpus:
    return Corpus("rows", cast(Any, Rows(rate)))


def measured(*turns: tuple[str, float, Sequence[float] | None]) -> MeasuredRun:
    """A run of turns: name, second at which the row began, and decisions in its own time."""
    found = []
    for name, began, decisions in turns:
        heard = HeardTurn(0, 0, name, None, began, began + ENDED, began + 9, None, began + 3.4, 1.0)
        at = None if decisions is None else tuple(began + each for each in decisions)
        found.append(MeasuredTurn(heard, None, at))
    return cast(MeasuredRun, SimpleNamespace(turns=found))


def test_the_prediction_is_what_evaluation_finds() -> None:
    rows, detector = corpus(), open_detector(DETECTOR)
    for number, cut in ((0, True), (1, False)):
        outcome = replay_turn(detector, rows[number])
        found = predict(rows, number, detector)
        assert found.cut is cut
        assert found.early == tuple(each.at_s for each in outcome.cutoffs)
        assert found.latency_ms == pytest.approx(1000 * outcome.latency_s)


def test_rows_of_another_rate_are_replayed_at_the_detectors() -> None:
    slow, fast = (predict(corpus(rate), 0, open_detector(DETECTOR)) for rate in (8_000, 16_000))
    assert slow.cut
    assert slow.latency_ms == pytest.approx(fast.latency_ms, abs=60)


def test_calls_that_decide_as_predicted_agree_wherever_they_lie_in_the_call() -> None:
    rows, detector = corpus(), open_detector(DETECTOR)
    cut, plain = (predict(rows, number, detector) for number in (0, 1))
    assert cut.latency_ms is not None
    assert plain.latency_ms is not None
    late = ENDED + plain.latency_ms / 1000
    run = measured(
        ("held", 3.0, [*cut.early, ENDED + cut.latency_ms / 1000]),
        ("plain", 17.5, [late + 0.030]),
        ("plain #2", 40.0, [late + 0.120]),
    )
    found = hold_against(run, rows, detector, "ours")
    assert [turn.shift_ms for turn in found.turns] == pytest.approx([0, 30, 120])
    summary = found.summary()
    assert summary["agreement"] == 1.0
    assert (summary["cut_both"], summary["cut_neither"]) == (1, 2)
    assert summary["difference_p50_ms"] == pytest.approx(30)
    assert summary["within_50_ms"] == pytest.approx(2 / 3)
    assert summary["predicted_cut_rate"] == summary["live_cut_rate"] == pytest.approx(1 / 3)


def test_both_kinds_of_disagreement_are_counted_apart() -> None:
    run = measured(
        ("held", 1.0, [ENDED + 0.4]),  # predicted to be cut, was not
        ("plain", 9.0, [1.4, ENDED + 0.4]),  # was cut, though nothing said so
        ("plain #2", 20.0, [1.5]),  # cut, and never decided after its end
        ("plain #3", 30.0, None),
        ("text that is no row", 40.0, [1.0]),
    )
    summary = hold_against(run, corpus(), open_detector(DETECTOR), "ours").summary()
    assert (summary["cut_only_predicted"], summary["cut_only_live"]) == (1, 2)
    assert (summary["turns"], summary["unknown"], summary["latencies"]) == (3, 2, 2)
    assert summary["agreement"] == 0.0


def test_a_table_has_a_line_a_detector_and_none_for_nothing() -> None:
    turn = TransferTurn(0, "x", Commits((), 200.0), Commits((1.0,), 260.0), interrupted=True)
    text = transfer_text([Transfer("ours", (turn,)), Transfer("empty", ())])
    ours, empty = text.splitlines()[-2:]
    assert ours.split()[:2] == ["ours", "1"]
    assert "100.0 %" in ours
    assert ours.split()[-4:] == ["60", "60", "0.0", "%"]
    assert empty.split()[:3] == ["empty", "0", "-"]
    content = Transfer("ours", (turn,)).as_dict()
    assert content["turns"][0]["shift_ms"] == 60
    assert content["summary"]["live_false_interruption_rate"] == 1.0


def test_a_run_is_read_with_the_policy_that_its_agent_told(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    told = {"name": DETECTOR, "threshold": 1.0, "action_delay_s": 0.2, "timeout_s": 0.9}
    folder.write_plan({**PLAN, "stages": {"detector": told}})
    rows, run = corpus(), measured(("held", 1.0, [ENDED + 0.9]))
    found = transfer(folder, DETECTOR, corpus=rows, run=run)
    (turn,) = found.turns
    # 0.9 s of silence are more than the hold has; the detector's own 0.4 s would cut it
    assert not turn.predicted.cut
    own = transfer(folder, DETECTOR, corpus=rows, run=run, policy=Policy.timeout_only(0.4))
    assert own.turns[0].predicted.cut


def test_what_cannot_be_known_has_to_be_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_plan({**PLAN, "request": {"agent": "http://somewhere:8080"}})
    with pytest.raises(ConfigError, match="name its detector"):
        transfer(folder, corpus=corpus(), run=measured())
    folder.write_plan({**PLAN, "source": {"scenario": "rude"}})
    with pytest.raises(RunError, match="scenario"):
        transfer(folder, DETECTOR, run=measured())
