"""Two-channel recordings cut into turns."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.speech import talk
from turnkit.cli.main import main
from turnkit.corpus.importing import stereo
from turnkit.corpus.importing.floor import Run
from turnkit.corpus.importing.recognising import Recogniser, place_words
from turnkit.corpus.importing.sides import Side
from turnkit.corpus.importing.stereo import StereoSettings, import_stereo, said_before
from turnkit.corpus.reader import load_corpus
from turnkit.corpus.schema import Message, Word
from turnkit.errors import ConfigError, CorpusError, MissingDependencyError

RATE = 8_000


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A asks (with a pause), B answers, and hums once while A goes on."""
    a = talk(-1.0, 1.5, -0.8, 1.5, -4.0, 5.0, -5.0, rate=RATE)
    b = talk(-6.0, 1.5, -3.3, 0.5, -7.5, rate=RATE, seed=1)
    n = min(len(a), len(b))
    folder = tmp_path_factory.mktemp("calls") / "monday"
    folder.mkdir()
    soundfile.write(folder / "one.wav", np.stack([a[:n], b[:n]], axis=1), RATE)
    return folder.parent


def test_a_call_becomes_turns_backchannels_and_a_card(call: Path, tmp_path: Path) -> None:
    out, apart = tmp_path / "turns.parquet", tmp_path / "short.parquet"
    lines: list[str] = []
    settings = StereoSettings("de", ("caller", "agent"))
    count = import_stereo(call, out, settings, lines.append, backchannels=apart)
    corpus = load_corpus(str(out))
    assert count == len(corpus) == 3
    turns = {turn.id: turn for turn in corpus}
    assert set(turns) == {
        "monday-one-caller-0000",
        "monday-one-caller-0001",
        "monday-one-agent-0000",
    }
    asked = turns["monday-one-caller-0000"]
    assert (asked.speaker, asked.language, asked.sample_rate) == ("monday-one-caller", "de", RATE)
    (hold,) = asked.holds
    # Speech from 1 s, of which half a second is kept before.
    assert hold.start == pytest.approx(2.0, abs=0.15)
    assert hold.duration == pytest.approx(0.8, abs=0.15)
    assert asked.end.start == pytest.approx(4.3, abs=0.15)
    assert asked.end.duration == pytest.approx(4.0, abs=0.15)
    assert turns["monday-one-agent-0000"].end.duration == pytest.approx(3.3, abs=0.2)
    assert asked.tags == frozenset()
    # A goes on while B hums.
    assert turns["monday-one-caller-0001"].tags == {"overlap"}
    (hum,) = load_corpus(str(apart))
    assert hum.tags == {"backchannel", "overlap"}
    assert "one.wav: 3 turns, 1 backchannels" in lines
    card = (tmp_path / "turns.card.md").read_text()
    for fact in ("| turns | 3 |", "| speakers | 2 |", "backchannels set apart: 1", "de 3"):
        assert fact in card


def test_turns_of_one_role_only(call: Path, tmp_path: Path) -> None:
    out = tmp_path / "turns.parquet"
    assert import_stereo(call, out, StereoSettings(roles=("a", "b"), only="b")) == 1
    assert load_corpus(str(out)).speakers == ["monday-one-b"]


def test_recordings_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    with pytest.raises(CorpusError, match="no recordings"):
        import_stereo(tmp_path, out)
    soundfile.write(tmp_path / "mono.wav", np.zeros(8_000), 8_000)
    with pytest.raises(CorpusError, match=r"mono\.wav: 1 channel\(s\); expected two"):
        import_stereo(tmp_path, out)
    (tmp_path / "mono.wav").unlink()
    soundfile.write(tmp_path / "still.wav", np.zeros((16_000, 2)), 8_000)
    with pytest.raises(CorpusError, match=r"no turns found; .*\(still\.wav, channels 0 and 1\)"):
        import_stereo(tmp_path, out)
    (tmp_path / "still.wav").write_bytes(b"RIFF, but no sound")
    with pytest.raises(CorpusError, match=r"still\.wav: cannot be decoded"):
        import_stereo(tmp_path, out)
    assert [path.name for path in tmp_path.iterdir()] == ["still.wav"]


def test_turns_name_the_recording_that_both_sides_are_of(call: Path, tmp_path: Path) -> None:
    out, apart = tmp_path / "turns.parquet", tmp_path / "short.parquet"
    import_stereo(call, out, backchannels=apart)
    for path in (out, apart):
        assert set(load_corpus(str(path)).column("recording")) == {"monday-one"}


def test_channels_are_counted_before_the_work(call: Path, tmp_path: Path) -> None:
    calls, lines = shutil.copytree(call, tmp_path / "calls"), list[str]()
    soundfile.write(calls / "tuesday.wav", np.zeros(8_000), RATE)
    with pytest.raises(CorpusError, match=r"tuesday\.wav: 1 channel\(s\); expected two"):
        import_stereo(calls, tmp_path / "turns.parquet", None, lines.append)
    assert lines == []


