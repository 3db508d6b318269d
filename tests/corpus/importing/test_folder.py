"""Annotated recordings: every format says the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from praatio import textgrid
from praatio.utilities.constants import Interval

from tests.speech import talk
from turnkit.cli.main import main
from turnkit.corpus.importing.annotation import Label, intersect
from turnkit.corpus.importing.folder import FolderSettings, import_folder, read_annotation
from turnkit.corpus.reader import load_corpus
from turnkit.corpus.schema import Turn
from turnkit.errors import CorpusError

RATE = 8_000
SAID = {
    "A": [("so", 1.0, 1.5), ("um", 1.5, 2.0), ("hello", 2.6, 3.4)],
    "B": [("hi", 5.0, 6.2)],
}
"""Words of two speakers and when they were said."""

WORDS = [(who, *word) for who, words in SAID.items() for word in words]


SENTENCE = Interval(0.1, 0.9, "the same, as a sentence")


def recording(path: Path, channels: int = 1) -> Path:
    noise = 0.01 * np.random.default_rng(0).standard_normal((12 * RATE, channels))
    soundfile.write(path, noise, RATE)
    return path


def as_textgrid(path: Path) -> None:
    grid = textgrid.Textgrid()
    for who, words in SAID.items():
        entries = [Interval(start, end, word) for word, start, end in words]
        grid.addTier(textgrid.IntervalTier(f"{who} - words", entries, 0, 12))
        grid.addTier(textgrid.IntervalTier(f"{who} - phones", [Interval(0.1, 0.9, "x")], 0, 12))
        grid.addTier(textgrid.IntervalTier(who, [SENTENCE], 0, 12))
    grid.save(str(path.with_suffix(".TextGrid")), "short_textgrid", includeBlankSpaces=True)


def as_rttm(path: Path) -> None:
    lines = [";; words and stretches", "SPKR-INFO call 1 <NA> <NA> <NA> unknown A <NA> <NA>"]
    lines += ["SPEAKER call 1 0.100 0.800 <NA> <NA> A <NA> <NA>"]
    lines += [
        f"LEXEME call 1 {start} {end - start:.3f} {word} lex {who} 0.9 <NA>"
        for who, word, start, end in WORDS
    ]
    lines += ["LEXEME call 1 0.1 0.2 %breath non-lex A <NA> <NA>"]
    path.with_suffix(".rttm").write_text("\n".join(lines))


def as_ctm(path: Path) -> None:
    lines = [";; comment", "call A 0.1 0.2 <noise> 0.3"]
    lines += [f"call {who} {a} {b - a:.3f} {word} 0.9" for who, word, a, b in WORDS]
    path.with_suffix(".ctm").write_text("\n".join(lines))


def as_json(path: Path) -> None:
    segments = [
        {
            "start": 0.0,
            "end": 12.0,
            "text": "all of it",
            "speaker": who,
            "words": [{"word": f" {word}", "start": a, "end": b} for word, a, b in words],
        }
        for who, words in SAID.items()
    ]
    path.with_suffix(".json").write_text(json.dumps({"segments": segments}))


def as_json_list(path: Path) -> None:
    words = [{"text": w, "start": a, "end": b, "speaker": who} for who, w, a, b in WORDS]
    path.with_suffix(".json").write_text(json.dumps(words))


def as_audacity(path: Path) -> None:
    lines = [f"{a}\t{b}\t{who}: {word}" for who, word, a, b in WORDS]
    lines.insert(1, "\\\t100.0\t3000.0")
    lines.append("11.0\t11.0\ta mark")
    lines[0] = lines[0].replace(".", ",")
    path.with_suffix(".txt").write_text("\n".join(lines))


def turns_of(folder: Path, settings: FolderSettings | None = None) -> dict[str, Turn]:
    out = folder / "out" / "turns.parquet"
    import_folder(folder, out, settings)
    return {turn.id: turn for turn in load_corpus(str(out))}


@pytest.mark.parametrize(
    "write", [as_textgrid, as_rttm, as_ctm, as_json, as_json_list, as_audacity]
)
def test_every_format_gives_the_same_turns(write: Callable[[Path], None], tmp_path: Path) -> None:
    write(recording(tmp_path / "call.wav"))
    turns = turns_of(tmp_path)
    assert set(turns) == {"call-A-0000", "call-B-0000"}
    first, second = turns["call-A-0000"], turns["call-B-0000"]
    # From half a second before to the other's first word: both are on one channel.
    edges = [edge for span in first.spans for edge in (span.start, span.end)]
    assert edges == pytest.approx([1.5, 2.1, 2.9, 4.5])
    assert [span.duration for span in second.spans] == pytest.approx([4.0])
    assert (first.speaker, first.transcript) == ("call-A", "so um hello")
    assert second.transcript == "hi"
    if write is not as_audacity:
        assert [word.word for word in first.words] == ["so", "um", "hello"]
        assert first.words[2].start == pytest.approx(2.1)


def test_speakers_on_channels_of_their_own_do_not_end_each_others_rows(tmp_path: Path) -> None:
    as_ctm(recording(tmp_path / "call.wav", channels=2))
    turns = turns_of(tmp_path)
    assert turns["call-A-0000"].end.duration == pytest.approx(4.0)
    channel = soundfile.read(tmp_path / "call.wav")[0][:, 0]
    expected = channel[round(0.5 * RATE) : round(7.4 * RATE)]
    np.testing.assert_allclose(turns["call-A-0000"].samples, expected, atol=1e-4)


def test_a_name_may_be_the_same_person_everywhere(tmp_path: Path) -> None:
    for name in ("one", "two"):
        as_json(recording(tmp_path / f"{name}.wav"))
    assert {t.speaker for t in turns_of(tmp_path).values()} == {"one-A", "one-B", "two-A", "two-B"}
    same = turns_of(tmp_path, FolderSettings(same_speakers=True))
    assert {turn.speaker for turn in same.values()} == {"A", "B"}


def test_rows_name_their_recording(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    as_json(recording(tmp_path / "deep" / "one.wav"))
    out = tmp_path / "out.parquet"
    import_folder(tmp_path, out, FolderSettings(same_speakers=True))
    assert list(load_corpus(str(out)).column("recording")) == ["deep-one", "deep-one"]


def test_pauses_inside_labels_by_voice_activity(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "one.wav", talk(-1.0, 1.5, -0.8, 1.5, -3.0, rate=RATE), RATE)
    (tmp_path / "one.txt").write_text("1.0\t4.9\tone sentence and two")
    whole = turns_of(tmp_path)["one-speaker-0000"]
    assert whole.holds == ()
    assert whole.transcript == "one sentence and two"
    fine = turns_of(tmp_path, FolderSettings(vad=True))["one-speaker-0000"]
    (hold,) = fine.holds
    assert hold.duration == pytest.approx(0.8, abs=0.15)


def test_texts_of_labels_may_be_names(tmp_path: Path) -> None:
    recording(tmp_path / "one.wav")
    (tmp_path / "one.txt").write_text("1.0\t2.0\tann\n3.0\t4.5\tbob\n")
    assert set(turns_of(tmp_path, FolderSettings(names=True))) == {"one-ann-0000", "one-bob-0000"}


def test_a_tier_may_be_asked_for(tmp_path: Path) -> None:
    as_textgrid(recording(tmp_path / "call.wav"))
    path = tmp_path / "call.TextGrid"
    labels = read_annotation(path, FolderSettings(tiers=("B",)))
    assert labels == [Label("B", 0.1, 0.9, "the same, as a sentence")]
    with pytest.raises(CorpusError, match=r"no interval tier 'C'; it has A - words"):
        read_annotation(path, FolderSettings(tiers=("C",)))


def test_an_rttm_of_several_recordings(tmp_path: Path) -> None:
    line = "SPEAKER {} 1 {} 1.0 <NA> <NA> x <NA> <NA>\n"
    path = tmp_path / "b.rttm"
    path.write_text(line.format("a", 1) + line.format("b", 2))
    assert read_annotation(path) == [Label("x", 2.0, 3.0, channel=0)]
    other = path.rename(tmp_path / "c.rttm")
    with pytest.raises(CorpusError, match=r"several recordings \(a, b\), none 'c'"):
        read_annotation(other)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.rttm", "SPEAKER a 1 0.5", r"a\.rttm, line 1: 4 fields"),
        ("a.rttm", "SPEAKER a 1 x 1 <NA> <NA> b <NA>", r"line 1: 'x': expected seconds"),
        ("a.ctm", "a 1 1.0 nan word", r"line 1: 'nan': expected seconds"),
        ("a.ctm", "a 1 1.0 -2 word", r"1 \.\. -1 s: expected 0 <= start <= end"),
        ("a.txt", "1.0 2.0 word", r"line 1: expected start, end and text with tabs"),
        ("a.json", "{", r"a\.json: no JSON"),
        ("a.json", "{}", r"a\.json: expected a list of words"),
        ("a.json", '[{"word": "a", "start": 1}]', r"word 0: None: expected seconds"),
        ("a.json", '[{"start": 1, "end": 2}]', r"word 0: '': expected a text"),
        ("a.json", "[3]", r"word 0: 3: expected an object"),
        ("a.json", "[" * 100_000, r"a\.json: no JSON"),
        ("a.json", "9" * 5_000, r"a\.json: no JSON"),
        ("a.json", '[{"word": "a", "start": 1' + "0" * 400 + "}]", r"word 0: 10*: expected sec"),
        (
            "a.json",
            '[{"word": "a", "start": 1, "end": 2, "channel": "0"}]',
            r"a\.json, word 0: channel '0': expected a whole number; the first is 0",
        ),
        (
            "a.json",
            '[{"word": "a", "start": 1, "end": 2, "channel": true}]',
            r"word 0: channel True: expected a whole number",
        ),
        (
            "a.json",
            '[{"word": "a", "start": 1, "end": 2, "speaker": {"id": 3}}]',
            r"word 0: speaker {'id': 3}: expected a name or a whole number",
        ),
        ("a.TextGrid", "no grid", r"a\.TextGrid: cannot be read as a TextGrid"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CorpusError, match=message):
        read_annotation(tmp_path / name)


def test_text_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"1.0\t2.0\tca\xe7a")
    with pytest.raises(CorpusError, match=r"a\.txt: not UTF-8"):
        read_annotation(tmp_path / "a.txt")


def test_recordings_and_annotations_that_do_not_belong_together(tmp_path: Path) -> None:
    out = tmp_path / "out" / "turns.parquet"
    recording(tmp_path / "a.wav")
    with pytest.raises(CorpusError, match=r"recording without an annotation \(a\.wav\)"):
        import_folder(tmp_path, out)
    (tmp_path / "a.txt").write_text("1.0\t14.0\tword")
    with pytest.raises(CorpusError, match=r"a\.wav: lasts 12\.00 s, its annotation 14\.00 s"):
        import_folder(tmp_path, out)
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(CorpusError, match=r"a\.json and a\.txt lie beside it"):
        import_folder(tmp_path, out)
    assert not out.exists()


def test_the_command_says_what_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_rttm(recording(tmp_path / "call.wav"))
    recording(tmp_path / "bare.wav")
    out = tmp_path / "out.parquet"
    assert main(["data", "import", "folder", str(tmp_path), str(out), "--language", "fr"]) == 0
    said = capsys.readouterr().out
    assert "call.wav: 2 turns, by call.rttm" in said
    assert "left out 1: recording without an annotation (bare.wav)" in said
    card = (tmp_path / "out.card.md").read_text()
    assert "recording without an annotation (bare.wav)" in card
    assert load_corpus(str(out))[0].language == "fr"


def test_annotations_of_nothing_are_named(tmp_path: Path) -> None:
    as_rttm(recording(tmp_path / "call.wav"))
    out, lines = tmp_path / "out.parquet", list[str]()
    (tmp_path / "orphan.rttm").write_text("")
    (tmp_path / "._call.rttm").write_text("hidden")
    recording(tmp_path / "still.wav").with_suffix(".ctm").write_text(";; nobody\n")
    import_folder(tmp_path, out, None, lines.append)
    assert "left out 1: annotation without a recording (orphan.rttm)" in lines
    assert "left out 1: annotation in which nobody speaks (still.ctm)" in lines
    assert lines[0] == "call.wav: 2 turns, by call.rttm"
    with pytest.raises(CorpusError, match=r"no turns found; left out 1: .* speaks \(still\.ctm\)"):
        import_folder(tmp_path / "still.wav", out)


def test_annotations_are_read_before_the_work(tmp_path: Path) -> None:
    as_rttm(recording(tmp_path / "call.wav"))
    recording(tmp_path / "later.wav").with_suffix(".json").write_text("{")
    lines = list[str]()
    with pytest.raises(CorpusError, match=r"later\.json: no JSON"):
        import_folder(tmp_path, tmp_path / "out.parquet", None, lines.append)
    assert lines == []


def test_intersection() -> None:
    assert intersect([(0, 2), (3, 5)], [(1, 4), (4.5, 9)]) == [(1, 2), (3, 4), (4.5, 5)]


def words(*said: tuple[str, float, float, int | None]) -> str:
    fields = ("speaker", "start", "end", "channel")
    return json.dumps([{"word": "x", **dict(zip(fields, one, strict=True))} for one in said])


def test_who_is_on_no_known_channel_may_be_heard_on_any(tmp_path: Path) -> None:
    recording(tmp_path / "call.wav", channels=2)
    hummed = [("A", 1.0, 1.5, 0), ("B", 1.8, 2.0, None), ("A", 2.5, 3.4, 0), ("B", 6.0, 7.0, None)]
    (tmp_path / "call.json").write_text(words(*hummed))
    assert set(turns_of(tmp_path)) == {"call-B-0000"}


def test_a_channel_that_is_not_there_is_named(tmp_path: Path) -> None:
    recording(tmp_path / "call.wav", channels=2)
    (tmp_path / "call.json").write_text(words(("A", 1.0, 2.0, 2)))
    with pytest.raises(CorpusError, match=r"2 channels, its annotation names channel 2"):
        turns_of(tmp_path)


@pytest.mark.parametrize(("inside", "holds"), [([], 1), ([{"word": "2014"}], 0)])
def test_a_word_without_times_is_no_pause(
    inside: list[dict[str, str]], holds: int, tmp_path: Path
) -> None:
    first = {"word": "in", "start": 1.0, "end": 1.2}
    last = {"word": "June", "start": 2.4, "end": 3.0}
    segment = {"start": 1.0, "end": 3.0, "text": "in ... June", "words": [first, *inside, last]}
    (recording(tmp_path / "a.wav")).with_suffix(".json").write_text(
        json.dumps({"segments": [segment]})
    )
    assert len(turns_of(tmp_path)["a-speaker-0000"].holds) == holds
