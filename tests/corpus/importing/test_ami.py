"""Meetings in the layout of the AMI archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from turnkit.cli.main import main
from turnkit.corpus.importing.ami import AmiSettings, import_ami, split_of
from turnkit.corpus.importing.ami_files import AmiFiles
from turnkit.corpus.reader import load_corpus
from turnkit.errors import ConfigError, CorpusError

RATE = 16_000
HEAD = (
    '<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?>\n'
    '<nite:root nite:id="x" xmlns:nite="http://nite.sourceforge.net/">\n'
)
MEETINGS = """<meeting nite:id="meet_1" observation="ES2002a" type="scenario">
  <speaker nite:id="s1" channel="1" nxt_agent="A" global_name="FEE005" role="PM"/>
  <speaker nite:id="s2" channel="0" nxt_agent="B" global_name="MEE006" role="ID"/>
</meeting>
"""


def word(
    who: str, number: int, text: str, start: float | None, end: float = 0.0, **more: str
) -> str:
    times = "" if start is None else f' starttime="{start}" endtime="{end}"'
    flags = "".join(f' {key}="{value}"' for key, value in more.items())
    return f'<w nite:id="ES2002a.{who}.words{number}"{times}{flags}>{text}</w>\n'


WORDS_A = (
    word("A", 0, "Okay", 1.0, 1.6)
    + word("A", 1, ",", 1.6, 1.6, punc="true")
    + '<vocalsound nite:id="ES2002a.A.words2" starttime="1.7" endtime="1.7" type="laugh"/>\n'
    + word("A", 3, "we&#39;ll", 2.1, 2.6)
    + word("A", 4, "st", 2.6, 3.4, trunc="true")
    + word("A", 5, "start", 4.2, 5.0)
    + word("A", 6, "?", 5.0, 5.0, punc="true")
    + word("A", 7, "lost", None)
)
WORDS_B = (
    word("B", 0, "Mm-hmm", 3.6, 4.0)
    + word("B", 1, "Yes", 5.2, 6.4)
    + word("B", 2, ".", 6.4, 6.4, punc="true")
)
SEGMENT = (
    '<segment nite:id="ES2002a.sync.1" channel="1" transcriber_start="9.0" '
    'transcriber_end="9.8"><nite:child href="ES2002a.A.words.xml#id(ES2002a.A.words7)"/>'
    "</segment>\n"
)
ACT = (
    '<dact nite:id="d1"><nite:pointer role="da-aspect" href="da-types.xml#id({kind})"/>'
    '<nite:child href="ES2002a.B.words.xml#id(ES2002a.B.words0){to}"/></dact>\n'
)


def write(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HEAD}{body}</nite:root>\n", encoding="latin-1")


def record(path: Path, level: float, seconds: float = 14.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(round(seconds * RATE), level), RATE)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    manual = tmp_path / "ami" / "ami_public_manual_1.6.2"
    write(manual / "words" / "ES2002a.A.words.xml", WORDS_A)
    write(manual / "words" / "ES2002a.B.words.xml", WORDS_B)
    write(manual / "corpusResources" / "meetings.xml", MEETINGS)
    audio = tmp_path / "ami" / "amicorpus" / "ES2002a" / "audio"
    record(audio / "ES2002a.Headset-0.wav", 0.25)
    record(audio / "ES2002a.Headset-1.wav", 0.5)
    return tmp_path / "ami"


def test_meetings_become_turns(corpus: Path, tmp_path: Path) -> None:
    out, lines = tmp_path / "turns.parquet", list[str]()
    assert import_ami(str(corpus), out, None, lines.append) == 2
    turns = {turn.id: turn for turn in load_corpus(str(out))}
    asked, answer = turns["ES2002a-A-0000"], turns["ES2002a-B-0000"]
    # Participant A wore headset 1, and is the same person in every meeting.
    assert (asked.speaker, answer.speaker) == ("FEE005", "MEE006")
    assert set(load_corpus(str(out)).column("recording")) == {"ES2002a"}
    assert np.allclose(asked.samples, 0.5, atol=1e-3)
    assert np.allclose(answer.samples, 0.25, atol=1e-3)
    edges = [edge for span in asked.spans for edge in (span.start, span.end)]
    assert edges == pytest.approx([1.1, 1.6, 2.9, 3.7, 4.5, 8.5])
    assert asked.transcript == "Okay, we'll st- start?"
    assert [w.word for w in asked.words] == ["Okay", "we'll", "st-", "start"]
    assert asked.tags == {"human", "domain:ami"}
    assert answer.transcript == "Yes."
    assert "words without a time, left out: 1" in lines
    assert "ES2002a: 2 turns" in lines


def test_backchannels_are_those_of_the_dialogue_acts(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "turns.parquet"
    # One that is too close to its speaker's next words to be found without being marked.
    words = word("B", 0, "Mm-hmm", 3.5, 4.1) + word("B", 1, "Yes", 5.05, 6.4)
    write(next(corpus.rglob("ES2002a.B.words.xml")), words)
    acts = corpus / "dialogueActs" / "ES2002a.B.dialog-act.xml"
    write(acts, ACT.format(kind="ami_da_11", to="..id(ES2002a.B.words0)"))
    lines = list[str]()
    import_ami(str(corpus), out, None, lines.append)
    # It took the floor, but both of them went on.
    assert any("left out 2: its speaker goes on too soon" in line for line in lines)
    assert [len(turn.holds) for turn in load_corpus(str(out))] == [0, 0]
    write(acts, ACT.format(kind="ami_da_1", to=""))
    import_ami(str(corpus), out)
    marked = {turn.id: turn for turn in load_corpus(str(out))}
    assert [w.word for w in marked["ES2002a-B-0000"].words] == ["Yes"]
    assert len(marked["ES2002a-A-0000"].holds) == 2
    assert len(AmiFiles(corpus).read(AmiFiles(corpus).meetings["ES2002a"][1]).backchannels) == 1


def test_a_segment_stands_in_for_words_without_times(corpus: Path, tmp_path: Path) -> None:
    out, lines = tmp_path / "turns.parquet", list[str]()
    write(corpus / "segments" / "ES2002a.A.segments.xml", SEGMENT)
    import_ami(str(corpus), out, None, lines.append)
    turns = {turn.id: turn for turn in load_corpus(str(out))}
    assert turns["ES2002a-A-0001"].transcript == "lost"
    assert turns["ES2002a-A-0001"].words == ()
    assert turns["ES2002a-A-0000"].end.duration == pytest.approx(4.0)
    assert not any("without a time" in line for line in lines)


def test_on_the_mixed_recording_everybody_is_heard(corpus: Path, tmp_path: Path) -> None:
    for path in corpus.rglob("*.Headset-?.wav"):
        path.unlink()
    out, lines = tmp_path / "turns.parquet", list[str]()
    with pytest.raises(CorpusError, match=r"participant without a recording \(ES2002a\.A, ES2002"):
        import_ami(str(corpus), out)
    record(corpus / "ES2002a.Mix-Headset.wav", 0.1)
    assert import_ami(str(corpus), out, None, lines.append) == 1
    assert load_corpus(str(out))[0].id == "ES2002a-B-0000"
    assert any("not quiet for long enough after it (ES2002a.A at 1.00 s" in e for e in lines)


def test_a_meeting_that_is_named_twice_is_read_once(corpus: Path, tmp_path: Path) -> None:
    lines = list[str]()
    settings = AmiSettings(meetings=("ES2002a", "ES2002a"))
    import_ami(str(corpus), tmp_path / "turns.parquet", settings, lines.append)
    assert lines.count("ES2002a: 2 turns") == 1
    assert not any("its id occurred before" in line for line in lines)
    assert "AMI Meeting Corpus, 1 meetings" in (tmp_path / "turns.card.md").read_text()


def test_participants_are_letters_where_nobody_names_them(corpus: Path, tmp_path: Path) -> None:
    next(corpus.rglob("meetings.xml")).unlink()
    out = tmp_path / "turns.parquet"
    import_ami(str(corpus), out)
    asked = load_corpus(str(out))[0]
    assert asked.speaker == "ES2002a-A"
    assert np.allclose(asked.samples, 0.25, atol=1e-3)


def test_what_cannot_be_imported(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "turns.parquet"
    with pytest.raises(CorpusError, match=r"edinburghcstr/ami has utterances without"):
        import_ami("edinburghcstr/ami", out)
    with pytest.raises(CorpusError, match=r"meeting 'ES2002b': not there"):
        import_ami(str(corpus), out, AmiSettings(meetings=("ES2002b",)))
    with pytest.raises(ConfigError, match="split 'validation'"):
        AmiSettings(split="validation")
    with pytest.raises(CorpusError, match="no meeting of split 'dev': those annotated are train"):
        import_ami(str(corpus), out, AmiSettings(split="dev"))
    with pytest.raises(ConfigError, match="'ES2002a': it is in split 'train', and split 'dev'"):
        AmiSettings("dev", ("ES2011a", "ES2002a"))
    still = corpus / "still" / "words" / "IB4001.A.words.xml"
    write(still, "")
    record(corpus / "still" / "IB4001.Headset-0.wav", 0.1)
    with pytest.raises(CorpusError, match="no turns found; nothing was left out, so the source"):
        import_ami(str(corpus), out, AmiSettings(meetings=("IB4001",)))
    still.unlink()
    record(next(corpus.rglob("ES2002a.Headset-1.wav")), 0.5, 3.0)
    with pytest.raises(CorpusError, match=r"Headset-1\.wav: lasts 3\.00 s, its words 5\.00 s"):
        import_ami(str(corpus), out)
    next(corpus.rglob("ES2002a.B.words.xml")).write_text("<w>")
    with pytest.raises(CorpusError, match=r"ES2002a\.B\.words\.xml: cannot be read as XML"):
        import_ami(str(corpus), out)


@pytest.mark.parametrize(
    ("meeting", "split"),
    [("ES2002a", "train"), ("ES2011d", "dev"), ("EN2002b", "test"), ("IB4010", "dev")],
)
def test_the_partition_of_the_corpus(meeting: str, split: str) -> None:
    assert split_of(meeting) == split


def test_the_command(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "turns.parquet"
    given = ["data", "import", "ami", str(corpus), str(out)]
    assert main([*given, "--split", "train", "--meetings", "ES2002a"]) == 0
    assert f"{out}: 2 turns" in capsys.readouterr().out
    assert "CC BY 4.0" in (tmp_path / "turns.card.md").read_text()
    assert main([*given, "--split", "eval"]) == 2
