"""Stages measured one by one: scripted engines must come out as their scripts say."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from turnkit.agent.measuring import stages_llm, stages_stt, stages_tts
from turnkit.agent.measuring.stages import StageBenchSettings, measure_stages
from turnkit.agent.measuring.stages_figures import FIRST_USE, LOAD, StageFigures, Timing
from turnkit.agent.measuring.stages_speech import OWN, Speech, Utterance
from turnkit.agent.measuring.stages_table import stages_table
from turnkit.agent.measuring.stages_texts import CLAUSES, REQUESTS, SENTENCES
from turnkit.agent.preset import Preset
from turnkit.cli.main import main
from turnkit.errors import ConfigError, StageError
from turnkit.stages.llm.opening import open_llm
from turnkit.stages.stt.opening import open_stt
from turnkit.stages.tts.opening import open_tts

Capture = pytest.CaptureFixture[str]
RATE = 16_000

LATE_MS = 400.0
"""What a busy machine may add to a scripted delay."""

FAKES: dict[str, Any] = {
    "name": "scripted",
    "stt": {"kind": "fake", "flush_delay_ms": "60"},
    "llm": {"kind": "fake", "replies": ["one two three"], "first_token": "40", "per_token": "10"},
    "tts": {"kind": "fake", "first_audio": "30", "real_time_factor": 0.005},
}


def utterance(seconds: float, text: str = "what is the weather like today") -> Utterance:
    """A tone between two silences."""
    tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * RATE)) / RATE)
    samples = np.pad(tone.astype(np.float32), (RATE // 5, RATE // 10))
    return Utterance(text, samples, RATE, 0.2, 0.2 + seconds)


def speech(*seconds: float) -> Speech:
    return Speech("tones", "no speech at all", tuple(utterance(each) for each in seconds))


def within(timing: Timing, low_ms: float, n: int) -> None:
    assert timing.n == n
    assert low_ms - 1.0 <= timing.p50_ms <= low_ms + LATE_MS
    assert timing.p50_ms <= timing.p90_ms


def measure_fake_stt(*sets: Speech, rounds: int = 1, paced: int = 1, **script: Any) -> StageFigures:
    make = partial(open_stt, {"kind": "fake", **script})
    return asyncio.run(stages_stt.measure_stt(make, sets, rounds, paced))


def test_a_recognisers_answer_is_timed_from_the_flush() -> None:
    found = measure_fake_stt(speech(0.3, 0.4), rounds=2, paced=2, flush_delay_ms="60")
    within(found.timings[FIRST_USE], 60, 2)
    within(found.timings[stages_stt.FLUSH], 60, 2)
    assert found.timings[LOAD].n == 2
    assert not found.timings[LOAD].budgeted
    assert [(each.real_time, each.n) for each in found.recognition] == [(False, 2), (True, 4)]


def test_real_time_takes_as_long_as_the_speech() -> None:
    async def hear(real_time: bool) -> float:
        engine = open_stt({"kind": "fake", "flush_delay_ms": "0"})
        async with stages_stt.listening(engine) as stream:
            begun = time.perf_counter()
            await stream.hear(utterance(1.7), real_time=real_time)
            return time.perf_counter() - begun

    assert asyncio.run(hear(True)) >= 2.0
    assert asyncio.run(hear(False)) < 1.5


def test_words_committed_before_the_end_are_counted_in_long_utterances_only() -> None:
    sets = speech(2.2), Speech("short", "", (utterance(0.6),))
    found = measure_fake_stt(*sets, words_per_s=3.0, uncommitted=1)
    paced = {each.speech: (each.long, each.early) for each in found.recognition if each.real_time}
    assert paced == {"tones": (1, 1), "short": (0, 0)}
    assert {(each.long, each.early) for each in found.recognition if not each.real_time} == {(0, 0)}
    # Words that are committed by the flush come too late.
    found = measure_fake_stt(speech(2.2), uncommitted=50)
    assert [(each.long, each.early) for each in found.recognition if each.real_time] == [(1, 0)]


def test_a_recogniser_goes_from_utterance_to_utterance() -> None:
    async def run() -> list[str]:
        engine = open_stt({"kind": "fake", "texts": ["one two", "three"], "whole": True})
        async with stages_stt.listening(engine) as stream:
            said = [utterance(0.3)] * 3
            return [(await stream.hear(each, real_time=False)).text for each in said]

    assert asyncio.run(run()) == ["one two", "three", "one two"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [("error", "scripted error"), ("die", "ended without an answer"), ("hang", "no answer")],
)
def test_a_recogniser_that_fails_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, fault: str, told: str
) -> None:
    monkeypatch.setattr(stages_stt, "PATIENCE_S", 0.2)
    with pytest.raises(StageError, match=told):
        measure_fake_stt(speech(0.3), fault={"kind": fault})


def test_a_models_first_token_and_its_pace() -> None:
    make = partial(open_llm, FAKES["llm"])
    found = asyncio.run(stages_llm.measure_llm(make, "Be brief.", rounds=2))
    takes = 2 * stages_llm.TAKES
    within(found.timings[FIRST_USE], 40, 2)
    for kind in (stages_llm.NOTHING, stages_llm.SYSTEM, stages_llm.AHEAD):
        within(found.timings[kind], 40, takes)
    within(found.timings[stages_llm.PER_TOKEN], 10, 3 * takes + 2)
    assert 1 < found.rates["tokens/s"] <= 101
    assert found.simulated


def test_a_model_reads_ahead_all_but_two_words(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, list[str]]] = []
    engine = open_llm({**FAKES["llm"], "first_token": "0", "per_token": "0"})
    opened = engine.open

    def spying() -> Any:
        conversation = opened()
        reply, prefill = conversation.reply, conversation.prefill

        def noted(kind: str, go_on: Callable[..., Any]) -> Callable[..., Any]:
            def call(messages: Any) -> Any:
                seen.append((kind, [message.content for message in messages]))
                return go_on(messages)

            return call

        monkeypatch.setattr(conversation, "reply", noted("reply", reply))
        monkeypatch.setattr(conversation, "prefill", noted("prefill", prefill))
        return conversation

    monkeypatch.setattr(engine, "open", spying)
    asyncio.run(stages_llm.measure_llm(lambda: engine, "Be brief.", rounds=1))
    takes = [seen[i : i + 5] for i in range(1, len(seen), 5)]
    assert len(takes) == stages_llm.TAKES
    beginnings = {seen[0][1][0]}
    for nothing, system, second, ahead, third in takes:
        kinds = [kind for kind, _ in (nothing, system, second, ahead, third)]
        assert kinds == ["reply", "prefill", "reply", "prefill", "reply"]
        # Nothing that was computed before begins like this one.
        assert nothing[1][0].endswith("Be brief.")
        assert nothing[1][0] not in beginnings
        beginnings.add(nothing[1][0])
        assert system[1] == ["Be brief."]
        assert second[1][0] == third[1][0] == "Be brief."
        assert third[1][1].split()[:-2] == ahead[1][1].split()
    requests = [content[1] for kind, content in seen if kind == "reply"]
    assert len(set(requests[1:])) == 3 * stages_llm.TAKES <= len(REQUESTS)


@pytest.mark.parametrize(("fault", "told"), [("die", "without a word"), ("hang", "no end")])
def test_a_model_that_fails_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, fault: str, told: str
) -> None:
    monkeypatch.setattr(stages_llm, "PATIENCE_S", 0.2)
    make = partial(open_llm, {**FAKES["llm"], "fault": {"kind": fault}})
    with pytest.raises(StageError, match=told):
        asyncio.run(stages_llm.measure_llm(make, "Be brief.", rounds=1))


def test_a_voices_first_audio_by_length() -> None:
    make = partial(open_tts, FAKES["tts"])
    found = asyncio.run(stages_tts.measure_tts(make, rounds=1))
    within(found.timings[FIRST_USE], 30, 1)
    for words in CLAUSES:
        within(found.timings[stages_tts.first_audio(words)], 30, stages_tts.TAKES)
    assert stages_tts.CACHED not in found.timings  # scripted delays are not kept from playing
    assert found.rates["% of clauses with a gap"] == 0


def test_kept_phrases_come_at_once_and_apart_from_the_voices_speed() -> None:
    cache = {"enabled": True, "phrases": ["Sure,", "One moment."]}
    make = partial(open_tts, {**FAKES["tts"], "cache": cache})
    found = asyncio.run(stages_tts.measure_tts(make, rounds=2))
    assert found.timings[stages_tts.CACHED].n == 2
    assert found.timings[stages_tts.CACHED].p50_ms < 30
    within(found.timings[stages_tts.FILL], 2 * 30, 1)
    within(found.timings[stages_tts.first_audio(5)], 30, 2 * stages_tts.TAKES)


def test_a_voice_slower_than_its_audio_leaves_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages_tts, "CLAUSES", {1: ("Yes.",) * 4, 5: ("a b c d e",) * 4})
    slow = {"first_audio": "0", "real_time_factor": 1.3, "words_per_second": 50.0}
    make = partial(open_tts, {"kind": "fake", **slow})
    found = asyncio.run(stages_tts.measure_tts(make, rounds=1))
    assert found.rates["% of clauses with a gap"] == 50.0  # one word is one piece


def test_a_silent_voice_is_told_in_words() -> None:
    make = partial(open_tts, {**FAKES["tts"], "fault": {"kind": "die"}})
    with pytest.raises(StageError, match="no audio for"):
        asyncio.run(stages_tts.measure_tts(make, rounds=1))


def test_texts_have_the_lengths_they_are_listed_under() -> None:
    for words, texts in CLAUSES.items():
        assert {len(text.split()) for text in texts} == {words}
        assert len(set(texts)) == len(texts) > stages_tts.TAKES
    assert {7 <= len(text.split()) <= 15 for text in SENTENCES} == {True}
    assert {10 <= len(text.split()) <= 12 for text in REQUESTS} == {True}


@pytest.fixture
def preset_file(tmp_path: Path) -> str:
    path = tmp_path / "scripted.yaml"
    path.write_text(json.dumps(FAKES))  # JSON is YAML
    return str(path)


@pytest.fixture
def tones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tones where the embedded voice would speak."""
    where = "turnkit.agent.measuring.stages.speak_sentences"
    tone = Speech(OWN, "tones, no speech", (utterance(0.3), utterance(2.2)))
    monkeypatch.setattr(where, lambda count, seed: replace(tone, name=f"{count} of {OWN}, {seed}"))


