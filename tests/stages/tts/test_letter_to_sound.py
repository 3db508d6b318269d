# ruff: noqa: RUF001
from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.errors import MissingAssetError, MissingDependencyError
from turnkit.files import CACHE_VARIABLE
from turnkit.stages.tts import lexicon as lexicon_module
from turnkit.stages.tts.letter_to_sound import (
    PRIMARY,
    VOWELS,
    AlignedWords,
    LetterToSound,
    edit_distance,
    hold_out,
    phone_error_rate,
)
from turnkit.stages.tts.lexicon import Lexicon, lexicon_path

MAX_PHONE_ERROR = 0.10
"""Without stress; measured 0.086 on 2,533 held-out words."""

MAX_PHONE_ERROR_WITH_STRESS = 0.14
"""Measured 0.122."""


@cache
def learned() -> tuple[LetterToSound, AlignedWords]:
    words, tested = hold_out(Lexicon().alignments())
    return LetterToSound.learn(words), tested


@pytest.fixture
def small_lexicon(tmp_path: Path) -> Lexicon:
    path = tmp_path / "small.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE word_phonemes (word, pron_order, phonemes)")
        database.execute("CREATE TABLE g2p_alignments (id, word, alignment)")
        database.execute("INSERT INTO word_phonemes VALUES ('to', 1, 't ˈu'), ('to', 0, 't ə')")
        database.execute("INSERT INTO g2p_alignments VALUES (1, 'back', 'b}b a}ˈæ c|k}k')")
        database.execute("INSERT INTO g2p_alignments VALUES (2, 'axe', 'a}ˈæ x}k|s e}_')")
        database.commit()
    return Lexicon(path)


def test_new_words_come_out_nearly_right() -> None:
    model, tested = learned()
    assert len(tested) > 2_000
    assert phone_error_rate(model, tested) < MAX_PHONE_ERROR
    assert phone_error_rate(model, tested, stress=True) < MAX_PHONE_ERROR_WITH_STRESS


def test_words_it_has_learned_come_out_better() -> None:
    _, tested = learned()
    assert phone_error_rate(LetterToSound.learn(tested), tested) < 0.02


@given(st.text("abcdefghijklmnopqrstuvwxyzéüß'", min_size=1, max_size=20))
def test_every_spelling_has_a_syllable_and_one_stress(word: str) -> None:
    phones = learned()[0].phones(word)
    if any("a" <= letter <= "z" for letter in word):
        assert any(phone.lstrip("ˈˌ")[0] in VOWELS for phone in phones)
        assert sum(phone.startswith(PRIMARY) for phone in phones) == 1


@given(st.lists(st.text("ab", max_size=6), min_size=3, max_size=3))
def test_edit_distance_is_a_metric(words: list[str]) -> None:
    a, b, c = words
    assert edit_distance(a, b) == edit_distance(b, a)
    assert (edit_distance(a, b) == 0) == (a == b)
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)
    assert abs(len(a) - len(b)) <= edit_distance(a, b) <= max(len(a), len(b))


def test_edit_distance_of_known_pairs() -> None:
    assert edit_distance("kitten", "sitting") == 3
    assert edit_distance("intention", "execution") == 5


def test_the_lexicon_spreads_alignments_over_letters(small_lexicon: Lexicon) -> None:
    assert small_lexicon.alignments() == [
        ("back", ("b", "ˈæ", "k", "")),
        ("axe", ("ˈæ", "k s", "")),
    ]


def test_the_usual_pronunciation_comes_first(small_lexicon: Lexicon) -> None:
    assert small_lexicon.pronunciations("to") == (("t", "ə"), ("t", "ˈu"))
    assert small_lexicon.pronunciations("unheard") == ()
    assert "to" in small_lexicon
    assert "unheard" not in small_lexicon


def test_what_was_learned_is_kept(
    small_lexicon: Lexicon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    first = LetterToSound.of(small_lexicon)
    (kept,) = (tmp_path / "cache").rglob("*.json")
    written = kept.stat().st_mtime_ns
    again = LetterToSound.of(small_lexicon)
    assert kept.stat().st_mtime_ns == written
    for word in ("back", "backaxe", "cab"):
        assert first.phones(word) == again.phones(word)


def test_a_file_that_is_no_dictionary_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    with pytest.raises(MissingAssetError, match=r"broken\.db.*gruut-lang-en"):
        Lexicon(path)
    path.write_bytes(b"not a database at all, but long enough to look at" * 100)
    with pytest.raises(MissingAssetError, match=r"broken\.db.*gruut-lang-en"):
        Lexicon(path).pronunciations("to")


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon_module, "PACKAGE", "a_package_nobody_has")
    with pytest.raises(MissingDependencyError, match=r"gruut-lang-en.*turnkit\[tts\]"):
        lexicon_path()


def test_held_out_words_are_parted_by_spelling_alone() -> None:
    words = [(f"word{i}", ("w",)) for i in range(1_000)]
    learn, tested = hold_out(words, every=10)
    assert sorted([*learn, *tested]) == sorted(words)
    assert 50 < len(tested) < 200
    backwards, _ = hold_out(words[::-1], every=10)
    assert list(backwards)[::-1] == list(learn)
    assert all(a != b for a, b in pairwise(tested))
