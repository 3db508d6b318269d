from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from turnkit.corpus.checking.probes import LIMIT, PROBES, Probe, probe_turns, run_probes
from turnkit.corpus.checking.silences import silences_of
from turnkit.corpus.reader import load_corpus
from turnkit.corpus.schema import Span, Turn, Word

RATE = 8_000
VOCABULARY = [
    "yes",
    "no",
    "maybe",
    "then",
    "well",
    "so",
    "um",
    "tuesday",
    "seven",
    "left",
    "right",
    "again",
]


def make_turn(
    number: int, rng: np.random.Generator, *, holds: int | None = None, speaker: int | None = None
) -> Turn:
    """A turn in which nothing tells a hold from an end: each pause ends it by a coin's throw."""
    holds = int(rng.geometric(0.5)) - 1 if holds is None else holds
    now = float(rng.uniform(0.2, 1.0))
    spans, words = [], []
    for place in range(holds + 1):
        for _ in range(int(rng.geometric(0.6))):
            words.append(Word(str(rng.choice(VOCABULARY)), now, now + 0.12))
            now += 0.15
        length = 1.5 if place == holds else float(rng.uniform(0.25, 0.9))
        spans.append(Span(now, now + length))
        now += length
    x = rng.normal(0.0, 0.001, round(now * RATE))
    for word in words:
        part = slice(round(word.start * RATE), round(word.end * RATE))
        x[part] += rng.normal(0.0, 0.1, part.stop - part.start)
    samples = (np.round(x * 32768) / 32768).astype(np.float32)
    who = number // 6 if speaker is None else speaker
    transcript = " ".join(word.word for word in words)
    return Turn(
        f"t{number}", "en", f"s{who}", samples, RATE, tuple(spans), transcript, tuple(words)
    )


@pytest.fixture(scope="module")
def fair() -> list[Turn]:
    rng = np.random.default_rng(0)
    return [make_turn(number, rng) for number in range(900)]


def found(turns: Any) -> dict[str, Probe]:
    probes = {probe.name: probe for probe in probe_turns(turns)}
    assert tuple(probes) == PROBES
    return probes


def failed(turns: Any) -> set[str]:
    return {name for name, probe in found(turns).items() if probe.failed}


def changed(
    turns: list[Turn], change: Callable[[Turn, Span, bool], tuple[slice, float]]
) -> Iterator[Turn]:
    """Turns whose silences are multiplied, each in a part of it, by what `change` says."""
    for turn in turns:
        samples = turn.samples.copy()
        for span in turn.spans:
            part, gain = change(turn, span, span is turn.end)
            samples[part] *= gain
        yield dataclasses.replace(turn, samples=samples)


def window(span: Span, seconds: float = 0.2) -> slice:
    return slice(round(span.start * RATE), round((span.start + seconds) * RATE))


def test_fair_turns_pass_every_probe(fair: list[Turn]) -> None:
    probes = found(fair)
    for probe in probes.values():
        assert abs(probe.auc - 0.5) < 0.05, probe.as_text()
        assert not probe.failed
        assert probe.interval is not None
        assert probe.interval.low < 0.51
        assert probe.ends == 900
        assert 700 < probe.holds < 1_100


def test_rows_of_two_spans_are_told_by_counting_and_the_probe_says_why(fair: list[Turn]) -> None:
    rng = np.random.default_rng(2)
    pairs = found([make_turn(number, rng, holds=1) for number in range(60)])
    assert pairs["holds so far"].auc == 1.0
    assert "by construction" in pairs["holds so far"].as_text()
    assert [name for name, probe in pairs.items() if probe.note] == ["holds so far"]
    assert not found(fair)["holds so far"].note


def test_a_quieter_end_is_a_level_shortcut(fair: list[Turn]) -> None:
    quieter = changed(fair, lambda _, span, end: (window(span), 0.8 if end else 1.0))
    assert failed(quieter) == {"level"}


def test_zeros_at_the_end_are_a_shortcut(fair: list[Turn]) -> None:
    muted = changed(fair, lambda _, span, end: (window(span, 0.1), 0.0 if end else 1.0))
    assert {"zeros"} <= failed(muted) <= {"zeros", "level"}


def test_zeros_in_every_silence_are_none(fair: list[Turn]) -> None:
    assert not failed(changed(fair, lambda _, span, __: (window(span), 0.0)))


def test_what_comes_after_the_window_is_not_looked_at(fair: list[Turn]) -> None:
    """The end is of digital silence from 0.2 s on, which no causal model knows by then."""

    def late(_: Turn, span: Span, end: bool) -> tuple[slice, float]:
        first = window(span)
        return slice(first.stop, first.stop + RATE if end else first.stop), 0.0

    turns = list(changed(fair, late))
    assert [p.auc for p in probe_turns(turns)] == [p.auc for p in probe_turns(fair)]


