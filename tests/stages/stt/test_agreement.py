from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from turnkit.stages.stt.agreement import LocalAgreement, word_key

WORDS = st.lists(st.sampled_from(["a", "B", "b.", "c,", "d", "A"]), max_size=8)


@given(st.lists(WORDS, max_size=12), st.integers(0, 2))
def test_committed_words_never_change(hypotheses: list[list[str]], held_back: int) -> None:
    agreement = LocalAgreement(held_back)
    before: tuple[str, ...] = ()
    for words in hypotheses:
        committed, tail = agreement.update(words)
        assert committed[: len(before)] == before
        assert (agreement.committed, agreement.tail) == (committed, tail)
        before = committed


@given(st.lists(WORDS, min_size=1, max_size=12))
def test_only_agreed_words_are_committed(hypotheses: list[list[str]]) -> None:
    agreement = LocalAgreement()
    earlier: list[list[str]] = []
    for words in hypotheses:
        known = len(agreement.committed)
        tail_before = agreement.tail
        committed, _ = agreement.update(words)
        fresh = committed[known:]
        assert [word_key(w) for w in fresh] == [word_key(w) for w in tail_before[: len(fresh)]]
        assert all(word in words for word in fresh)
        earlier.append(words)


@given(WORDS)
def test_twice_the_same_commits_all_but_a_marked_end(words: list[str]) -> None:
    agreement = LocalAgreement()
    agreement.update(words)
    committed, tail = agreement.update(words)
    assert [*committed, *tail] == words
    assert len(tail) == (1 if words and words[-1] in ("b.", "c,") else 0)


@given(WORDS, WORDS)
def test_hypotheses_that_begin_with_the_committed_words_lose_nothing(
    words: list[str], more: list[str]
) -> None:
    agreement = LocalAgreement()
    agreement.update(words)
    committed, _ = agreement.update(words)
    hypothesis = [*committed, *more]
    committed, tail = agreement.update(hypothesis)
    assert [*committed, *tail] == hypothesis


def test_the_newest_spelling_is_committed() -> None:
    agreement = LocalAgreement()
    agreement.update(["hello", "I"])
    assert agreement.update(["Hello,", "I", "am"]) == (("Hello,", "I"), ("am",))


def test_a_hypothesis_that_takes_back_committed_words_is_aligned_to_them() -> None:
    agreement = LocalAgreement()
    for _ in range(2):
        agreement.update(["turn", "of", "the", "lights"])
    committed, tail = agreement.update(["turn", "off", "the", "the", "lights", "please"])
    assert committed == ("turn", "of", "the", "lights")
    assert tail == ("please",)


def test_the_newest_words_can_be_held_back() -> None:
    agreement = LocalAgreement(held_back=1)
    agreement.update(["a", "d"])
    assert agreement.update(["a", "d"]) == (("a",), ("d",))


def test_forgotten_words_are_no_part_of_later_hypotheses() -> None:
    agreement = LocalAgreement()
    for _ in range(2):
        agreement.update(["a", "B", "d"])
    assert agreement.forget(2) == ("a", "B")
    assert agreement.update(["d", "A"]) == (("d",), ("A",))