SMALL = ["--corpus", "none", "--sentences", "2", "--paced", "2", "--rounds", "1"]


@pytest.mark.usefixtures("tones")
def test_json(preset_file: str, capsys: Capture) -> None:
    assert main(["bench", "stages", "--preset", preset_file, *SMALL, "--seed", "7", "--json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert (found["preset"], found["seed"], found["rounds"]) == ("scripted", 7, 1)
    assert found["machine"]["cores"] >= 1
    assert found["budget_ms"] == {"stt": [50, 100], "llm": [100, 200], "tts": [50, 80]}
    assert found["speech"] == {f"2 of {OWN}, 7": "tones, no speech"}
    assert [(each["stage"], each["simulated"]) for each in found["stages"]] == [
        ("stt", True), ("llm", True), ("tts", True),
    ]  # fmt: skip
    for stage in found["stages"]:
        for timing in stage["timings"].values():
            assert timing["n"] >= 1
            assert 0 <= timing["p50_ms"] <= timing["p90_ms"]
    assert [each["errors"] for each in found["stages"][0]["recognition"]] == [None, None]
    assert "round 1 of 1" in printed.err


@pytest.mark.usefixtures("tones")
def test_table(preset_file: str, capsys: Capture) -> None:
    assert main(["bench", "stages", "--preset", preset_file, *SMALL]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("machine: ")
    assert "preset scripted, seed 0" in lines[1]
    named = [line for line in lines if line.startswith(("stt ", "llm ", "tts "))]
    assert len(named) == 3
    for line in named:
        assert line.count("(simulated)") == 1
    flush = next(line for line in lines if stages_stt.FLUSH in line)
    assert flush.endswith("50-100")
    assert next(line for line in lines if line.startswith("      load "))[-1].isdigit()
    paced = next(line for line in lines if "in real time" in line)
    assert paced.endswith("1 of 1")
    assert max(len(line) for line in lines[3:]) <= 130


def test_a_stage_and_recognisers_can_be_chosen(
    monkeypatch: pytest.MonkeyPatch, preset_file: str, capsys: Capture
) -> None:
    asked: list[StageBenchSettings] = []

    async def note(_: Preset, settings: StageBenchSettings, told: object) -> None:
        del told
        asked.append(settings)
        raise ConfigError("enough")

    monkeypatch.setattr("turnkit.agent.measuring.stages.measure_stages", note)
    for options in (
        [],
        ["--preset", preset_file],
        ["--preset", preset_file, "--stt", "fake", "--stt", "sphinx"],
        ["--stage", "tts", "--stage", "stt", "--corpus", "none"],
    ):
        assert main(["bench", "stages", *options]) == 2
    assert [each.recognisers for each in asked] == [
        ("sphinx",), (), ("fake", "sphinx"), ("sphinx",),
    ]  # fmt: skip
    assert [each.corpus for each in asked] == ["embedded:test"] * 3 + [None]
    assert [each.stages for each in asked[2:]] == [("stt", "llm", "tts"), ("stt", "tts")]
    assert "enough" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--rounds", "0"], 2, "rounds 0"),
        (["--sentences", "0"], 2, "sentences 0"),
        (["--paced", "-1"], 2, "paced -1"),
        (["--seed", "-1"], 2, "seed -1"),
        (["--stt", "telepathy"], 2, "telepathy"),
        (["--set", "llm.first_token=soon"], 2, "soon"),
        (["--preset", "no/such.yaml"], 2, "no/such.yaml"),
    ],
)
def test_refused(
    preset_file: str, capsys: Capture, options: list[str], status: int, said: str
) -> None:
    assert main(["bench", "stages", "--preset", preset_file, *SMALL, *options]) == status
    assert said in capsys.readouterr().err


def test_a_missing_model_names_the_command_that_fetches_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, preset_file: str, capsys: Capture
) -> None:
    monkeypatch.delenv("TURNKIT_SMOLLM2", raising=False)
    monkeypatch.setenv("TURNKIT_CACHE", str(tmp_path / "empty"))
    options = ["--set", "llm={kind: smollm2}", *SMALL]
    assert main(["bench", "stages", "--preset", preset_file, *options]) == 1
    said = capsys.readouterr().err
    assert "turnkit peers get smollm2" in said
    assert "stt" not in said  # told before the minutes that recognisers take


