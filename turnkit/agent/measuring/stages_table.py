"""A measurement of the stages as plain text."""

from __future__ import annotations

from collections.abc import Iterator

from turnkit.agent.measuring.stages_figures import BUDGET_MS, StageFigures, StagesReport, Timing
from turnkit.agent.measuring.stages_stt import LONG_S

_WHAT = 42


def stages_table(report: StagesReport) -> str:
    """Lay a report out as lines of text, without a newline at its end."""
    return "\n".join((*_head(report), "", *_times(report), *_words(report)))


def _head(report: StagesReport) -> Iterator[str]:
    machine = report.machine
    load = "-" if report.load_average is None else f"{report.load_average:.1f}"
    steal = "-" if report.steal is None else f"{100 * report.steal:.1f} %"
    yield (
        f"machine: {machine.cpu}, {machine.cores} cores, {machine.system}; "
        f"load average before {load}, CPU steal {steal}"
    )
    yield (
        f"preset {report.preset}, seed {report.seed}; each engine loaded {report.rounds} x, its "
        "files in the disk cache perhaps; one stage at a time"
    )
    for name, origin in report.speech.items():
        yield f"speech: {name}: {origin}"


def _times(report: StagesReport) -> Iterator[str]:
    yield f"{'stage':<6}{'':<{_WHAT}} {'n':>4} {'P50 ms':>8} {'P90 ms':>8} {'budget ms':>10}"
    for figures in report.stages:
        yield f"{figures.stage:<6}{figures.label}"
        for what, timing in figures.timings.items():
            yield _row(figures, what, timing)
        for what, value in figures.rates.items():
            yield f"{'':<6}{what:<{_WHAT}} {'':>4} {value:>8g}"


def _row(figures: StageFigures, what: str, timing: Timing) -> str:
    low, high = BUDGET_MS[figures.stage]
    budget = f"{low}-{high}" if timing.budgeted else ""
    return (
        f"{'':<6}{what:<{_WHAT}} {timing.n:>4} {timing.p50_ms:>8.1f} {timing.p90_ms:>8.1f} "
        f"{budget:>10}"
    ).rstrip()


def _words(report: StagesReport) -> Iterator[str]:
    rows = [(each, one) for each in report.stages for one in each.recognition]
    if not rows:
        return
    width = max(len("recogniser"), *(len(each.label) for each, _ in rows)) + 1
    wide = max(len("speech"), *(len(one.speech) for _, one in rows)) + 1
    early = f"early, > {LONG_S:g} s"
    yield ""
    yield (
        f"{'recogniser':<{width}}{'speech':<{wide}}{'pushed':<13}{'n':>4} {'words':>6} "
        f"{'WER %':>6} {'95 %':>12} {'sub':>4} {'del':>4} {'ins':>4} {early:>14}"
    )
    for each, one in rows:
        pace = "in real time" if one.real_time else "at once"
        errors = one.errors
        if errors is None:
            scored = f"{'-':>6} {'-':>6} {'-':>12} {'-':>4} {'-':>4} {'-':>4}"
        else:
            bounds = errors.interval
            span = "-" if bounds is None else f"{100 * bounds[0]:.1f} .. {100 * bounds[1]:.1f}"
            scored = (
                f"{errors.words:>6} {100 * errors.wer:>6.1f} {span:>12} "
                f"{errors.substitutions:>4} {errors.deletions:>4} {errors.insertions:>4}"
            )
        share = f"{one.early} of {one.long}" if one.long else "-"
        yield (
            f"{each.label:<{width}}{one.speech:<{wide}}{pace:<13}{one.n:>4} {scored} {share:>14}"
        )
    yield "early: a word was committed before the speech was over"
