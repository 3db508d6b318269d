"""Two-channel recordings cut into turns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from turnkit.cli.main import main
from turnkit.corpus.stereo import MIN_TAIL_S, TAIL_S, cut_turns, import_stereo
from turnkit.errors import CorpusError


def test_the_other_side_taking_the_floor_ends_a_turn() -> None:
    own, other = [(1.0, 2.0), (2.5, 3.0), (8.0, 9.0)], [(4.0, 7.0)]
    first, second = cut_turns(own, other, 20.0)
    assert (first.start, first.end) == (0.5, 7.0)
    assert [(s.start, s.end) for s in first.spans] == [(1.5, 2.0), (2.5, 6.5)]
    assert (second.start, second.end) == (7.5, 13.0)
    assert len(second.spans) == 1


def test_a_backchannel_does_not_end_a_turn() -> None:
    own = [(1.0, 2.0), (3.5, 4.5)]
    (kept,) = cut_turns(own, [(2.4, 2.9)], 10.0)
    assert [(s.start, s.end) for s in kept.spans] == [(1.5, 3.0), (4.0, 8.0)]


def test_a_turn_is_left_out_where_its_speaker_goes_on_at_once() -> None:
    # The other side spoke across the gap: own speech follows 0.2 s after own speech.
    own, other = [(1.0, 2.0), (2.2, 3.0)], [(1.9, 3.5)]
    assert [cut.start for cut in cut_turns(own, other, 10.0)] == [2.0]


@given(
    st.lists(st.floats(0.05, 3.0), min_size=2, max_size=24),
    st.lists(st.floats(0.05, 3.0), min_size=0, max_size=24),
)
def test_rows_hold_their_spans_in_order_and_own_speech_between(
    own_edges: list[float], other_edges: list[float]
) -> None:
    def runs(edges: list[float]) -> list[tuple[float, float]]:
        times = np.cumsum(edges)
        return [(float(a), float(b)) for a, b in zip(times[::2], times[1::2], strict=False)]

    own, other = runs(own_edges), runs(other_edges)
    duration = max([end for _, end in own + other], default=0.0) + 1.0
    for cut in cut_turns(own, other, duration):
        edges = [edge for span in cut.spans for edge in (span.start, span.end)]
        assert edges == sorted(edges)
        assert edges[0] >= 0.0
        assert edges[-1] == pytest.approx(cut.end - cut.start)
        last = cut.spans[-1]
        assert MIN_TAIL_S - 1e-9 <= last.end - last.start <= TAIL_S + 1e-9
        assert not any(cut.start + last.start < begin < cut.end - 1e-9 for begin, _ in own)


def test_recordings_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no recordings"):
        import_stereo(tmp_path, tmp_path / "out.parquet")
    soundfile.write(tmp_path / "mono.wav", np.zeros(8_000), 8_000)
    with pytest.raises(CorpusError, match=r"mono\.wav: 1 channel\(s\); expected two"):
        import_stereo(tmp_path, tmp_path / "out.parquet")
    (tmp_path / "mono.wav").unlink()
    soundfile.write(tmp_path / "still.wav", np.zeros((16_000, 2)), 8_000)
    with pytest.raises(CorpusError, match="no turns found"):
        import_stereo(tmp_path, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_the_command_refuses_another_suffix(tmp_path: Path) -> None:
    assert main(["data", "import", "stereo", str(tmp_path), str(tmp_path / "out.csv")]) == 2
