"""From the recordings of a run to its figures, its verdicts and its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from turnkit.lab.folder import RunFolder
from turnkit.lab.measuring.checks import Verdict, parse_check
from turnkit.lab.measuring.figures import describe
from turnkit.lab.measuring.run import MeasuredRun, measure_run
from turnkit.lab.report.page import write_report


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a run showed.

    Attributes
    ----------
    folder : RunFolder
    run : MeasuredRun
    found : dict
        As `describe` gives it.
    verdicts : tuple of Verdict
        On what was expected.
    """

    folder: RunFolder
    run: MeasuredRun
    found: dict[str, Any]
    verdicts: tuple[Verdict, ...]

    @property
    def figures(self) -> dict[str, Any]:
        """Flat figures by name."""
        return dict(self.found["figures"])

    @property
    def holds(self) -> bool:
        """Whether everything that was expected happened."""
        return all(verdict.holds for verdict in self.verdicts)


def conclude(folder: RunFolder, links: Sequence[tuple[str, str]] = ()) -> Conclusion:
    """Measure a run and write its report.

    Parameters
    ----------
    folder : RunFolder
    links : sequence of (str, str)
        Names and addresses that the report's page links to.

    Raises
    ------
    RunError
        If a recording cannot be read.
    """
    run = measure_run(folder)
    found = describe(run)
    checks = [parse_check(text) for text in folder.read_plan().get("expect", ())]
    verdicts = tuple(check.judge(found["figures"]) for check in checks)
    write_report(folder, run, found, verdicts, links)
    return Conclusion(folder, run, found, verdicts)
