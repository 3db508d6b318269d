from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from turnkit.corpus.schema import parse_row
from turnkit.errors import ConfigError, InputError
from turnkit.lab.scenario.script import Sound
from turnkit.lab.scenario.sounds import SoundBook
from turnkit.lab.scenario.sources import (
    BackchannelSource,
    CorpusSource,
    FileSource,
    NoiseSource,
    RowSource,
    TextSource,
)
from turnkit.lab.scenario.stimuli import GREETING, RATE, corpus_sound, spoken_text
from turnkit.stages.tts.piper import PiperTts

SPANS = ((0.8, 1.3), (2.0, 3.0))
Rows = Callable[..., dict[str, Any]]
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def voice() -> PiperTts:
    return PiperTts()


@pytest.fixture
def corpus(tmp_path: Path, make_row: Rows, write_parquet: Write) -> str:
    rows = [
        make_row("a", ((0.8, 1.3), (2.0, 3.0)), transcript="one two three"),
        make_row("b", ((2.0, 3.0),), transcript="yes"),
        make_row("c", ((0.8, 1.9), (2.5, 3.0)), transcript="one two"),
    ]
    return str(write_parquet(tmp_path / "test.parquet", rows))


def test_a_row_is_cut_after_its_annotated_end(make_row: Rows) -> None:
    sound = corpus_sound(parse_row(make_row(spans=SPANS, transcript="well"), 0))
    assert sound.kind == "turn"
    assert (sound.name, sound.text) == ("a-001", "well")
    assert sound.ended == 2.0
    assert sound.seconds == pytest.approx(2.2, abs=1e-3)
    assert sound.holds == ((0.8, 1.3),)
    assert sound.onset == pytest.approx(0.0, abs=0.005)


def test_the_onset_of_a_row_is_its_first_audible_sample(make_row: Rows) -> None:
    # Silence before the speech is no hold of anybody: the row says nothing about it.
    row = make_row(spans=((2.0, 3.0),))
    turn = parse_row(row, 0)
    turn.samples[: round(0.4 * turn.sample_rate)] = 0.0
    assert corpus_sound(turn).onset == pytest.approx(0.4, abs=0.005)


def test_a_row_of_an_odd_rate_keeps_its_times(make_row: Rows) -> None:
    sound = corpus_sound(parse_row(make_row(spans=SPANS, rate=22_050), 0))
    assert sound.rate % 100 == 0
    assert sound.ended == 2.0
    assert sound.seconds == pytest.approx(2.2, abs=1e-3)


@pytest.mark.parametrize("tempo", [0.8, 1.0, 1.3])
@pytest.mark.parametrize("text", ["Yes.", "No, thank you.", "I would like a room for two nights."])
def test_a_text_ends_where_the_voice_stops(voice: PiperTts, text: str, tempo: float) -> None:
    samples, extent = spoken_text(voice, text, tempo)
    # The voice knows how long it speaks each word; the last sound of it may be faint.
    words = voice.speak(text, length_scale=1 / tempo).words
    assert -0.06 < extent.ended - words[-1].end < 0.03
    assert extent.onset == pytest.approx(words[0].start, abs=0.06)
    # And the energy of the sound: nothing of it comes later, and it lasts until then.
    energy = np.cumsum(samples.astype(np.float64) ** 2)
    end = round(extent.ended * RATE)
    assert energy[-1] - energy[end] < 1e-5 * energy[-1]
    last = samples[end - round(0.02 * RATE) : end]
    assert 20 * np.log10(np.sqrt(np.mean(last**2))) > -60
    assert len(samples) / RATE <= extent.ended + 0.2 + 1e-3


def test_pauses_in_a_text_are_holds() -> None:
    sound = SoundBook(0).sound(TextSource(text="Hello. My name is Miller.", tempo=0.6))
    assert sound.text == "Hello. My name is Miller."
    for start, end in sound.holds:
        assert sound.onset < start < end < sound.ended
        inside = sound.samples[round(start * RATE) + 160 : round(end * RATE) - 160]
        assert np.max(np.abs(inside)) < 10 ** (-50 / 20)


def test_the_greeting_is_long_enough_to_be_spoken_over(voice: PiperTts) -> None:
    assert spoken_text(voice, GREETING)[1].ended > 8.0


def test_a_text_is_spoken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken: list[str] = []
    speak = PiperTts.speak

    def watched(self: PiperTts, text: str, **options: Any) -> Any:
        spoken.append(text)
        return speak(self, text, **options)

    monkeypatch.setattr(PiperTts, "speak", watched)
    book = SoundBook(0)
    first, second = (book.sound(TextSource(text="Yes.")) for _ in range(2))
    assert spoken == ["Yes."]
    assert (first.name, second.name) == ("Yes.", "Yes. #2")
    assert first.samples is second.samples
    book.sound(TextSource(text="Yes.", tempo=1.2))
    assert spoken == ["Yes.", "Yes."]


def test_a_file_ends_at_its_last_audible_sample_unless_it_is_said(tmp_path: Path) -> None:
    time = np.arange(2 * RATE) / RATE
    tone = 0.1 * np.sin(2 * np.pi * 200 * time) * ((time > 0.3) & (time < 1.2))
    soundfile.write(tmp_path / "tone.wav", tone, RATE)
    book = SoundBook(0, tmp_path)
    sound = book.sound(FileSource(file="tone.wav"))
    assert sound.onset == pytest.approx(0.3, abs=0.005)
    assert sound.ended == pytest.approx(1.2, abs=0.005)
    assert sound.seconds == pytest.approx(1.4, abs=0.01)
    said = book.sound(FileSource(file="tone.wav", ended_s=1.0), over=True)
    assert (said.kind, said.name, said.ended) == ("interruption", "tone.wav #2", 1.0)
    with pytest.raises(InputError, match=r"tone\.wav: lasts 2\.00 s.*3 s"):
        book.sound(FileSource(file="tone.wav", ended_s=3.0))
    soundfile.write(tmp_path / "nothing.wav", np.zeros(RATE), RATE)
    with pytest.raises(InputError, match=r"nothing\.wav: holds nothing audible"):
        book.sound(FileSource(file="nothing.wav"))
    with pytest.raises(InputError, match="absent"):
        book.sound(FileSource(file="absent.wav"))


