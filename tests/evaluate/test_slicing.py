from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from turnkit.corpus.reader import Corpus
from turnkit.corpus.schema import Turn
from turnkit.detector.base import StreamingDetector
from turnkit.errors import CorpusError
from turnkit.evaluate import (
    Evaluation,
    as_dict,
    evaluate,
    read_tags,
    slice_results,
    tables,
    to_markdown,
    to_text,
)
from turnkit.evaluate.slicing import MIN_HOLDS, MIN_TURNS

MakeCorpus = Callable[..., Corpus]
MakeDetector = Callable[..., StreamingDetector]

DETECTORS = ["ours", "other"]
RESAMPLES = 100


@pytest.fixture(scope="module")
def opener(coded_detector: MakeDetector) -> Callable[[str, int], StreamingDetector]:
    def open_coded(spec: str, sample_rate: int) -> StreamingDetector:  # noqa: ARG001 (protocol)
        detector = coded_detector()
        detector.name = spec
        return detector

    return open_coded


@pytest.fixture(scope="module")
def tagged(random_corpus: MakeCorpus, corpus_of: MakeCorpus) -> Corpus:
    """Thirty-six turns of six speakers, with tags that take turns."""

    def tag(number: int, turn: Turn) -> Turn:
        tags = {"mine" if number % 2 else "accent:gb"}
        if number % 5 < 2:
            tags.add("theirs")
        if number < 4:
            tags.add("rare")
        return replace(turn, tags=frozenset({*tags, "snr:20"}))

    turns = random_corpus(1, 6, 6, "test")
    return corpus_of([tag(i, turn) for i, turn in enumerate(turns)], "tagged")


@pytest.fixture(scope="module")
def fitting(random_corpus: MakeCorpus) -> Corpus:
    return random_corpus(2, 6, 4, "fit")


@pytest.fixture(scope="module")
def found(tagged: Corpus, fitting: Corpus, opener: Any) -> Evaluation:
    return evaluate(tagged, DETECTORS, fitting, opener=opener, resamples=RESAMPLES, by_slice=True)


def rows_with(corpus: Corpus, tag: str) -> list[int]:
    return [row for row, tags in enumerate(read_tags(corpus)) if tag in tags]


def slices(evaluation: Evaluation) -> dict[str, Any]:
    document: dict[str, Any] = as_dict(evaluation)["slices"]
    return document


def without_compute(frozen: dict[str, Any]) -> dict[str, Any]:
    details = {k: v for k, v in frozen["details"].items() if "_ms_" not in k}
    return frozen | {"details": details}


def test_turns_are_told_apart_by_how_common_their_last_word_is(
    tagged: Corpus, corpus_of: MakeCorpus
) -> None:
    said = [
        replace(turn, transcript="and over" if row % 2 else f"word{row}")
        for row, turn in enumerate(tagged)
    ]
    corpus = corpus_of(said, "closing")
    assert rows_with(corpus, "last-word:common") == list(range(1, len(said), 2))
    assert rows_with(corpus, "last-word:rare") == list(range(0, len(said), 2))
    assert rows_with(corpus, "mine") == rows_with(tagged, "mine")


def test_slices_are_sorted_into_those_with_figures_and_those_without(found: Evaluation) -> None:
    document = slices(found)
    assert set(document["found"]) == {"mine", "theirs", "accent:gb"}
    assert set(document["of_all"]) == {"human", "telephone", "snr:20"}
    assert set(document["too_few"]) == {"rare"}
    assert document["too_few"]["rare"]["turns"] == 4
    assert document["found"]["accent:gb"]["meaning"] == "way of speaking"
    turns = [one["turns"] for one in document["found"].values()]
    assert turns == sorted(turns, reverse=True)


@pytest.mark.parametrize("tag", ["mine", "theirs", "accent:gb"])
def test_figures_are_those_of_an_evaluation_of_these_rows_alone(
    found: Evaluation, tagged: Corpus, fitting: Corpus, opener: Any, tag: str
) -> None:
    part = tagged.subset(rows_with(tagged, tag))
    alone = as_dict(evaluate(part, DETECTORS, fitting, opener=opener, resamples=RESAMPLES))
    one = slices(found)["found"][tag]
    assert one["turns"] == alone["corpus"]["rows"]
    assert one["holds"] == alone["corpus"]["holds"] >= MIN_HOLDS
    assert one["speakers"] == alone["corpus"]["speakers"]
    for spec in DETECTORS:
        assert set(one["detectors"][spec]) == {"FC@300", "FC@600"}
        for name, frozen in one["detectors"][spec].items():
            expected = alone["detectors"][spec]["frozen"][name]
            assert without_compute(frozen) == without_compute(expected)
            assert frozen["interval"] is not None
    for name, best in one["vad_baseline"].items():
        assert best == alone["vad_baseline"][name]


