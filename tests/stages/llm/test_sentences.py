from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.stages.llm.sentences import SentenceLimit

PARTS = st.sampled_from(
    ["Hello", " there", ".", "!", "?", " ", "\n", " Dr", " 3", "5", "...", '"', " e", ".g", " I"]
)


def limited(pieces: Iterable[str], sentences: int = 1) -> str:
    limit = SentenceLimit(sentences)
    passed = []
    for piece in pieces:
        passed.append(limit.pass_on(piece))
        if limit.reached:
            break
    return "".join(passed)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Paris is nice. So is Rome.", "Paris is nice."),
        ("Really?! I think so.", "Really?!"),
        ('He said "no." Then he left.', 'He said "no."'),
        ("It is 3.5 miles. Walk.", "It is 3.5 miles."),
        ("See example.org for more. Bye.", "See example.org for more."),
        ("Dr. Brown is in. Wait.", "Dr. Brown is in."),
        ("Eat fruit, e.g. apples. Or nuts.", "Eat fruit, e.g. apples."),
        ("The U.S. is large. Very.", "The U.S. is large."),
        ("So do I. And you?", "So do I."),
        ("Well... maybe. Or not.", "Well... maybe."),
        ("1. Boil water. 2. Add rice.", "1. Boil water."),
        ("First line\nSecond line", "First line"),
        ("\n\nHello there. Bye.", "Hello there."),
        ("No. I cannot.", "No."),
        ("No end at all", "No end at all"),
        ("42", "42"),
    ],
)
@pytest.mark.parametrize("length", [1, 3, 1000])
def test_the_first_sentence_however_it_is_cut(text: str, first: str, length: int) -> None:
    pieces = [text[i : i + length] for i in range(0, len(text), length)]
    assert limited(pieces) == first


def test_two_sentences() -> None:
    assert limited(["One", ". Two", ". Three."], sentences=2) == "One. Two."


def test_punctuation_passes_at_once() -> None:
    limit = SentenceLimit(1)
    assert limit.pass_on("Done.") == "Done."
    assert not limit.reached
    assert limit.pass_on(" More") == ""
    assert limit.reached


@given(st.lists(PARTS))
def test_without_a_limit_everything_passes(pieces: list[str]) -> None:
    assert limited(pieces, sentences=0) == "".join(pieces).lstrip()


@given(st.lists(PARTS), st.integers(1, 3))
def test_what_passes_is_a_beginning_and_does_not_depend_on_the_cuts(
    pieces: list[str], sentences: int
) -> None:
    text = "".join(pieces)
    passed = limited(pieces, sentences)
    assert text.lstrip().startswith(passed)
    assert passed == limited(text, sentences)
