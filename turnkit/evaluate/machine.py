"""What a measurement ran on, for the record beside its figures."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from turnkit import __version__


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine as tables print it.

    Attributes
    ----------
    cpu : str
        Model name.
    cores : int
        Logical ones that this process may use.
    system, python, turnkit : str
        Versions.
    """

    cpu: str
    cores: int
    system: str
    python: str
    turnkit: str

    @classmethod
    def read(cls) -> Machine:
        """Describe this machine."""
        return cls(
            _cpu_model(),
            available_cores(),
            f"{platform.system()} {platform.machine()}",
            platform.python_version(),
            __version__,
        )


def available_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


class StealClock:
    """Share of CPU time that a hypervisor gave to others since this clock was made."""

    def __init__(self) -> None:
        self._begin = _cpu_ticks()

    def share(self) -> float | None:
        """Return the share in 0 .. 1, or None where the system does not tell."""
        end = _cpu_ticks()
        if self._begin is None or end is None:
            return None
        total = sum(end) - sum(self._begin)
        return (end[_STEAL] - self._begin[_STEAL]) / total if total > 0 else 0.0


_STEAL = 7
"""Column of stolen time in ``/proc/stat``: user nice system idle iowait irq softirq steal."""


def _cpu_ticks() -> list[int] | None:
    stat = Path("/proc/stat")
    if not stat.is_file():
        return None
    ticks = [int(field) for field in stat.read_text().split("\n", 1)[0].split()[1:9]]
    return ticks if len(ticks) > _STEAL else None
