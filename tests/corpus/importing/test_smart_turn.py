"""Clips labelled complete or incomplete."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.speech import talk
from turnkit.cli.main import main
from turnkit.corpus.importing.eot_bench import import_eot_bench
from turnkit.corpus.importing.smart_turn import ClipSettings, import_smart_turn
from turnkit.corpus.reader import load_corpus
from turnkit.errors import ConfigError, CorpusError

WriteParquet = Callable[[Path, Iterable[Mapping[str, Any]]], Path]


def sound(*plan: float) -> dict[str, Any]:
    file = io.BytesIO()
    soundfile.write(file, talk(*plan), 16_000, format="FLAC")
    return {"bytes": file.getvalue(), "path": "clip.flac"}


def clip(name: str | None, *plan: float, complete: bool | None = True, **fields: Any) -> Any:
    """Make a row of the layout of pipecat-ai/smart-turn-data-v3."""
    return {
        "audio": sound(*plan),
        "id": name,
        "language": "eng",
        "endpoint_bool": complete,
        "midfiller": False,
        "endfiller": None,
        "synthetic": False,
        "spoken_text": None,
        "dataset": "liva 1",
    } | fields


@pytest.fixture
def clips(write_parquet: WriteParquet, tmp_path: Path) -> Path:
    return write_parquet(
        tmp_path / "source" / "data" / "train-00000-of-00001.parquet",
        [
            clip("done", -0.3, 1.2, -0.6, 1.0, -0.7, spoken_text="Book a table"),
            clip("cut", -0.3, 1.2, -0.5, complete=False, endfiller=True),
            clip("machine", 1.2, -0.4, synthetic=True, language="deu", endfiller=True),
            clip("abrupt", -0.3, 1.2),
            clip("silent", -1.5),
            clip("unsure", 1.0, -0.5, complete=None),
            clip(None, 1.0, -0.5),
            clip("done", 1.0, -0.5),
            clip("broken", 1.0, -0.5, audio={"bytes": b"no sound", "path": None}),
        ],
    )


def test_complete_clips_become_rows_of_one_span(clips: Path, tmp_path: Path) -> None:
    out, apart = tmp_path / "turns.parquet", tmp_path / "cut.parquet"
    lines: list[str] = []
    # As a local copy of the repository is laid out.
    count = import_smart_turn(str(clips.parent.parent), out, None, lines.append, incomplete=apart)
    turns = {turn.id: turn for turn in load_corpus(str(out))}
    assert count == len(turns) == 3
    assert set(turns) == {"done", "synthetic-machine", "clip-0000006"}
    done = turns["done"]
    assert (done.language, done.transcript, done.speaker) == ("en", "Book a table", None)
    (span,) = done.spans
    assert span.start == pytest.approx(3.1, abs=0.15)
    assert span.end == pytest.approx(done.duration) == 3.8
    assert done.tags == {"human", "domain:liva-1"}
    machine = turns["synthetic-machine"]
    assert machine.language == "de"
    assert machine.tags == {"synthetic", "trailing", "domain:liva-1"}
    (cut,) = load_corpus(str(apart))
    assert cut.id == "cut"
    assert cut.tags == {"incomplete", "filler-hold", "human", "domain:liva-1"}
    assert len(cut.spans) == 1
    assert "| speakers | no row names one: " in (tmp_path / "turns.card.md").read_text()
    said = "\n".join(lines)
    for reason in (
        "left out 1: it stops before a silence after the speech (abrupt)",
        "left out 1: no speech is heard (silent)",
        "left out 1: no endpoint_bool (unsure)",
        "left out 1: its id occurred before (done)",
        "left out 1: audio cannot be decoded (broken: ",
        "incomplete clips, set apart: 1",
    ):
        assert reason in said
        assert reason in (tmp_path / "turns.card.md").read_text()


def test_synthetic_clips_are_known_as_such(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "turns.parquet"
    assert import_smart_turn(str(clips), out, ClipSettings(language="en")) == 2
    assert not load_corpus(str(out)).synthetic
    assert import_smart_turn(str(clips), out, ClipSettings(language="de")) == 1
    assert load_corpus(str(out)).synthetic


def test_pauses_inside_are_holds_when_asked_for(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "turns.parquet"
    import_smart_turn(str(clips), out, ClipSettings(pauses=True, limit=1))
    (turn,) = load_corpus(str(out))
    (hold,) = turn.holds
    assert hold.start == pytest.approx(1.5, abs=0.15)
    assert hold.duration == pytest.approx(0.6, abs=0.15)


def test_what_cannot_be_imported(
    clips: Path, tmp_path: Path, write_parquet: WriteParquet, make_row: Callable[..., Any]
) -> None:
    out = tmp_path / "turns.parquet"
    with pytest.raises(ConfigError, match="limit 0"):
        ClipSettings(limit=0)
    with pytest.raises(CorpusError, match=r"no turns found; left out 9: not in language 'fi'"):
        import_smart_turn(str(clips), out, ClipSettings(language="fi"))
    with pytest.raises(CorpusError, match=r"no split 'test'"):
        import_smart_turn(str(clips), out, ClipSettings(split="test"))
    other = write_parquet(tmp_path / "other.parquet", [make_row()])
    with pytest.raises(CorpusError, match=r"no column endpoint_bool; it has id, language, audio"):
        import_smart_turn(str(other), out)
    assert not out.exists()


def test_the_command(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, apart = tmp_path / "o" / "turns.parquet", tmp_path / "cut.parquet"
    given = ["data", "import", "smart-turn", str(clips), str(out), "--language", "en"]
    assert main([*given, "--pauses", "--incomplete", str(apart)]) == 0
    said = capsys.readouterr().out
    assert f"{out}: 2 turns" in said
    assert f"{apart}: 1 incomplete clips" in said


def test_without_a_network_a_hub_id_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("turnkit.corpus.hub.hub_answers", lambda: False)
    source, out = "pipecat-ai/smart-turn-data-v3.1-test", str(tmp_path / "out.parquet")
    for kind in ("smart-turn", "eot-bench"):
        assert main(["data", "import", kind, source, out]) == 1
        assert "not in the local cache" in capsys.readouterr().err


def test_files_that_are_named_twice(clips: Path, tmp_path: Path) -> None:
    before, out = clips.read_bytes(), tmp_path / "turns.parquet"
    with pytest.raises(ConfigError, match="named twice"):
        import_smart_turn(str(clips), out, incomplete=tmp_path / "source" / ".." / out.name)
    for source in (str(clips), str(clips.parent.parent), f"{clips.parent}:train"):
        with pytest.raises(ConfigError, match="a part of"):
            import_smart_turn(source, clips)
        with pytest.raises(ConfigError, match="a part of"):
            import_smart_turn(source, out, incomplete=clips)
        with pytest.raises(ConfigError, match="a part of"):
            import_eot_bench(source, clips)
    for source in (str(clips.parent), f"{clips.parent}:train"):
        new = clips.with_name("new.parquet")
        with pytest.raises(ConfigError, match=r"new\.parquet: .* would be a part of"):
            import_eot_bench(source, new)
        with pytest.raises(ConfigError, match="a part of"):
            import_smart_turn(source, out, incomplete=new)
        assert not new.exists()
    assert clips.read_bytes() == before
    assert not out.exists()


def test_where_no_clip_is_incomplete(
    write_parquet: WriteParquet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_parquet(tmp_path / "clips.parquet", [clip("a", -0.3, 1.2, -0.5)])
    out, apart = tmp_path / "turns.parquet", tmp_path / "cut.parquet"
    given = ["data", "import", "smart-turn", str(source), str(out), "--incomplete", str(apart)]
    assert main(given) == 0
    assert f"{apart}: not written, there are no incomplete clips" in capsys.readouterr().out
    assert out.exists()
    assert not apart.exists()


def test_where_no_incomplete_clip_can_be_used(
    write_parquet: WriteParquet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [clip("a", -0.3, 1.2, -0.5), clip("b", -1.0, complete=False)]
    source = write_parquet(tmp_path / "clips.parquet", rows)
    out, apart = tmp_path / "turns.parquet", tmp_path / "cut.parquet"
    given = ["data", "import", "smart-turn", str(source), str(out), "--incomplete", str(apart)]
    assert main(given) == 0
    said = capsys.readouterr().out
    assert f"{apart}: not written, no incomplete clip can be used: left out 1: no speech" in said
    assert out.exists()
    assert not apart.exists()


def test_labels_may_be_numbers(write_parquet: WriteParquet, tmp_path: Path) -> None:
    numbers = {"a": 1, "b": 0, "c": 7, "d": None}
    source = write_parquet(
        tmp_path / "clips.parquet",
        [clip(k, -0.3, 1.2, -0.5, endpoint_bool=n, synthetic=1) for k, n in numbers.items()],
    )
    out, apart, lines = tmp_path / "turns.parquet", tmp_path / "cut.parquet", list[str]()
    assert import_smart_turn(str(source), out, None, lines.append, incomplete=apart) == 1
    assert list(load_corpus(str(out)).column("id")) == ["synthetic-a"]
    assert list(load_corpus(str(apart)).column("id")) == ["synthetic-b"]
    assert "left out 1: endpoint_bool: expected true or false (c is 7)" in lines
    assert "left out 1: no endpoint_bool (d)" in lines


@pytest.mark.parametrize("code", ["de", "deu", "GER"])
def test_a_language_is_known_by_any_of_its_codes(code: str, clips: Path, tmp_path: Path) -> None:
    assert import_smart_turn(str(clips), tmp_path / "o.parquet", ClipSettings(language=code)) == 1
