from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnkit.corpus.embedded_templates import LONG, SHORT, SLOTS
from turnkit.corpus.embedded_text import (
    MAX_HOLD_S,
    MIN_HOLD_S,
    Boundary,
    Chunk,
    Split,
    hold_length,
    plan_turns,
    split_of,
    transcript,
)
from turnkit.stages.tts.lexicon import Lexicon

SPLITS: tuple[Split, ...] = ("train", "test")
Turns = tuple[tuple[Chunk, ...], ...]


@pytest.fixture(scope="module")
def many() -> Turns:
    return plan_turns("train", 600, 0)


def last_word(chunk: Chunk) -> str:
    return transcript([chunk]).split()[-1]


def elapsed(turn: tuple[Chunk, ...], boundary: int) -> float:
    """Rough seconds since the turn began."""
    words = sum(len(chunk.text.split()) for chunk in turn[: boundary + 1])
    return 0.3 * words + sum(chunk.hold_s for chunk in turn[:boundary])


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 60), st.sampled_from(SPLITS))
def test_turns_are_well_formed(seed: int, count: int, split: Split) -> None:
    turns = plan_turns(split, count, seed)
    assert len(turns) == count
    assert turns == plan_turns(split, count + 5, seed)[:count]
    for turn in turns:
        assert turn[-1].boundary.is_end
        assert turn[-1].hold_s == 0
        assert split_of(transcript(turn)) == split
        for chunk in turn[:-1]:
            assert not chunk.boundary.is_end
            assert MIN_HOLD_S <= chunk.hold_s <= MAX_HOLD_S
        for chunk in turn:
            assert re.fullmatch(r"[A-Za-z' ]+", chunk.text)


def test_no_transcript_is_in_both_splits_and_no_long_one_comes_twice(many: Turns) -> None:
    train = [transcript(turn) for turn in many]
    test = {transcript(turn) for turn in plan_turns("test", 400, 0)}
    assert not test & set(train)
    long = [words for words in train if len(words.split()) > 4]
    assert len(long) == len(set(long)) > 300


def test_other_seeds_give_other_turns() -> None:
    assert plan_turns("train", 10, 0) != plan_turns("train", 10, 1)


def test_every_kind_of_boundary_is_there(many: Turns) -> None:
    kinds = [chunk.boundary for turn in many for chunk in turn]
    assert all(kinds.count(kind) > 30 for kind in Boundary)


def test_hold_lengths_are_like_pauses_in_speech() -> None:
    rng = np.random.default_rng(0)
    lengths = np.array([hold_length(rng) for _ in range(4_000)])
    assert np.median(lengths) == pytest.approx(0.5, abs=0.05)
    assert lengths.max() > 2.0
    assert np.mean(lengths) > np.median(lengths)


def test_the_last_word_does_not_tell_holds_from_ends(many: Turns) -> None:
    before_holds = {last_word(chunk) for turn in many for chunk in turn[:-1]}
    before_ends = [last_word(turn[-1]) for turn in many]
    shared = [word in before_holds for word in before_ends]
    assert np.mean(shared) > 0.6
    # the hesitation words that mark holds close turns as well
    assert {"um", "so", "know", "think", "maybe", "well"} <= before_holds & set(before_ends)


def test_the_time_since_the_turn_began_tells_little(many: Turns) -> None:
    from sklearn.metrics import roc_auc_score

    times, is_end = [], []
    for turn in many:
        for i, chunk in enumerate(turn):
            times.append(elapsed(turn, i))
            is_end.append(chunk.boundary.is_end)
    assert roc_auc_score(is_end, times) < 0.7


def test_the_voice_knows_every_word() -> None:
    lexicon = Lexicon()
    text = " ".join([*LONG, *SHORT, *(" ".join(values) for values in SLOTS.values())])
    words = set(re.findall(r"[a-z']+", re.sub(r"{\w+}", " ", text).lower()))
    assert {word for word in words if word not in lexicon} <= {"mm"}


def test_every_slot_is_used_and_filled() -> None:
    used = set(re.findall(r"{(\w+)}", " ".join((*LONG, *SHORT))))
    assert used == set(SLOTS)
    for template in (*LONG, *SHORT):
        assert template[-1] in ".?"
        for slot in set(re.findall(r"{(\w+)}", template)):
            assert len(SLOTS[slot]) >= template.count(f"{{{slot}}}")
