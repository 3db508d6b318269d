from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.corpus.pseudo_speakers import pseudo_speaker
from turnkit.corpus.synthesis.voices.cast import Cast, Speaker
from turnkit.corpus.synthesis.voices.pitches import KNOWN_HZ, PITCH_HZ
from turnkit.corpus.synthesis.voices.settings import (
    ESPEAK_VOICES,
    PLAIN_VOICE,
    VoiceSettings,
    default_voices,
)
from turnkit.errors import ConfigError

DEFAULT = VoiceSettings()
names = st.lists(st.sampled_from(["train", "dev", "test", "extra"]), min_size=1, unique=True)


def everybody(cast: Cast, splits: list[str], count: int) -> list[Speaker]:
    return [cast.speaker(split, i) for split in splits for i in range(count)]


@given(names, st.integers(0, 1_000), st.integers(2, 40))
def test_no_two_speakers_sound_alike(splits: list[str], seed: int, count: int) -> None:
    cast = Cast(VoiceSettings({"piper": 1.0}), splits, seed)
    people = everybody(cast, splits, count)
    assert len({person.name for person in people}) == len(people)
    points = np.array([(np.log2(p.sound.pitch), 4 * p.sound.formants) for p in people])
    apart = np.abs(points[:, None] - points[None, :]).max(axis=2)
    np.fill_diagonal(apart, 1.0)
    # so many points spread evenly over about 1.3 by 0.7 are no closer than this
    assert apart.min() > 0.2 / len(people)


@given(st.integers(0, 2**31), st.integers(0, 100_000), st.sampled_from(["train", "test"]))
def test_every_speaker_could_be_a_person(seed: int, index: int, split: str) -> None:
    person = Cast(DEFAULT, ("train", "test"), seed).speaker(split, index)
    assert person == Cast(DEFAULT, ("train", "test"), seed).speaker(split, index)
    assert person.name == person.sound.name
    assert person.name.startswith(f"synthetic-{split}-")
    hertz = KNOWN_HZ[person.voice] * person.sound.pitch
    assert 0.6 * PITCH_HZ[0] < hertz < 1.01 * PITCH_HZ[1]
    assert 0.75 < person.sound.formants < 1.27


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_voices_get_their_shares(seed: int, split: str) -> None:
    cast = Cast(DEFAULT, ("train", "dev", "test"), seed)
    heard = Counter(cast.speaker(split, i).voice for i in range(200))
    for voice, share in default_voices().items():
        assert heard[voice] == pytest.approx(200 * share, abs=2.5)


def test_men_women_and_many_accents_speak() -> None:
    people = everybody(Cast(DEFAULT, ("test",), 3), ["test"], 120)
    hertz = np.array([KNOWN_HZ[p.voice] * p.sound.pitch for p in people])
    assert (hertz < 130).mean() > 0.2
    assert (hertz > 170).mean() > 0.2
    accents = {person.accent for person in people}
    assert accents >= {"us", "us-nyc", "gb", "gb-scotland", "gb-lancaster", "caribbean"}


def test_default_voices_are_many_and_need_no_opening() -> None:
    voices = default_voices()
    assert len(ESPEAK_VOICES) >= 12
    assert sum(voices.values()) == pytest.approx(1.0)
    assert voices[PLAIN_VOICE] == 0.6
    assert set(voices) == set(KNOWN_HZ)


def test_plain_is_one_voice_as_it_is() -> None:
    people = everybody(Cast(VoiceSettings(plain=True), ("train", "test"), 0), ["train", "test"], 20)
    assert {person.voice for person in people} == {PLAIN_VOICE}
    changes = {(p.sound.pitch, p.sound.formants, p.sound.length, p.sound.breath) for p in people}
    assert changes == {(1.0, 1.0, 1.0, 1.0)}
    assert len({person.name for person in people}) == 40


@given(st.integers(0, 99))
def test_without_pseudo_speakers_no_voice_is_in_two_splits(seed: int) -> None:
    splits = ["train", "dev", "test"]
    cast = Cast(VoiceSettings(pseudo=False), splits, seed)
    voices = {s: {cast.speaker(s, i).voice for i in range(60)} for s in splits}
    for a, b in combinations(splits, 2):
        assert not voices[a] & voices[b]
    assert all(len(each) >= 4 for each in voices.values())
    assert cast.speaker("train", 5).sound.pitch == 1.0


def test_speakers_of_one_split_do_not_depend_on_how_many_are_asked_for() -> None:
    cast = Cast(DEFAULT, ("train", "test"), 1)
    forwards = [cast.speaker("train", i) for i in range(10)]
    cast.speaker("test", 3)
    backwards = [cast.speaker("train", i) for i in reversed(range(10))]
    assert forwards == backwards[::-1]
    assert forwards != [Cast(DEFAULT, ("train", "test"), 2).speaker("train", i) for i in range(10)]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"voices": {}}, "voices.voices"),
        ({"voices": {"festival:kal": 1.0}}, "festival:kal"),
        ({"voices": {"piper": 0.0}}, "piper"),
        ({"voices": {"piper": float("nan")}}, "piper"),
        ({"voices": {"piper": "half"}}, "'half'"),
        ({"voices": {"piper": True}}, "True"),
    ],
)
def test_settings_name_what_does_not_fit(content: dict[str, dict[str, float]], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        VoiceSettings(**content)  # type: ignore[arg-type]


def test_a_cast_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="each once"):
        Cast(DEFAULT, ("train", "train"), 0)
    with pytest.raises(ConfigError, match="each once"):
        Cast(DEFAULT, (), 0)
    with pytest.raises(ConfigError, match="seed -1"):
        Cast(DEFAULT, ("train",), -1)
    with pytest.raises(ConfigError, match="at least one for each"):
        Cast(VoiceSettings({"piper": 1.0}, pseudo=False), ("train", "test"), 0)
    with pytest.raises(ConfigError, match="expected one of train"):
        Cast(DEFAULT, ("train",), 0).speaker("test", 0)
    with pytest.raises(ConfigError, match="speaker -1"):
        Cast(DEFAULT, ("train",), 0).speaker("train", -1)


def test_the_embedded_corpus_keeps_its_speakers() -> None:
    # drawn when two splits were all there could be; its rows are made of them
    found = [pseudo_speaker(*of) for of in (("train", 0, 0), ("test", 3, 7), ("train", 41, 2))]
    assert [(each.pitch, each.formants, each.length) for each in found] == [
        (1.5077784456293848, 1.0483106559124544, 1.1804800109702263),
        (1.6111977550853125, 1.0588114939034157, 1.1377473639593365),
        (1.7586709595536125, 1.1778793566354777, 0.9940610643566963),
    ]