def test_settings_of_all_stages_are_checked_before_anything_is_measured() -> None:
    preset = Preset(**{**FAKES, "tts": {"kind": "fake", "speed": 3}})
    told: list[str] = []
    settings = StageBenchSettings(corpus=None, rounds=1)
    with pytest.raises(ConfigError, match="speed"):
        asyncio.run(measure_stages(preset, settings, told.append))
    assert not told


def test_the_embedded_table_says_what_it_heard() -> None:
    """The table of recognisers with errors, from figures made by hand."""
    from turnkit.agent.measuring.stages_figures import Recognition, StagesReport, WordErrors
    from turnkit.evaluate.machine import Machine

    errors = WordErrors(40, 1, 2, 3, 0.15, (0.05, 0.25))
    heard = Recognition("own sentences", True, 4, errors, long=3, early=2)
    figures = StageFigures("stt", "some engine", False, {LOAD: Timing.of([0.5])}, (heard,))
    speeches = {"own sentences": "synthetic speech"}
    report = StagesReport(Machine.read(), None, None, "mine", 0, 1, speeches, (figures,))
    lines = stages_table(report).splitlines()
    assert "load average before -, CPU steal -" in lines[0]
    assert "speech: own sentences: synthetic speech" in lines
    row = next(line for line in lines if "in real time" in line)
    assert row.split() == [
        *("some", "engine", "own", "sentences", "in", "real", "time", "4", "40", "15.0"),
        *("5.0", "..", "25.0", "1", "2", "3", "2", "of", "3"),
    ]
    assert json.dumps(report.as_dict(), allow_nan=False)
