# ruff: noqa: RUF001
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
        ("Great! 😀👍 ☀", "great!"),
        ("at 3:30pm, 10:00 am", "at three thirty pm, ten a m"),
        ("In 3, 4, 5,000.", "in three, four, five thousand."),
        ("b.s@example.com.", "b dot s at example dot com."),
        (
            "https://www.example.com/a-b?c=1.",
            "w w w dot example dot com slash a dash b question mark c equals one.",
        ),
        ("see example.org, yes", "see example dot org, yes"),
        ("(555) 012-3456", "five five five zero one two three four five six"),
        ("+1 555 012 3456", "plus one five five five zero one two three four five six"),
        ("1-800-555-0199", "one eight zero zero five five five zero one nine nine"),
        ("911, UA234", "nine one one, u a two three four"),
        ("2026-11-22", "november twenty second twenty twenty six"),
        (
            "1/5/2026, 99/99/2026",
            "january fifth twenty twenty six, nine nine nine nine two zero two six",
        ),
        ("Nov. 2nd", "november second"),
        ("1/2, 2/3, 3/4, 5/10", "one half, two thirds, three quarters, five slash ten"),
        ("24/7", "twenty four seven"),
        ("$1.5 million, $5k", "one point five million dollars, five thousand dollars"),
        ("$0.99 99¢", "ninety nine cents ninety nine cents"),
        ("$20/month at 60 km/h", "twenty dollars per month at sixty kilometers per hour"),
        (
            "5kg, 1 km, 6 ft, 2 GB, 3 MHz",
            "five kilograms, one kilometer, six feet, two gigabytes, three megahertz",
        ),
        ("72°F, -3 °C", "seventy two degrees fahrenheit, minus three degrees celsius"),
        ("3-5, $3-$5 10–15", "three to five, three dollars to five dollars ten to fifteen"),
        ("1990s 2000s 2010's", "nineteen nineties two thousands twenty tens"),
        ("No. 5, no. #5", "number five, no. number five"),
        ("e.g. this, i.e. that", "for example this, that is that"),
        ("**Yes,** _I_ am a_b", "yes, i am a underscore b"),
        ("## Hello\n* hello", "hello hello"),
        ("2*3, 2 × 3, .5", "two times three, two times three, point five"),
        ("(hello)... “yes”?!", "hello. yes?"),
        ("wait — no", "wait, no"),
        ("٣", "three"),
        ("", ""),
        (" ... ", ""),
    ],
)
def test_what_is_said(text: str, spoken: str) -> None:
    assert said(text) == spoken


@given(st.one_of(st.text(max_size=40), st.text("0123456789$€.,:/-+#*@%°stkmpa( )", max_size=20)))
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
    # emoji and Markdown's backtick are silent on purpose
    plain = "".join(c for c in plain if not ("\u2600" <= c < "\u27c0" or c >= "\U0001f000"))
    plain = plain.replace("`", "")
    if any(unicodedata.category(c)[0] in "LNS" for c in plain):
        assert spoken


@given(st.text(max_size=40))
def test_each_spoken_word_leads_back_to_the_text(text: str) -> None:
    tokens = spoken_tokens(text, KNOWN.__contains__)
    edges = [edge for token in tokens for edge in token.written]
    assert edges == sorted(edges)
    assert all(0 <= edge < len(text.split()) for edge in edges)
    for token in tokens:
        first, last = token.written
        alone = " ".join(text.split()[first : last + 1])
        assert spoken_tokens(alone, lambda _: True)


@given(
    st.lists(st.sampled_from(["hello", "$12", "(no)", "—", "10:30,", "😀", "NASA."]), max_size=8)
)
def test_words_are_traced_one_by_one(words: list[str]) -> None:
    counted: dict[int, int] = {}
    for token in spoken_tokens("  ".join(words), KNOWN.__contains__):
        assert token.written[0] == token.written[1]
        counted[token.written[0]] = counted.get(token.written[0], 0) + 1
    spoken = {"hello": 1, "$12": 2, "(no)": 1, "10:30,": 2, "NASA.": 1}
    assert counted == {i: spoken[word] for i, word in enumerate(words) if word in spoken}


def test_a_telephone_number_over_several_words() -> None:
    tokens = spoken_tokens("call 212 555 0199 at", KNOWN.__contains__)
    assert [t.written for t in tokens] == [(0, 0), *[(1, 3)] * 10, (4, 4)]


@given(st.integers(min_value=0, max_value=10**14))
def test_every_number_is_worded(number: int) -> None:
    assert all(t.word.isalpha() for t in spoken_tokens(str(number), KNOWN.__contains__))
    assert spoken_tokens(str(number), KNOWN.__contains__)
