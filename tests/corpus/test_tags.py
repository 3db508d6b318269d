from __future__ import annotations

import math
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.corpus.reader import load_corpus
from turnkit.corpus.schema import Span, Turn, Word, parse_row
from turnkit.corpus.tags import (
    BACKCHANNEL,
    INCOMPLETE,
    MEANINGS,
    SNR_BANDS,
    check_complete,
    closing_tags,
    estimate_snr,
    meaning,
    spoken_tags,
    tags_of,
)
from turnkit.errors import CorpusError

MakeRow = Callable[..., dict[str, Any]]

RATE = 16_000


def noisy(snr_db: float, seed: int = 0, rate: int = RATE, **fields: Any) -> Turn:
    """A turn of noise bursts at -20 dBFS between silences `snr_db` below them."""
    spans = (Span(1.0, 1.6), Span(3.0, 5.0))
    rng = np.random.default_rng(seed)
    time = np.arange(5 * rate) / rate
    speech = 0.1 * rng.standard_normal(len(time))
    for span in spans:
        speech[(time >= span.start) & (time < span.end)] = 0.0
    speech[time < 0.3] = 0.0  # a lead that no span covers
    noise = 0.1 * 10 ** (-snr_db / 20) * rng.standard_normal(len(time))
    samples = (speech + noise).astype(np.float32)
    given = {"id": "a", "language": "en", "speaker": None, "spans": spans} | fields
    return Turn(samples=samples, sample_rate=rate, **given)


@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.parametrize("snr_db", [3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0])
def test_the_noise_is_measured(snr_db: float, rate: int) -> None:
    for seed in range(3):
        found = estimate_snr(noisy(snr_db, seed, rate))
        assert found is not None
        assert abs(found - snr_db) < 1.0


@given(gain=st.floats(0.01, 2.0), seed=st.integers(0, 20))
def test_the_level_of_a_recording_does_not_matter(gain: float, seed: int) -> None:
    turn = noisy(12.0, seed)
    louder = noisy(12.0, seed)
    object.__setattr__(louder, "samples", turn.samples * np.float32(gain))
    found, expected = estimate_snr(louder), estimate_snr(turn)
    assert found == pytest.approx(expected, abs=1e-3)


def test_no_noise_and_nothing_to_measure() -> None:
    turn = noisy(20.0)
    for span in turn.spans:
        turn.samples[int(span.start * RATE) : int(span.end * RATE)] = 0.0
    assert estimate_snr(turn) == math.inf
    assert "snr:30" in tags_of(turn)
    turn.samples[:] = 0.0
    assert estimate_snr(turn) is None
    short = noisy(20.0, spans=(Span(4.75, 5.0),))
    assert estimate_snr(short) is None
    assert not {tag for tag in tags_of(short) if tag.startswith("snr")}


@pytest.mark.parametrize(
    ("snr_db", "band"),
    [(-5, 5), (7, 5), (9, 10), (12, 10), (14, 15), (24, 20), (27, 30), (60, 30)],
)
def test_bands(snr_db: float, band: int) -> None:
    assert {tag for tag in tags_of(noisy(snr_db)) if tag.startswith("snr")} == {f"snr:{band}"}


def test_a_stored_band_is_believed() -> None:
    assert "snr:10" in tags_of(noisy(30.0, tags=frozenset({"snr:10"})))
    others = tags_of(noisy(30.0, tags=frozenset({"snr:11.7", "accent:gb", "mine"})))
    assert others >= {"snr:10", "accent:gb", "mine"}
    assert not others & {"snr:11.7", "snr:30"}


@pytest.mark.parametrize(
    ("said", "tags"),
    [
        ("", set()),
        ("[laughter] {breath}", set()),
        ("Yes", {"short"}),
        ("Yes, please.", {"short"}),
        ("No, thank you.", set()),
        ("[voice] Operator", {"short"}),
        ("It's five five five, oh one, two three", {"digits"}),
        ("My number is 555-0123.", {"digits"}),
        ("Room 12, please", set()),
        ("At two or three on one day", set()),
        ("That is S, M, I, T, H", {"spelling"}),
        ("That is S-M-I-T-H", {"spelling"}),
        ("S as in Sam", {"spelling"}),
        ("that's b for bravo then", {"spelling"}),
        ("I wait for it", set()),
        ("It is a I think", set()),
        ("Can I pay by card?", {"question"}),
        ("Really?", {"short", "question"}),
        ("Can I? I can.", set()),
    ],
)
def test_what_words_tell(said: str, tags: set[str]) -> None:
    assert spoken_tags(said) == tags


