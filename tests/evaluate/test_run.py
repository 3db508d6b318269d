from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from turnkit.corpus.names import SYNTHETIC
from turnkit.corpus.reader import Corpus
from turnkit.corpus.schema import Turn
from turnkit.detector.base import StreamingDetector
from turnkit.detector.policy import Policy
from turnkit.errors import ConfigError, CorpusError
from turnkit.evaluate import (
    Evaluation,
    as_dict,
    evaluate,
    replay_turn,
    speaker_hash,
    to_markdown,
    to_text,
    worst_cutoffs,
)
from turnkit.metrics import POINTS, resample_speakers

MakeCorpus = Callable[..., Corpus]
MakeTurn = Callable[..., Turn]
MakeDetector = Callable[..., StreamingDetector]

NAMES = [point.name for point in POINTS]


class Deaf(StreamingDetector):
    """The coded detector without its scores: a VAD timeout."""

    def _frame(self, probability: float) -> Any:
        def score(frame: int, silence_s: float) -> float:  # noqa: ARG001 (protocol)
            return math.nan

        self._scorer.score = score  # type: ignore[method-assign]
        return super()._frame(probability)


@pytest.fixture(scope="module")
def opener(coded_detector: MakeDetector) -> Callable[[str, int], StreamingDetector]:
    def open_coded(spec: str, sample_rate: int) -> StreamingDetector:
        assert sample_rate == 8_000
        detector = coded_detector()
        detector.name = spec
        if spec.startswith("vad"):
            detector.__class__ = Deaf
        if spec == "carries":
            policies = {"FC@300": Policy(0.6, 0.2, 1.0), "L@5%": Policy(0.7, 0.5, 3.0)}
            detector.frozen_policies = policies  # type: ignore[attr-defined]
            detector.policy_speakers = frozenset({speaker_hash("7-0")})  # type: ignore[attr-defined]
        if spec == "trained":
            hashes = frozenset({speaker_hash("2-1"), speaker_hash("elsewhere")})
            detector.training_speakers = hashes  # type: ignore[attr-defined]
        return detector

    return open_coded


@pytest.fixture(scope="module")
def found(random_corpus: MakeCorpus, opener: Any) -> Evaluation:
    test, fit = random_corpus(1, 6, 4, "test"), random_corpus(2, 6, 4, "fit")
    return evaluate(test, ["ours", "vad:silero"], fit, opener=opener, resamples=200)


def test_every_detector_has_every_point_on_both_bases(found: Evaluation) -> None:
    document = as_dict(found)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert list(document["detectors"]) == ["ours", "vad:silero"]
    for detector in document["detectors"].values():
        for basis in ("frozen", "best_on_test"):
            assert list(detector[basis]) == NAMES
            for name, value in detector[basis].items():
                assert {"rate", "mean_latency_ms", "interval", "n", "policy"} <= set(value)
                headline = value["rate"] if name.startswith("FC") else value["latency_ms"]
                assert len(value["interval"]) == 2
                low, high = (
                    bound if bound is not None else math.inf for bound in value["interval"]
                )
                assert low - 1e-9 <= headline <= high + 1e-9 or not value.get("reached", True)
                assert value["n"] == (found.facts.holds if name.startswith("FC") else 24)
                Policy(**value["policy"])
        assert detector["own_policy"] is None


def test_frozen_figures_are_those_of_a_replay_of_the_fitted_policy(
    found: Evaluation, coded_detector: MakeDetector
) -> None:
    ours = found.detectors[0]
    assert ours.frozen is not None
    for frozen in ours.frozen.values():
        assert frozen.fitted is not None
        assert frozen.policy == frozen.fitted.policy
        detector = coded_detector(frozen.policy)
        outcomes = [replay_turn(detector, turn) for turn in found.corpus]
        cut = sum(o.holds_cut + o.speech_cutoffs for o in outcomes)
        assert frozen.summary.rate == cut / found.facts.holds
        latency = float(np.mean([o.latency_s for o in outcomes]))
        assert frozen.summary.mean_latency_s == pytest.approx(latency)
        assert frozen.point is not None
        assert frozen.missed == frozen.point.missed(frozen.summary.rate, latency)