def test_a_row_by_its_number(corpus: str) -> None:
    book = SoundBook(0)
    sound = book.sound(RowSource(row=f"{corpus}/2"), over=True)
    assert (sound.kind, sound.name) == ("interruption", "c")
    with pytest.raises(ConfigError, match=r"test\.parquet/3.*from 0 to 2"):
        book.sound(RowSource(row=f"{corpus}/3"))


def test_every_row_is_said_before_one_is_said_again(corpus: str) -> None:
    book = SoundBook(0)
    names = [book.sound(CorpusSource(corpus=corpus)).name for _ in range(6)]
    assert sorted(names[:3]) == ["a", "b", "c"]
    assert sorted(names[3:]) == ["a #2", "b #2", "c #2"]


def test_seeds_decide_the_order(corpus: str) -> None:
    def order(seed: int) -> tuple[str, ...]:
        book = SoundBook(seed)
        return tuple(book.sound(CorpusSource(corpus=corpus)).name for _ in range(3))

    assert order(1) == order(1)
    assert len({order(seed) for seed in range(12)}) > 2


@pytest.mark.parametrize(
    ("asked", "fitting"),
    [
        ({"with_hold_s": 0.4}, {"a", "c"}),
        ({"with_hold_s": 1.0}, {"c"}),
        ({"at_most_words": 1}, {"b"}),
        ({"at_least_words": 2}, {"a", "c"}),
        ({"at_least_words": 2, "at_most_words": 2}, {"c"}),
    ],
)
def test_only_rows_that_fit(corpus: str, asked: dict[str, Any], fitting: set[str]) -> None:
    book = SoundBook(0)
    found = [book.sound(CorpusSource(corpus=corpus, **asked)).name for _ in fitting]
    assert set(found) == fitting


def test_a_corpus_where_no_row_fits_is_named(corpus: str) -> None:
    # The silence at the end is no hold.
    with pytest.raises(ConfigError, match=r"test\.parquet: no row fits.*with_hold_s=1\.5"):
        SoundBook(0).sound(CorpusSource(corpus=corpus, with_hold_s=1.5))


def test_noises_and_signs_of_listening_differ_each_time_and_by_seed() -> None:
    for source in (NoiseSource(noise="cough"), NoiseSource(noise="knock")):
        first, second = SoundBook(0), SoundBook(1)
        sounds = [first.sound(source), first.sound(source), second.sound(source)]
        assert len({each.samples.tobytes() for each in sounds}) == 3
        assert len({each.name for each in sounds}) == 3
        again = SoundBook(0).sound(source)
        assert again.name == sounds[0].name
        np.testing.assert_array_equal(again.samples, sounds[0].samples)
    book = SoundBook(0)
    hums = [book.sound(BackchannelSource(backchannel="mm-hm"), over=True) for _ in range(8)]
    assert {each.kind for each in hums} == {"backchannel"}
    assert len({each.samples.tobytes() for each in hums}) == 8
    assert len({len(each.samples) for each in hums}) > 1


@pytest.mark.parametrize("text", ["mm-hm", "yeah", "okay", "right", "uh huh"])
def test_signs_of_listening_are_short_and_audible(text: Any) -> None:
    sound = SoundBook(0).sound(BackchannelSource(backchannel=text), over=True)
    assert 0.15 < sound.ended - sound.onset < 0.8
    assert_level(sound)


@pytest.mark.parametrize("noise", ["cough", "knock"])
def test_noises_are_short(noise: Any) -> None:
    for seed in range(20):
        sound = SoundBook(seed).sound(NoiseSource(noise=noise))
        assert sound.kind == "noise"
        assert 0.03 < sound.ended - sound.onset <= 0.25
        assert_level(sound)


def assert_level(sound: Sound) -> None:
    assert sound.samples.dtype == np.float32
    assert 0.05 < float(np.max(np.abs(sound.samples))) <= 1.0


def test_louder_is_never_beyond_full_scale() -> None:
    book = SoundBook(0)
    plain, quiet, loud = (
        book.sound(TextSource(text="Yes.", gain_db=gain)) for gain in (0.0, -20.0, 20.0)
    )
    np.testing.assert_allclose(quiet.samples, plain.samples * 0.1, rtol=1e-5)
    assert float(np.max(np.abs(loud.samples))) == pytest.approx(0.99, abs=1e-4)
    assert (quiet.onset, quiet.ended) == (plain.onset, plain.ended)


def test_a_seed_is_not_negative() -> None:
    with pytest.raises(ConfigError, match=r"seed -1: expected 0 or more"):
        SoundBook(-1)


def test_silence_before_it_belongs_to_it(corpus: str) -> None:
    book = SoundBook(0)
    plain = book.sound(RowSource(row=f"{corpus}/0"))
    later = book.sound(RowSource(row=f"{corpus}/0", lead_s=2.0))
    assert not np.any(later.samples[: 2 * later.rate])
    np.testing.assert_array_equal(later.samples[2 * later.rate :], plain.samples)
    assert (later.onset, later.ended) == (plain.onset + 2, plain.ended + 2)
    assert later.holds == tuple((start + 2, end + 2) for start, end in plain.holds)
