"""From offline to live: whether commits come in calls where evaluation said they would.

The rows that a run said are replayed with the same detector as evaluation does it, and
its decisions are held against those of the calls, turn by turn, both in the row's own
time. What is between them is what a call adds: the microphone's level and noise, Opus,
losses, the jitter buffer, and what was said before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from turnkit.errors import ConfigError, RunError
from turnkit.lab.folder import RunFolder

if TYPE_CHECKING:
    from turnkit.corpus.reader import Corpus
    from turnkit.detector.base import StreamingDetector
    from turnkit.detector.policy import Policy
    from turnkit.lab.measuring.run import MeasuredRun

CLOSE_MS = 50.0
"""EOT latencies no further apart than this count as the same."""

_REPEAT = re.compile(r" #\d+$")


@dataclass(frozen=True, slots=True)
class Commits:
    """When a turn was taken for over, in seconds after the start of its row.

    Attributes
    ----------
    early : tuple of float
        Before the annotated end of the turn.
    latency_ms : float or None
        From there to the first one after it; None if there was none.
    """

    early: tuple[float, ...]
    latency_ms: float | None

    @property
    def cut(self) -> bool:
        """The turn was cut at least once."""
        return bool(self.early)


@dataclass(frozen=True, slots=True)
class TransferTurn:
    """One turn of a call, as predicted and as it was."""

    call: int
    name: str
    predicted: Commits
    live: Commits
    interrupted: bool

    @property
    def shift_ms(self) -> float | None:
        """EOT latency live less predicted; None if either never came."""
        if self.predicted.latency_ms is None or self.live.latency_ms is None:
            return None
        return self.live.latency_ms - self.predicted.latency_ms


@dataclass(frozen=True, slots=True)
class Transfer:
    """Turns of a run against their prediction.

    Attributes
    ----------
    detector : str
    turns : tuple of TransferTurn
    unknown : int
        Turns whose decisions the agent's log does not tell, or whose row is not in the
        corpus; they are left out.
    """

    detector: str
    turns: tuple[TransferTurn, ...]
    unknown: int = 0

    def summary(self) -> dict[str, Any]:
        """Count and compare: shares in 0 .. 1, times in ms, None where nothing is to tell."""
        seen = [(turn.predicted.cut, turn.live.cut) for turn in self.turns]
        n = len(seen)
        shifts = np.array([t.shift_ms for t in self.turns if t.shift_ms is not None])
        away = np.abs(shifts)
        return {
            "detector": self.detector,
            "turns": n,
            "unknown": self.unknown,
            "cut_both": seen.count((True, True)),
            "cut_neither": seen.count((False, False)),
            "cut_only_predicted": seen.count((True, False)),
            "cut_only_live": seen.count((False, True)),
            "agreement": _share([a == b for a, b in seen]),
            "predicted_cut_rate": _share([a for a, _ in seen]),
            "live_cut_rate": _share([b for _, b in seen]),
            "live_false_interruption_rate": _share([t.interrupted for t in self.turns]),
            "latencies": len(shifts),
            "shift_median_ms": _quantile(shifts, 50),
            "difference_p50_ms": _quantile(away, 50),
            "difference_p90_ms": _quantile(away, 90),
            "within_50_ms": _share([bool(each <= CLOSE_MS) for each in away]),
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: the summary and every turn."""
        turns = [asdict(turn) | {"shift_ms": turn.shift_ms} for turn in self.turns]
        return {"summary": self.summary(), "turns": turns}


def transfer(
    folder: RunFolder,
    detector: str | None = None,
    *,
    policy: Policy | None = None,
    corpus: Corpus | None = None,
    run: MeasuredRun | None = None,
) -> Transfer:
    """Hold a run's commits against those of a replay of its rows.

    Parameters
    ----------
    folder : RunFolder
        Of a run that said a corpus.
    detector : str, optional
        Spec of what decided in the calls; by default the preset's.
    policy : Policy, optional
        By default the one with which the agent introduced itself.
    corpus : Corpus, optional
        By default the one that the plan names.
    run : MeasuredRun, optional
        If it was measured already.

    Returns
    -------
    Transfer

    Raises
    ------
    ConfigError
        If the run's rows or detector are not known.
    """
    from turnkit.detector.opening import open_detector
    from turnkit.lab.measuring.run import measure_run

    plan = folder.read_plan()
    spec = detector or _spec_of(plan, folder)
    rows = corpus or _corpus_of(plan, folder)
    opened = open_detector(spec, 16_000, policy or _policy_of(plan))
    return hold_against(run or measure_run(folder), rows, opened, spec)