def test_policies_were_chosen_on_other_rows(found: Evaluation, random_corpus: MakeCorpus,
                                            opener: Any) -> None:  # fmt: skip
    same_fit = evaluate(
        random_corpus(3), ["ours"], random_corpus(2, 6, 4, "fit"), opener=opener, resamples=10
    )
    for a, b in zip(found.detectors[0].replayed, same_fit.detectors[0].replayed, strict=True):
        assert a.fitted == b.fitted
        assert a.summary != b.summary


def test_a_detector_without_scores_is_pure_delay(found: Evaluation) -> None:
    vad = found.detectors[1]
    assert not vad.spans.has_scores
    assert vad.diagnostics == {}
    for name in NAMES:
        assert vad.best[name] == found.baseline[name]
        assert vad.best[name].policy.threshold == 1.0
    assert all(frozen.policy.threshold == 1.0 for frozen in vad.replayed)


def test_paired_differences_are_ours_minus_theirs(found: Evaluation) -> None:
    assert len(found.comparisons) == 8
    for one in found.comparisons:
        ours, theirs = found.detectors
        assert one.other == "vad:silero"
        if one.basis == "frozen" and one.point.name == "FC@600":
            assert ours.frozen is not None
            assert theirs.frozen is not None
            a, b = ours.frozen["FC@600"].summary.rate, theirs.frozen["FC@600"].summary.rate
            assert one.difference == pytest.approx(a - b)
        assert one.interval is not None
        assert one.interval.low <= one.interval.high


def test_the_claim_is_tested_in_both_readings_on_both_bases(found: Evaluation) -> None:
    assert [(c.basis, c.reading.split(",")[0]) for c in found.claims] == [
        ("frozen", "equal latency"), ("frozen", "literal"),
        ("best on test", "equal latency"), ("best on test", "literal"),
    ]  # fmt: skip
    best = found.claims[3]
    assert best.ours == found.detectors[0].best["FC@300"].rate
    assert best.vad == found.baseline["FC@600"].rate
    assert best.reduction == pytest.approx(1 - best.ours / best.vad)
    assert best.holds == (best.reduction >= 0.45)
    assert best.interval is not None
    assert best.interval.low <= best.interval.high


def test_a_missed_point_cannot_carry_the_claim(
    random_corpus: MakeCorpus, opener: Any, coded_turn: MakeTurn, corpus_of: MakeCorpus
) -> None:
    # On the test rows ends come without scores, so that the fitted policy waits too long.
    turns = [
        coded_turn(
            [(0.5, None), (0.6, 0.0), (0.5, None), (4.2, 0.0)], name=f"t{k}", speaker=f"t{k}"
        )
        for k in range(4)
    ]
    fit = random_corpus(2, 6, 4, "fit")
    missed = evaluate(corpus_of(turns), ["ours", "vad:silero"], fit, opener=opener, resamples=10)
    claim = missed.claims[0]
    assert missed.detectors[0].frozen is not None
    assert missed.detectors[0].frozen["FC@300"].missed
    assert claim.reduction >= 0.45
    assert claim.verdict == "does not hold"
    assert "FC@300 missed" in claim.why
    assert "MISSED" in to_text(missed)


def test_without_fitting_rows_a_detector_is_replayed_as_it_comes(
    random_corpus: MakeCorpus, opener: Any
) -> None:
    corpus = random_corpus(1)
    found = evaluate(corpus, ["ours", "vad:silero"], opener=opener, resamples=10)
    for result in found.detectors:
        assert result.frozen is None
        assert result.own is not None
        assert result.own.policy == Policy()
    assert [claim.verdict for claim in found.claims[:2]] == ["not tested"] * 2
    assert "--fit-on" in found.claims[0].why
    assert as_dict(found)["detectors"]["ours"]["frozen"] is None
    assert "--fit-on CORPUS" in to_text(found)