def test_a_louder_second_half_is_a_level_shortcut(fair: list[Turn]) -> None:
    """Level of the speech so far: the last words before the end are said louder."""

    def louder(turn: Turn) -> Turn:
        samples = turn.samples.copy()
        begin = turn.spans[-2].end if len(turn.spans) > 1 else 0.0
        samples[round(begin * RATE) : round(turn.end.start * RATE)] *= 3.0
        return dataclasses.replace(turn, samples=samples)

    assert "level" in failed(map(louder, fair))


def test_turns_of_one_length_are_a_duration_shortcut() -> None:
    rng = np.random.default_rng(1)
    turns = [make_turn(number, rng, holds=2) for number in range(300)]
    assert failed(turns) >= {"duration", "words so far", "holds so far"}
    assert found(turns)["holds so far"].auc == 1.0


def test_speakers_who_pause_and_others_who_do_not_are_a_voice_shortcut() -> None:
    rng = np.random.default_rng(2)
    turns = [
        make_turn(n, rng, holds=int(rng.geometric(0.3 if (n // 6) % 2 else 0.9)) - 1)
        for n in range(600)
    ]
    assert "voice" in failed(turns)
    nameless = [dataclasses.replace(turn, speaker=None) for turn in turns]
    probe = found(nameless)["voice"]
    assert not probe.failed
    assert probe.as_text() == "voice          not measured: the corpus names no speakers"
    assert probe.as_dict()["auc"] is None


def test_a_word_that_only_ends_turns_is_a_shortcut(fair: list[Turn]) -> None:
    def over(turn: Turn) -> Turn:
        *before, last = turn.words
        return dataclasses.replace(turn, words=(*before, dataclasses.replace(last, word="Over!")))

    assert failed(map(over, fair)) == {"last word"}


def test_the_word_before_a_silence_is_the_one_that_began_before_it() -> None:
    words = (Word("so", 0.1, 0.4), Word("That's", 0.9, 1.2), Word("all.", 1.2, 1.5))
    x = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)
    turn = Turn("a", "en", "s", x, RATE, (Span(0.45, 0.9), Span(1.5, 3.0)), None, words)
    hold, end = silences_of(turn).silences
    assert (hold.last_word, hold.words, hold.is_end) == ("so", 1, False)
    assert (end.last_word, end.words, end.is_end) == ("all", 3, True)


def test_time_runs_from_the_first_speech_not_from_the_start_of_the_row() -> None:
    x = np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32)
    spans = (Span(0.0, 1.0), Span(1.5, 2.0), Span(3.0, 4.0))
    hold, end = silences_of(Turn("a", "en", "s", x, RATE, spans)).silences
    assert [hold.elapsed_s, end.elapsed_s] == pytest.approx([0.5, 2.0])
    assert (hold.holds, end.holds) == (0, 1)


def test_levels_are_those_of_the_speech_the_window_and_the_floor() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.001, 3 * RATE)
    x[RATE : 2 * RATE] = rng.normal(0, 0.1, RATE)
    x += 0.05  # a constant offset is no level
    turn = Turn("a", "en", "s", x.astype(np.float32), RATE, (Span(0, 1), Span(2, 3)))
    (end,) = silences_of(turn).silences
    assert end.speech_db == pytest.approx(-20.0, abs=0.3)
    assert end.first_db == pytest.approx(-60.0, abs=0.5)
    assert end.floor_db == pytest.approx(-60.6, abs=0.6)


def test_the_last_silence_of_a_turn_that_was_cut_off_is_a_hold(fair: list[Turn]) -> None:
    cut = dataclasses.replace(fair[0], tags=frozenset({"incomplete"}))
    assert not any(silence.is_end for silence in silences_of(cut).silences)
    assert silences_of(fair[0]).silences[-1].is_end


def test_silences_shorter_than_the_window_are_left_out() -> None:
    x = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)
    spans = (Span(0.5, 0.65), Span(1.0, 1.2), Span(2.9, 3.0))
    turn = Turn("a", "en", "s", x, RATE, spans)
    (hold,) = silences_of(turn).silences
    assert (hold.is_end, hold.holds) == (False, 1)


def test_without_times_transcripts_are_compared_and_the_probe_says_so(fair: list[Turn]) -> None:
    def code_word(turn: Turn) -> Turn:
        return dataclasses.replace(turn, words=(), transcript=f"{turn.transcript} Operator [bang]")

    probe = found(map(code_word, fair))["last word"]
    assert probe.failed
    assert probe.auc > 0.99
    assert "words have no times" in probe.as_text()
    assert f"ABOVE {LIMIT:g}" in probe.as_text()
    assert "not measured" in found(map(code_word, fair))["words so far"].as_text()


def test_too_few_are_not_measured(fair: list[Turn]) -> None:
    for probe in probe_turns(fair[:15]):
        assert not probe.failed
        assert "15 ends, fewer than 20" in probe.as_text()
    assert [p.failed for p in run_probes([])] == [False] * len(PROBES)


def test_phone_turns_teach_the_last_word(phone_turns: Any) -> None:
    probes = found(load_corpus(str(phone_turns / "dev.parquet")))
    assert probes["last word"].failed
    assert probes["last word"].auc > 0.9
    assert not probes["zeros"].failed