def test_the_command(call: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "calls.parquet"
    assert main(["data", "import", "stereo", str(call), str(out), "--only", "1"]) == 0
    assert "1 turns" in capsys.readouterr().out
    assert len(load_corpus(str(out))) == 1
    with pytest.raises(SystemExit):
        main(["data", "import", "stereo", str(call), str(tmp_path / "out.csv")])
    assert main(["data", "import", "stereo", str(call), str(out), "--only", "2"]) == 2
    assert main(["data", "import", "stereo", str(call), str(out), "--roles", "a"]) == 2


def test_rules_are_set_on_the_command_line(
    call: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "calls.parquet"
    given = ["data", "import", "stereo", str(call), str(out)]
    rules = ("longest_hold_s=0.5", "tail_s=1", "resume_s=0.5")
    assert main([*given, *(part for rule in rules for part in ("--rule", rule))]) == 0
    corpus = load_corpus(str(out))
    assert len(corpus) == 4
    assert max(turn.end.duration for turn in corpus) == pytest.approx(1.0)
    for wrong in ("bridge=1", "bridge_s=-1", "bridge_s"):
        assert main([*given, "--rule", wrong]) == 2
        assert "bridge" in capsys.readouterr().err


def test_a_corpus_that_fails_leaves_the_old_one(call: Path, tmp_path: Path) -> None:
    out = tmp_path / "calls.parquet"
    import_stereo(call, out)
    before = out.read_bytes()
    (tmp_path / "mono").mkdir()
    soundfile.write(tmp_path / "mono" / "mono.wav", np.zeros(8_000), 8_000)
    with pytest.raises(CorpusError):
        import_stereo(tmp_path / "mono", out)
    assert out.read_bytes() == before


def test_what_was_said_before_comes_as_messages_of_both_sides() -> None:
    def side(name: str, *words: tuple[str, float, float]) -> Side:
        speech: list[Run] = [(start, end) for _, start, end in words]
        return Side(name, np.zeros(0, dtype=np.float32), speech, [Word(*w) for w in words])

    own = side("b", ("fine", 3.0, 4.5), ("thanks", 9.0, 10.0))
    other = side("a", ("how", 1.0, 1.4), ("are", 1.4, 2.5), ("good", 6.0, 8.0))
    said = said_before(own, other, StereoSettings().rules)
    assert said == [
        (1.0, Message("assistant", "how are")),
        (3.0, Message("user", "fine")),
        (6.0, Message("assistant", "good")),
        (9.0, Message("user", "thanks")),
    ]


def test_words_are_brought_into_speech() -> None:
    speech = [(1.0, 2.0), (3.0, 4.0)]
    words = place_words(["so", "um", "well"], [1.5, 2.4, 4.3], speech)
    assert words == [Word("so", 1.0, 1.5), Word("um", 1.5, 2.0), Word("well", 3.0, 4.0)]


def test_the_default_recogniser_knows_english_only() -> None:
    with pytest.raises(ConfigError, match="language 'de'"):
        Recogniser("default", "de")


def test_a_missing_recogniser_is_said_before_the_work(
    call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"turnkit\[agent\]"):
        import_stereo(call, tmp_path / "out.parquet", StereoSettings(recogniser="default"))


def test_words_and_messages_by_the_recogniser(
    call: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fake:
        def __init__(self, model: str, language: str) -> None:
            assert (model, language) == ("default", "en")

        def words(self, _samples: object, _rate: int, runs: list[Run]) -> list[Word]:
            return [Word(f"w{round(a)}", a, b) for a, b in runs]

    monkeypatch.setattr(stereo, "Recogniser", Fake)
    out = tmp_path / "out.parquet"
    import_stereo(call, out, StereoSettings(roles=("a", "b"), recogniser="default"))
    turns = {turn.id[-6:]: turn for turn in load_corpus(str(out))}
    asked, answer = turns["a-0000"], turns["b-0000"]
    assert asked.transcript == "w1 w3"
    assert asked.words[1].start == pytest.approx(asked.holds[0].end)
    assert asked.messages == ()
    assert [(m.role, m.content) for m in answer.messages] == [("assistant", "w1 w3")]
    assert [m.role for m in turns["a-0001"].messages] == ["user", "assistant"]


def test_backchannels_do_not_take_the_place_of_turns(call: Path, tmp_path: Path) -> None:
    out = tmp_path / "turns.parquet"
    with pytest.raises(ConfigError, match="named twice"):
        import_stereo(call, out, backchannels=out)
    assert not out.exists()


def test_where_there_are_no_backchannels(call: Path, tmp_path: Path) -> None:
    out, apart, lines = tmp_path / "turns.parquet", tmp_path / "short.parquet", list[str]()
    import_stereo(call, out, StereoSettings(only="0"), lines.append, backchannels=apart)
    assert f"{apart}: not written, there are no backchannels" in lines
    assert not apart.exists()


def test_settings_that_do_not_fit(call: Path, tmp_path: Path) -> None:
    given = ["data", "import", "stereo", str(call), str(tmp_path / "out.parquet")]
    assert main([*given, "--roles", "a,b,c"]) == 2
    assert main([*given, "--language", ""]) == 2