@given(st.text(max_size=40))
def test_any_text_is_taken(said: str) -> None:
    assert spoken_tags(said) <= {"short", "digits", "spelling", "question"}


def test_words_that_end_many_turns_are_common() -> None:
    rare = [f"we talked about {word}" for word in string.ascii_lowercase]
    said = [*rare, "that is all. Over.", "OVER [noise]", "it is over", ""]
    tags = closing_tags(said)
    assert tags[-4:] == [{"last-word:common"}] * 3 + [set()]
    assert tags[:-4] == [{"last-word:rare"}] * len(rare)
    assert meaning("last-word:rare")


def test_one_turn_or_a_few_make_no_word_common() -> None:
    assert closing_tags([f"w{n}" for n in range(20)]) == [{"last-word:rare"}] * 20
    assert closing_tags(["over"] * 19) == [set()] * 19
    assert closing_tags([]) == []


def test_a_hold_after_a_filler() -> None:
    def tagged(first: str, end: float = 0.98) -> bool:
        words = (Word("so", 0.3, 0.5), Word(first, 0.5, end), Word("yes", 1.7, 2.9))
        return "filler-hold" in tags_of(noisy(20.0, words=words))

    assert tagged("um")
    assert tagged("Um,")
    assert tagged("um", 1.04)  # times of words are rounded
    assert not tagged("well")
    assert not tagged("um", 1.3)  # a word that goes on is not before the hold
    last = (Word("yes", 0.3, 0.9), Word("um", 1.7, 2.9))
    assert "filler-hold" not in tags_of(noisy(20.0, words=last))  # that is the end
    brief = noisy(20.0, words=(Word("um", 0.3, 0.9),), spans=(Span(1.0, 1.15), Span(3.0, 5.0)))
    assert "filler-hold" not in tags_of(brief)  # too short to count


def test_rows(make_row: MakeRow) -> None:
    assert tags_of(parse_row(make_row(), 0)) == {"human", "snr:30"}
    made = parse_row(make_row("synthetic-a-0", rate=8_000, tags=["room"], transcript="No."), 0)
    assert tags_of(made) == {"synthetic", "telephone", "room", "short", "snr:30"}


def test_words_stand_in_for_a_transcript() -> None:
    words = (Word("yes", 0.3, 0.6), Word("please", 0.6, 1.0))
    assert "short" in tags_of(noisy(20.0, words=words))


def test_meanings() -> None:
    assert all(meaning(tag) for tag in MEANINGS)
    assert all(meaning(f"snr:{band}") for band in SNR_BANDS)
    assert meaning("accent:gb-scotland")
    assert meaning("domain:calls")
    assert not meaning("accent")
    assert not meaning("accent:")
    assert not meaning("mine")
    assert not meaning("my:own")


@pytest.mark.parametrize("tag", [INCOMPLETE, BACKCHANNEL])
def test_rows_without_an_end_are_refused_where_ends_are_needed(
    tag: str, make_row: MakeRow, write_parquet: Callable[..., Path], tmp_path: Path
) -> None:
    plain = [make_row(f"{i}{i}{i}{i}") for i in range(3)]
    check_complete(load_corpus(str(write_parquet(tmp_path / "plain.parquet", plain))))
    rows = [row | {"tags": tags} for row, tags in zip(plain, (["digits"], [tag], None),
                                                      strict=True)]  # fmt: skip
    corpus = load_corpus(str(write_parquet(tmp_path / "cut.parquet", rows)))
    with pytest.raises(CorpusError, match=f"1 rows are tagged '{tag}', such as 1111: it"):
        check_complete(corpus)


@pytest.mark.parametrize(
    ("row", "stored", "expected"),
    [
        ("a", {"synthetic"}, "synthetic"),
        ("synthetic-a", {"human"}, "synthetic"),
        ("a", set[str](), "human"),
    ],
)
def test_a_turn_is_said_by_people_or_by_a_machine(
    row: str, stored: set[str], expected: str
) -> None:
    turn = noisy(20.0, id=row, tags=frozenset(stored))
    assert tags_of(turn) & {"human", "synthetic"} == {expected}
