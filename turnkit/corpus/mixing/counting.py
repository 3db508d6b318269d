"""What a split of a mix holds, by domain and by speaker."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from turnkit.corpus.mixing.choosing import Candidate
from turnkit.corpus.schema import Turn


@dataclass(slots=True)
class _Tally:
    rows: int = 0
    holds: int = 0
    seconds: float = 0.0
    unnamed: int = 0
    speakers: Counter[str] = field(default_factory=Counter)

    def see(self, turn: Turn, speaker: str, *, named: bool) -> None:
        self.rows += 1
        self.unnamed += not named
        self.holds += len(turn.holds)
        self.seconds += turn.duration
        self.speakers[speaker] += 1

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "speakers": len(self.speakers),
            "rows_without_speaker": self.unnamed,
            "holds": self.holds,
            "hours": round(self.seconds / 3600.0, 4),
        }


class Counts:
    """Rows, speakers, holds that count and hours, as rows are written."""

    def __init__(self) -> None:
        self._whole = _Tally()
        self._domains: defaultdict[str, _Tally] = defaultdict(_Tally)
        self._rates: Counter[int] = Counter()

    def see(self, turn: Turn, candidate: Candidate) -> None:
        """Count a row."""
        speaker, named = candidate.speaker or candidate.id, candidate.speaker is not None
        self._whole.see(turn, speaker, named=named)
        self._domains[candidate.domain].see(turn, speaker, named=named)
        self._rates[turn.sample_rate] += 1

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers; rows of each speaker under their domain."""
        return {
            **self._whole.as_dict(),
            "sample_rates": {str(rate): rows for rate, rows in sorted(self._rates.items())},
            "domains": {
                domain: {
                    **tally.as_dict(),
                    "rows_per_speaker": dict(sorted(tally.speakers.items())),
                }
                for domain, tally in sorted(self._domains.items())
            },
        }
