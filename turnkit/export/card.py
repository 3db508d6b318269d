"""The model card that travels in a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_KEEP = ("FC@300", "FC@600", "L@5%", "L@10%")


def _bytes(size: float) -> str:
    return f"{size / 1e6:.2f} MB"


def _point(name: str, value: Mapping[str, Any] | None) -> str:
    if not value:
        return "-"
    mean, low_high = value.get("mean_latency_ms"), value.get("interval")
    if name.startswith("FC"):
        shown, unit, scale = value.get("rate"), " %", 100.0
        rest = f", at {mean:.0f} ms" if mean is not None else ""
    else:
        shown, unit, scale = value.get("latency_ms"), " ms", 1.0
        rate = value.get("rate")
        rest = f", cuts {100 * rate:.1f} %" if rate is not None else ""
    if shown is None:
        return "-"
    interval = ""
    if low_high:
        factor = 100.0 if name.startswith("FC") else 1.0
        interval = f" [{factor * low_high[0]:.0f}, {factor * low_high[1]:.0f}]"
    missed = ", MISSED" if value.get("missed") else ""
    return f"{scale * shown:.1f}{unit}{interval}{rest}{missed}"


def results_table(results: Mapping[str, Any], section: str) -> list[str]:
    """Rows of a Markdown table from what ``turnkit eval --json`` printed.

    Parameters
    ----------
    results : mapping
        With ``detectors``: each has ``frozen`` and ``best_on_test``.
    section : str
        Which of the two.
    """
    lines = ["| detector | " + " | ".join(_KEEP) + " |", "| --- |" + " ---: |" * len(_KEEP)]
    for spec, entry in results.get("detectors", {}).items():
        # A spec may be a path, which says nothing on another machine.
        name, part = entry.get("name", spec), entry.get(section)
        if part:
            cells = " | ".join(_point(point, part.get(point)) for point in _KEEP)
            lines.append(f"| {name} | {cells} |")
    return lines


def write_card(
    name: str,
    facts: Mapping[str, Any],
    precision: Mapping[str, Any] | None,
    results: Sequence[Mapping[str, Any]],
    notes: str,
) -> str:
    """Write the card, in Markdown.

    Parameters
    ----------
    name : str
    facts : mapping
        ``model.json`` of the run.
    precision : mapping, optional
        From `turnkit.export.precision.choose_precision`.
    results : sequence of mapping
        Each what ``turnkit eval --json`` printed for one corpus.
    notes : str
        Data, licences and limits, in Markdown.
    """
    lines = [f"# {name}", "", f"Kind: {facts['kind']}. Shape: `{facts['model']}`.", ""]
    if "features" in facts:
        lines += [f"Features: `{facts['features']}`, {facts['inputs']} columns every 20 ms.", ""]
    if "encoder" in facts:
        lines += [f"Encoder: `{facts['encoder']}`, asked at {facts['times_s']} s of silence.", ""]
    trained, fitted = len(facts.get("training_speakers", ())), len(facts.get("policy_speakers", ()))
    lines += [
        f"Weights trained on {trained} speakers; policies fitted on {fitted} others.",
        "",
    ]
    if precision:
        lines += [f"Precision: {precision['chosen']}. {precision['reason']}.", ""]
        for kind in ("fp32", "int8"):
            one = precision[kind]
            lines.append(
                f"- {kind}: {_bytes(one['bytes'])}, {one['microseconds']:.0f} us a block, "
                f"scores within {one['drift']:.1e} of torch"
            )
        lines.append("")
    if notes.strip():
        lines += [notes.strip(), ""]
    if results:
        lines += ["## Measured", ""]
    for one in results:
        label = one.get("corpus", "")
        label = label.get("name", "") if isinstance(label, Mapping) else label
        for section, title in (
            ("frozen", "frozen policy"),
            ("best_on_test", "best policy on test"),
        ):
            table = results_table(one, section)
            if len(table) > 2:
                lines += [f"{label}, {title}:", "", *table, ""]
    return "\n".join(lines).rstrip() + "\n"