def test_policies_are_not_chosen_on_the_slice(found: Evaluation) -> None:
    whole = as_dict(found)["detectors"]["ours"]["frozen"]
    for one in slices(found)["found"].values():
        for name, frozen in one["detectors"]["ours"].items():
            assert frozen["policy"] == whole[name]["policy"]
            assert frozen["fitted"] == whole[name]["fitted"]


def test_what_is_in_one_slice_is_not_in_the_other(found: Evaluation) -> None:
    """Of two tags that share no row and leave none, the figures add up to the whole."""
    parts = [slices(found)["found"][tag]["detectors"]["ours"]["FC@300"] for tag in
             ("mine", "accent:gb")]  # fmt: skip
    whole = as_dict(found)["detectors"]["ours"]["frozen"]["FC@300"]
    for key in ("turns", "holds", "misses", "speech_cutoffs"):
        assert sum(part["details"][key] for part in parts) == whole["details"][key]
    cut = sum(part["rate"] * part["n"] for part in parts)
    assert cut == pytest.approx(whole["rate"] * whole["n"])


def test_every_slice_has_a_table(found: Evaluation) -> None:
    titles = [table.title for table in tables(found)]
    assert titles[0].startswith("Frozen policies")
    for tag in ("Slice mine: 18 turns", "Slice theirs: 15 turns",
                "Slice accent:gb (way of speaking): 18 turns"):  # fmt: skip
        (number,) = [i for i, title in enumerate(titles) if title.startswith(tag)]
        table = tables(found)[number]
        assert table.columns == ("detector", "FC@300", "FC@600")
        assert [row[0] for row in table.rows[:2]] == DETECTORS
        assert table.rows[2][0].startswith("VAD baseline")
        assert all("%" in cell and "ms" in cell for cell in table.rows[0][1:])
    (rest,) = [table for table in tables(found) if table.title == "Slices not shown"]
    assert [row[0] for row in rest.rows if row[4] == "too few"] == ["rare"]
    for text in (to_text(found), to_markdown(found)):
        assert "Slice accent:gb" in text
        assert "Slices not shown" in text


def test_without_fitting_rows_a_slice_has_the_policy_a_detector_comes_with(
    tagged: Corpus, opener: Any
) -> None:
    found = evaluate(tagged, ["ours"], opener=opener, resamples=5, by_slice=True)
    one = slices(found)["found"]["mine"]["detectors"]["ours"]
    assert list(one) == ["own policy"]
    (table,) = [table for table in tables(found) if table.title.startswith("Slice mine")]
    assert table.columns[-1] == "own policy"
    assert "%" in table.rows[0][-1]
    assert table.rows[-1][-1] == "-"


def test_slices_are_made_only_if_asked_for(tagged: Corpus, opener: Any) -> None:
    found = evaluate(tagged, ["ours"], opener=opener, resamples=5)
    assert found.slices is None
    assert "slices" not in as_dict(found)
    assert "Slice" not in to_text(found)


def test_the_limits(found: Evaluation) -> None:
    def split(tags: Sequence[frozenset[str]]) -> tuple[list[str], list[str]]:
        made = slice_results(found.detectors, tags, 5, 0)
        return [one.facts.tag for one in made.found], [one.tag for one in made.too_few]

    holds = [int(trace.marks.counts.sum()) for trace in found.detectors[0].traces]
    with_holds = [row for row, number in enumerate(holds) if number]
    without = [row for row, number in enumerate(holds) if not number]

    def tags(rows: Sequence[int]) -> list[frozenset[str]]:
        return [frozenset({"x"} if row in rows else ()) for row in range(len(holds))]

    assert split(tags(with_holds[:MIN_TURNS])) == (["x"], [])
    assert split(tags(with_holds[: MIN_TURNS - 1])) == ([], ["x"])
    mixed = [*with_holds[: MIN_HOLDS - 1], *without]
    assert len(mixed) >= MIN_TURNS
    assert split(tags(mixed)) == ([], ["x"])


def test_rows_without_an_end_are_not_scored(
    random_corpus: MakeCorpus, corpus_of: MakeCorpus, fitting: Corpus, opener: Any
) -> None:
    whole = random_corpus(3, 2, 2)
    cut = corpus_of([replace(turn, tags=frozenset({"incomplete"})) for turn in whole], "cut")
    with pytest.raises(CorpusError, match="corpus cut: 4 rows are tagged 'incomplete'"):
        evaluate(cut, ["ours"], fitting, opener=opener)
    with pytest.raises(CorpusError, match="corpus cut: 4 rows are tagged 'incomplete'"):
        evaluate(fitting, ["ours"], cut, opener=opener)