def hold_against(
    run: MeasuredRun, rows: Corpus, detector: StreamingDetector, name: str
) -> Transfer:
    """Hold a measured run against a replay with an opened detector at 16 kHz."""
    numbers = {str(row): number for number, row in enumerate(rows.column("id"))}
    known: dict[str, Commits] = {}
    found, unknown = list[TransferTurn](), 0
    for turn in run.turns:
        heard, row = turn.heard, _REPEAT.sub("", turn.heard.name)
        if turn.decisions is None or row not in numbers:
            unknown += 1
            continue
        if row not in known:
            known[row] = predict(rows, numbers[row], detector)
        live = _live(turn.decisions, heard.began, heard.ended)
        found.append(TransferTurn(heard.call, heard.name, known[row], live, heard.interrupted))
    return Transfer(name, tuple(found), unknown)


def predict(rows: Corpus, number: int, detector: StreamingDetector) -> Commits:
    """Replay a row as evaluation does, and take its commits."""
    from dataclasses import replace

    from turnkit.audio import resample
    from turnkit.evaluate.replaying import replay_turn

    turn = rows[number]
    if turn.sample_rate != detector.sample_rate:
        samples = resample(turn.samples, turn.sample_rate, detector.sample_rate)
        turn = replace(turn, samples=samples, sample_rate=detector.sample_rate)
    outcome = replay_turn(detector, turn)
    latency = None if outcome.missed else 1000 * outcome.latency_s
    return Commits(tuple(cut.at_s for cut in outcome.cutoffs), latency)


def _live(decisions: Sequence[float], began: float, ended: float) -> Commits:
    early = tuple(at - began for at in decisions if at < ended)
    after = next((at for at in decisions if at >= ended), None)
    return Commits(early, None if after is None else (after - ended) * 1000)


def _spec_of(plan: Mapping[str, Any], folder: RunFolder) -> str:
    from turnkit.agent.preset import read_preset
    from turnkit.lab.agents.opening import is_address

    request = plan.get("request") or {}
    agent = request.get("agent")
    if not agent or is_address(agent):
        raise ConfigError(f"{folder.path}: the agent ran elsewhere; name its detector")
    return read_preset(agent, tuple(request.get("overrides", ()))).bundle


def _policy_of(plan: Mapping[str, Any]) -> Policy | None:
    from turnkit.detector.policy import Policy

    told = (plan.get("stages") or {}).get("detector") or {}
    names = ("threshold", "action_delay_s", "timeout_s")
    if any(told.get(name) is None for name in names):
        return None
    return Policy(*(float(told[name]) for name in names))


def _corpus_of(plan: Mapping[str, Any], folder: RunFolder) -> Corpus:
    from turnkit.corpus.reader import load_corpus

    if not (plan.get("source") or {}).get("corpus"):
        raise RunError(f"{folder.path}: said a scenario; there are no rows to replay")
    return load_corpus(str(plan["request"]["source"]), default_split="test")


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None


def _quantile(values: Any, q: float) -> float | None:
    return round(float(np.percentile(values, q)), 1) if len(values) else None


def transfer_text(transfers: Sequence[Transfer]) -> str:
    """Write transfers as a table, one detector a row."""
    head = (
        f"{'detector':<20} {'turns':>6} {'agree':>7} {'cut by both':>12} {'predicted':>10} "
        f"{'live':>6} {'cut rate':>17} {'|EOT live - predicted| ms':>28} {'within':>8}\n"
        f"{'':<20} {'':>6} {'':>7} {'':>12} {'only':>10} {'only':>6} {'predicted   live':>17} "
        f"{'P50':>20}{'P90':>8} {'50 ms':>8}"
    )
    return "\n".join([head, *(_line(each.summary()) for each in transfers)])


def _line(found: Mapping[str, Any]) -> str:
    return (
        f"{found['detector']:<20} {found['turns']:>6} {_percent(found['agreement']):>7} "
        f"{found['cut_both']:>12} {found['cut_only_predicted']:>10} {found['cut_only_live']:>6} "
        f"{_percent(found['predicted_cut_rate']):>9} {_percent(found['live_cut_rate']):>7} "
        f"{_ms(found['difference_p50_ms']):>20}{_ms(found['difference_p90_ms']):>8} "
        f"{_percent(found['within_50_ms']):>8}"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
