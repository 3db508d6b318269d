"""Two proofs: nothing but audio decides what is measured, and what is added is found."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from turnkit.lab.folder import LOG, RunFolder
from turnkit.lab.measuring.figures import describe
from turnkit.lab.measuring.run import MeasuredRun, measure_run
from turnkit.lab.measuring.spans import SPANS
from turnkit.lab.request import RunRequest, prepare
from turnkit.lab.run import run

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

ADDED_MS = 137.0
ABOUT_MS = 10.0
CALLS, CALLERS = 20, 5
FEW_LATE, ATTEMPTS = 5, 3
# A timeout decides at the same place of the same audio every time.
STEADY = ("bundle=vad:300",)
# Frames of caller and agent keep their distance through a call: many calls, not many turns.
SCENARIO = """
about: one turn a call
steps:
  - rest: 0.3
  - say: {corpus: embedded:test}
  - await: reply
"""
FAR = """
up: {{delay_ms: {0}}}
down: {{delay_ms: {0}}}
"""


def placed(folder: Path, *overrides: str, network: Path | None = None) -> RunFolder:
    """Place the calls; again where the machine stood still and would measure itself."""
    scenario = folder.with_name("proof.yaml")
    scenario.write_text(SCENARIO)
    request = RunRequest(
        str(scenario),
        "budget",
        (*STEADY, *overrides),
        turns=CALLS,
        callers=CALLERS,
        network=None if network is None else str(network),
    )
    prepared = prepare(request)
    kept = RunFolder(folder)
    for attempt in range(ATTEMPTS):
        kept = RunFolder(folder.with_name(f"{folder.name}-{attempt}"))
        asyncio.run(run(prepared, kept))
        if sum(call.record.late > FEW_LATE for call in kept.calls()) <= CALLS // 10:
            break
    return kept


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return placed(tmp_path_factory.mktemp("plain") / "run")


def answered(run: MeasuredRun) -> dict[str, tuple[float, Mapping[str, float]]]:
    """V2V and spans of the turns that have both, by name."""
    return {
        turn.heard.name: (turn.heard.v2v_ms, turn.told.spans)
        for turn in run.turns
        if turn.heard.v2v_ms is not None and turn.told is not None and turn.told.spans is not None
    }


def shifts(before: MeasuredRun, after: MeasuredRun) -> dict[str, float]:
    """Mean change of V2V and of each span, over the turns that both runs answered."""
    ours, theirs = answered(before), answered(after)
    both = sorted(set(ours) & set(theirs))
    assert len(both) >= CALLS // 2
    changes = {"v2v": np.mean([theirs[name][0] - ours[name][0] for name in both])}
    for span in SPANS:
        changes[span] = np.mean([theirs[name][1][span] - ours[name][1][span] for name in both])
    return {name: float(change) for name, change in changes.items()}


def test_without_the_agents_log_v2v_and_interruptions_are_the_same(
    plain: RunFolder, tmp_path: Path
) -> None:
    shutil.copytree(plain.path, tmp_path / "run")
    bare = RunFolder(tmp_path / "run")
    logs = list(bare.path.glob(f"calls/*/{LOG}"))
    assert logs
    for log in logs:
        log.unlink()
    with_log, without = measure_run(plain), measure_run(bare)
    assert [turn.heard for turn in with_log.turns] == [turn.heard for turn in without.turns]
    assert len(answered(with_log)) >= CALLS // 2
    assert not any(turn.told for turn in without.turns)
    ours, bare_figures = describe(with_log)["figures"], describe(without)["figures"]
    for name in ("v2v_p50", "v2v_p90", "false_interruptions", "dead_air", "misses"):
        assert ours[name] == bare_figures[name]
    assert "tts_p50" in ours
    assert "tts_p50" not in bare_figures


def test_what_is_added_to_the_voice_is_found_in_the_voice(plain: RunFolder, tmp_path: Path) -> None:
    later = placed(tmp_path / "run", f"tts.first_audio={60 + ADDED_MS:g}")
    found = shifts(measure_run(plain), measure_run(later))
    print({name: round(change, 1) for name, change in found.items()})
    assert found["v2v"] == pytest.approx(ADDED_MS, abs=ABOUT_MS)
    assert found["tts"] == pytest.approx(ADDED_MS, abs=ABOUT_MS)
    for span in set(SPANS) - {"tts"}:
        assert found[span] == pytest.approx(0.0, abs=ABOUT_MS), span


def test_what_is_added_to_the_network_is_found_in_the_network(
    plain: RunFolder, tmp_path: Path
) -> None:
    # Half of it each way: clocks are compared by round trips, which tell no more.
    profile = tmp_path / "far.yaml"
    profile.write_text(FAR.format(ADDED_MS / 2))
    later = placed(tmp_path / "run", network=profile)
    found = shifts(measure_run(plain), measure_run(later))
    print({name: round(change, 1) for name, change in found.items()})
    assert found["v2v"] == pytest.approx(ADDED_MS, abs=ABOUT_MS)
    assert found["uplink"] + found["downlink"] == pytest.approx(ADDED_MS, abs=ABOUT_MS)
    for span in ("uplink", "downlink"):
        assert found[span] == pytest.approx(ADDED_MS / 2, abs=ABOUT_MS)
    for span in set(SPANS) - {"uplink", "downlink"}:
        assert found[span] == pytest.approx(0.0, abs=ABOUT_MS), span
