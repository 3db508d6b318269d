"""TextGrids that are not whole, or not of speech."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from praatio import textgrid
from praatio.utilities.constants import Interval, Point

from turnkit.corpus.importing.textgrid import read_textgrid
from turnkit.errors import CorpusError

Layout = Literal["short_textgrid", "long_textgrid", "json", "textgrid_json"]


def save(path: Path, layout: Layout = "long_textgrid") -> Path:
    grid = textgrid.Textgrid()
    ann = [Interval(1, 2, 'she said ""go""'), Interval(3, 4, "intervals: size = 9")]
    grid.addTier(textgrid.IntervalTier("ann", ann, 0, 9))
    grid.addTier(textgrid.PointTier("clicks", [Point(1.5, "x")], 0, 9))
    grid.addTier(textgrid.IntervalTier("bob", [Interval(5, 6, "yes")], 0, 9))
    grid.save(str(path), layout, includeBlankSpaces=True)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("layout", ["short_textgrid", "long_textgrid", "json", "textgrid_json"])
def test_a_whole_file_is_read(layout: Layout, encoding: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.TextGrid", layout)
    path.write_text(path.read_text("utf-8"), encoding)
    labels = [(each.speaker, each.start, each.end) for each in read_textgrid(path)]
    assert labels == [("ann", 1.0, 2.0), ("ann", 3.0, 4.0), ("bob", 5.0, 6.0)]


@pytest.mark.parametrize(("layout", "entry"), [("short_textgrid", 3), ("long_textgrid", 4)])
def test_a_file_that_was_cut_off_is_refused(layout: Layout, entry: int, tmp_path: Path) -> None:
    path = save(tmp_path / "a.TextGrid", layout)
    lines = path.read_text("utf-8").rstrip().splitlines(keepends=True)
    for kept in range(len(lines)):
        path.write_text("".join(lines[:kept]), "utf-8")
        with pytest.raises(CorpusError, match=r"a\.TextGrid"):
            read_textgrid(path)
    path.write_text("".join(lines[:-entry]), "utf-8")
    with pytest.raises(CorpusError, match=r"tier 'bob': announces 3 entries, holds 2; cut off"):
        read_textgrid(path)


@pytest.mark.parametrize("text", ["[]", "3", '{"start": 0}', "[" * 100_000])
def test_json_of_another_form_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.TextGrid").write_text(text)
    with pytest.raises(CorpusError, match=r"a\.TextGrid: cannot be read as a TextGrid"):
        read_textgrid(tmp_path / "a.TextGrid")


def test_point_tiers_are_no_speech(tmp_path: Path) -> None:
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.PointTier("clicks", [Point(1.5, "x")], 0, 9))
    grid.save(str(tmp_path / "a.TextGrid"), "short_textgrid", includeBlankSpaces=True)
    with pytest.raises(CorpusError, match=r"point tiers only \('clicks'\); expected an interval"):
        read_textgrid(tmp_path / "a.TextGrid")