def test_policies_that_a_detector_carries_are_its_frozen_ones(
    random_corpus: MakeCorpus, opener: Any
) -> None:
    found = evaluate(random_corpus(1), ["carries"], opener=opener, resamples=10)
    ours = found.detectors[0]
    assert ours.frozen is not None
    assert {name: f.policy for name, f in ours.frozen.items()} == {
        "FC@300": Policy(0.6, 0.2, 1.0), "L@5%": Policy(0.7, 0.5, 3.0),
    }  # fmt: skip
    plain = as_dict(found)["detectors"]["carries"]["frozen"]
    assert plain["FC@600"] is None
    assert plain["FC@300"]["fitted"] is None


def test_a_claim_that_is_not_tested_says_what_is_missing(
    random_corpus: MakeCorpus, opener: Any
) -> None:
    def why(*specs: str) -> str:
        found = evaluate(random_corpus(1), list(specs), opener=opener, resamples=10)
        return found.claims[0].why

    assert why("carries").endswith("add --detector vad:silero")
    assert why("carries", "vad:silero") == "no frozen policy of vad:silero: give --fit-on"


def test_speakers_of_the_training_are_refused_in_the_test_rows(
    random_corpus: MakeCorpus, opener: Any
) -> None:
    test, fit = random_corpus(2, name="test"), random_corpus(3, name="fit")
    with pytest.raises(CorpusError, match="trained was trained on 1 speakers of test: 2-1"):
        evaluate(test, ["trained"], fit, opener=opener)


def test_policies_are_chosen_on_rows_of_speakers_that_trained_no_detector(
    random_corpus: MakeCorpus, opener: Any
) -> None:
    test, fit = random_corpus(3, name="test"), random_corpus(2, name="fit")
    found = evaluate(test, ["ours", "trained"], fit, opener=opener, resamples=10)
    assert found.fit_facts is not None
    assert found.fit_facts.rows == sum(speaker != "2-1" for speaker in fit.speakers) < len(fit)


def test_a_fitting_corpus_of_training_speakers_alone_is_refused(
    random_corpus: MakeCorpus, opener: Any
) -> None:
    test, fit = random_corpus(3, name="test"), random_corpus(2, name="fit")
    only = fit.subset(i for i, speaker in enumerate(fit.speakers) if speaker == "2-1")
    with pytest.raises(CorpusError, match="every speaker trained the weights"):
        evaluate(test, ["trained"], only, opener=opener)


def test_speakers_that_carried_policies_were_fitted_on_are_refused(
    random_corpus: MakeCorpus, opener: Any
) -> None:
    with pytest.raises(CorpusError, match="policies fitted on 1 speakers of random: 7-0"):
        evaluate(random_corpus(7), ["carries"], opener=opener)
    # New policies take their place, so that it does not matter then.
    evaluate(random_corpus(7, 2, 1), ["carries"], random_corpus(8, 2, 1), opener=opener)


def test_shared_speakers_of_fitting_and_test_rows_are_refused(
    random_corpus: MakeCorpus, opener: Any
) -> None:
    with pytest.raises(CorpusError, match="share"):
        evaluate(random_corpus(1), ["ours"], random_corpus(1), opener=opener)


@pytest.mark.parametrize(
    "arguments",
    [{"detectors": []}, {"detectors": ["ours", "ours"]}, {"workers": 0}, {"resamples": 0}],
)
def test_a_request_that_does_not_fit_is_refused(
    arguments: dict[str, Any], random_corpus: MakeCorpus, opener: Any
) -> None:
    with pytest.raises(ConfigError):
        evaluate(random_corpus(1), **{"detectors": ["ours"], "opener": opener, **arguments})


def test_one_speaker_has_figures_but_no_intervals(random_corpus: MakeCorpus, opener: Any) -> None:
    found = evaluate(random_corpus(1, speakers=1), ["ours"], random_corpus(2), opener=opener)
    ours = found.detectors[0]
    assert ours.frozen is not None
    assert all(frozen.rate_interval is None for frozen in ours.frozen.values())
    assert all(best.interval is None for best in ours.best.values())
    assert "none: one speaker" in to_text(found)


