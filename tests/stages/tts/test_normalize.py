from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.stages.tts.normalize import PAUSES, spoken_tokens

KNOWN = frozenset(("i", "am", "nasa", "a", "the", "at", "no", "yes", "pm", "hello", "smith's"))


def said(text: str) -> str:
    return " ".join(t.word + t.pause for t in spoken_tokens(text, KNOWN.__contains__))


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("$12.50", "twelve dollars and fifty cents"),
        ("£1.01", "one pound and one penny"),
        ("€1", "one euro"),
        ("at 7:05 pm", "at seven oh five pm"),
        ("at 10:00", "at ten o'clock"),
        ("7am, I am", "seven a m, i am"),
        ("the 3rd", "the third"),
        ("1999", "nineteen ninety nine"),
        ("2,500", "two thousand five hundred"),
        ("3.14", "three point one four"),
        ("0.00000001", "zero point zero zero zero zero zero zero zero one"),
        ("-5%", "minus five percent"),
        ("555-0134", "five five five zero one three four"),
        ("212 555 0199", "two one two five five five zero one nine nine"),
        ("00420", "zero zero four two zero"),
        ("NASA, USB", "nasa, u s b"),
        ("pdf U.S.A.", "p d f u s a"),
        ("Dr. Smith's", "doctor smith's"),
        ("a & b", "a and b"),
        ("½ π", "one over two pi"),
        ("😀", "grinning face"),
        ("(hello)... “yes”?!", "hello. yes?"),
        ("wait — no", "wait, no"),
        ("٣", "three"),
        ("", ""),
        (" ... ", ""),
    ],
)
def test_what_is_said(text: str, spoken: str) -> None:
    assert said(text) == spoken


@given(st.text(max_size=40))
def test_every_text_is_said_in_plain_words(text: str) -> None:
    for token in spoken_tokens(text, KNOWN.__contains__):
        assert token.word
        assert token.word == token.word.strip().lower()
        assert token.pause in {"", *PAUSES}


@given(st.text(st.characters(categories=("L", "N", "S")), min_size=1, max_size=12))
def test_letters_digits_and_symbols_are_never_dropped(text: str) -> None:
    import unicodedata

    spoken = spoken_tokens(text, KNOWN.__contains__)
    # modifier letters may decompose to nothing but marks
    plain = unicodedata.normalize("NFKC", text)
    if any(unicodedata.category(c)[0] in "LNS" for c in plain):
        assert spoken


@given(st.integers(min_value=0, max_value=10**14))
def test_every_number_is_worded(number: int) -> None:
    assert all(t.word.isalpha() for t in spoken_tokens(str(number), KNOWN.__contains__))
    assert spoken_tokens(str(number), KNOWN.__contains__)
