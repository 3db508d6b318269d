from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.errors import ConfigError
from turnkit.stages.tts.clauses import (
    MAX_CHARACTERS,
    ClauseChunker,
    ClauseSettings,
    clauses_of,
)

WORDS = st.sampled_from(
    re.findall(
        r"\S+",
        """Sure, Okay I can; help. you! with that? The price is $3.50, and Dr. Smith e.g. at 10:30
    1,000 people: No. 5 p.m. U.S. "Yes." he said (twice), well... — then—now a 7 because
    https://example.com/a?b=1,c x@example.com etc. 50% **Really?!** 😀 ... ,""",
    )
)
TEXTS = st.lists(
    st.tuples(WORDS, st.sampled_from([" ", " ", " ", "  ", "\n", "\n\n", " \n"])), max_size=40
).map(lambda parts: "".join(word + space for word, space in parts))
ANY_TEXT = st.one_of(TEXTS, st.text(max_size=60))
SETTINGS = st.builds(
    ClauseSettings,
    min_words=st.integers(1, 4),
    max_words=st.integers(4, 12),
    first_max_words=st.integers(1, 10),
)


def in_pieces(text: str, cuts: list[int], settings: ClauseSettings) -> list[str]:
    chunker = ClauseChunker(settings)
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    clauses = [clause for start, end in pairwise(edges) for clause in chunker.push(text[start:end])]
    return clauses + chunker.finish()


@given(ANY_TEXT, SETTINGS)
def test_together_the_clauses_are_the_text(text: str, settings: ClauseSettings) -> None:
    assert "".join("".join(clauses_of(text, settings)).split()) == "".join(text.split())


@given(ANY_TEXT, st.lists(st.integers(0, 400), max_size=12), SETTINGS)
def test_the_pieces_it_comes_in_change_nothing(
    text: str, cuts: list[int], settings: ClauseSettings
) -> None:
    assert in_pieces(text, cuts, settings) == clauses_of(text, settings)


@given(ANY_TEXT, SETTINGS)
def test_no_clause_is_empty_and_none_but_the_last_is_silent(
    text: str, settings: ClauseSettings
) -> None:
    clauses = clauses_of(text, settings)
    assert all(clause.strip() == clause != "" for clause in clauses)
    assert all(any(c.isalnum() for c in clause) for clause in clauses[:-1])


@given(TEXTS.map(lambda text: text.replace("\n", " ")), SETTINGS)
def test_clauses_keep_to_their_lengths(text: str, settings: ClauseSettings) -> None:
    clauses = clauses_of(text, settings)
    for clause in clauses[1:-1]:
        assert len(clause.split()) >= settings.min_words


@given(st.lists(st.sampled_from(["word", "another", "and", "so"]), max_size=80), SETTINGS)
def test_text_without_punctuation_starts_all_the_same(
    words: list[str], settings: ClauseSettings
) -> None:
    clauses = clauses_of(" ".join(words), settings)
    lengths = [len(clause.split()) for clause in clauses]
    assert all(length <= settings.max_words for length in lengths[1:])
    assert all(length <= settings.first_max_words for length in lengths[:1])


@pytest.mark.parametrize(
    "kept",
    [
        "3.50",
        "Dr. Smith",
        "e.g. this",
        "10:30",
        "1,000",
        "https://example.com/a?b=1,c;d",
        "x@example.com",
        "5 p.m. sharp",
        "No. 5",
        "J. K. Rowling",
        "U.S. law",
        "Nov. 22nd",
        "v2.0.1",
        "it's",
    ],
)
@pytest.mark.parametrize("before", ["", "Well, I said that ", "A very long way off is "])
def test_what_is_not_parted(kept: str, before: str) -> None:
    eager = ClauseSettings(min_words=1, max_words=30, first_max_words=30)
    clauses = clauses_of(f"{before}{kept} and more.", eager)
    assert any(kept in clause for clause in clauses), clauses


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("Sure, I can do that.", ["Sure,", "I can do that."]),
        ("No. I do not know.", ["No.", "I do not know."]),
        (
            'He said "Yes." Then he left; nobody saw him.',
            ['He said "Yes."', "Then he left;", "nobody saw him."],
        ),
        ("Milk\neggs\nbread", ["Milk", "eggs", "bread"]),
        ("Fine. Yes. I am. Then we go.", ["Fine.", "Yes. I am.", "Then we go."]),
        (
            "We came home late—it rained—so what now?",
            ["We came home late—", "it rained—so what now?"],
        ),
        (
            "Well... let me see… then we go.",
            ["Well...", "let me see…", "then we go."],
        ),
        (
            "I can help you with that table because we have some.",
            ["I can help you with that table", "because we have some."],
        ),
        ("...", ["..."]),
        (" \n ", []),
    ],
)
def test_where_it_cuts(text: str, clauses: list[str]) -> None:
    assert clauses_of(text) == clauses


@pytest.mark.parametrize(
    ("pieces", "after"),
    [
        (["Sure", ","], 2),  # needs no look at what follows
        (["Hel", "lo!"], 2),
        (["In", " 5", ",", "0", "00", ", so"], 6),
        (["It", " is", ".", " Then"], 4),
    ],
)
def test_the_first_clause_comes_as_soon_as_it_is_sure(pieces: list[str], after: int) -> None:
    chunker = ClauseChunker()
    came = [chunker.push(piece) for piece in pieces]
    assert [bool(clauses) for clauses in came].index(True) == after - 1


def test_garbage_does_not_pile_up() -> None:
    chunker = ClauseChunker()
    clauses = chunker.push("x" * 3 * MAX_CHARACTERS)
    assert [len(clause) for clause in clauses] == [MAX_CHARACTERS] * 3
    assert chunker.push(" " * 10_000) == []
    assert chunker.push("," * MAX_CHARACTERS) != []


def test_it_can_be_used_again() -> None:
    chunker = ClauseChunker()
    for _ in range(2):
        assert chunker.push("Yes, that is it") == ["Yes,"]
        assert chunker.finish() == ["that is it"]
    assert chunker.finish() == []


@pytest.mark.parametrize(
    "wrong", [{"min_words": 0}, {"max_words": 0}, {"first_max_words": 0}, {"max_words": 2}]
)
def test_lengths_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ClauseSettings(**wrong)