def test_rows_without_holds_have_latencies_but_no_points(
    coded_turn: MakeTurn, corpus_of: MakeCorpus, opener: Any
) -> None:
    turns = [coded_turn([(0.5, None), (4.2, 0.9)], name=n, speaker=n) for n in "ab"]
    found = evaluate(corpus_of(turns), ["ours", "vad:silero"], opener=opener, resamples=10)
    ours = found.detectors[0]
    assert ours.best == {}
    assert ours.own is not None
    assert ours.own.summary.mean_latency_s == pytest.approx(0.2)
    document = as_dict(found)
    assert document["detectors"]["ours"]["best_on_test"] == dict.fromkeys(NAMES)
    assert document["detectors"]["ours"]["own_policy"]["rate"] is None
    assert [c.verdict for c in found.claims] == ["not tested"] * 4
    assert to_text(found)
    assert to_markdown(found)


def test_synthetic_speech_is_labelled_everywhere(
    coded_turn: MakeTurn, corpus_of: MakeCorpus, opener: Any
) -> None:
    turn = coded_turn([(0.5, None), (4.2, 0.9)], name=f"{SYNTHETIC}-0")
    corpus = corpus_of([turn], "made")
    found = evaluate(corpus, ["ours"], opener=opener, resamples=10)
    assert "made (synthetic)" in to_text(found)
    assert "made (synthetic)" in to_markdown(found)
    assert as_dict(found)["corpus"]["synthetic"] is True


def test_worst_cutoffs_are_the_surest(found: Evaluation) -> None:
    worst = worst_cutoffs(found.detectors[0], n=3)
    assert worst is not None
    assert worst.basis == "frozen"
    frozen = found.detectors[0].frozen
    assert frozen is not None
    every = [cut for o in frozen["FC@300"].outcomes for cut in o.cutoffs]
    assert worst.total == len(every) > 3
    scores = [cut.score for cut in worst.cutoffs]
    assert scores == sorted((c.score for c in every if c.score), reverse=True)[:3]
    for cut in worst.cutoffs:
        assert found.corpus[cut.row].id == cut.turn


def test_worst_cutoffs_of_a_sweep_agree_with_its_rate(found: Evaluation) -> None:
    ours = replace(found.detectors[0], frozen=None)
    worst = worst_cutoffs(ours, n=100)
    assert worst is not None
    assert worst.basis == "best on test"
    assert worst.total / found.facts.holds == pytest.approx(ours.best["FC@300"].rate)
    for cut in worst.cutoffs:
        span = found.corpus[cut.row].spans[cut.span or 0]
        assert span.start < cut.at_s < span.end
        assert cut.at_s - span.start == pytest.approx(cut.waited_s, abs=1e-3)


def test_progress_tells_every_turn(random_corpus: MakeCorpus, opener: Any) -> None:
    told: list[tuple[str, int, int]] = []
    evaluate(
        random_corpus(1, 1, 2), ["ours"], random_corpus(2, 1, 2), opener=opener, resamples=1,
        progress=lambda *what: told.append(what),
    )  # fmt: skip
    assert told == [
        (f"ours: {what}", done, 2) for what in ("fitting", "testing") for done in range(3)
    ]


def test_the_seed_fixes_the_intervals(random_corpus: MakeCorpus, opener: Any) -> None:
    def bounds(seed: int) -> Any:
        found = evaluate(random_corpus(1), ["ours"], seed=seed, opener=opener, resamples=50)
        return [best.interval for best in found.detectors[0].best.values()]

    assert bounds(0) == bounds(0) != bounds(1)
    assert resample_speakers(3, 2, 0).shape == (2, 3)


def test_tables_name_every_detector_and_escape_markdown(found: Evaluation) -> None:
    text, markdown = to_text(found), to_markdown(found)
    for title in ("Frozen policies", "Best on test", "Replays in detail", "Compute"):
        assert title in text
        assert title in markdown
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert {line.count("|") for line in lines if line.startswith("| ours")} >= {6}
    assert "score > " in text
