from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from turnkit.errors import ConfigError
from turnkit.lab.scenario.schema import OverStep, SayStep, load_scenario, parse_scenario
from turnkit.lab.scenario.script import AwaitReply, HangUp, Rest, Vanish
from turnkit.lab.scenario.sources import (
    BackchannelSource,
    CorpusSource,
    FileSource,
    NoiseSource,
    RowSource,
    TextSource,
    kind_of,
)

WHOLE = """
about: Everything at once.
agent:
  - conversation.greeting=Hello, how can I help you?
network: phone
repeat: 3
steps:
  - await: reply
    patience_s: 8
  - say: {row: embedded:test/3}
  - await: reply
  - over: {text: "No, wait.", tempo: 1.2, gain_db: -3}
    after_s: 1.2
    at_most_s: 5
  - over: {backchannel: uh huh}
    after_s: 0.5
  - say: {noise: cough}
  - say: {corpus: embedded:test, with_hold_s: 0.8, at_least_words: 2, at_most_words: 30}
  - say: {file: hello.wav, ended_s: 1.5, kind: interruption}
  - rest: 1.5
  - hang up
expect:
  - misses == 0
"""


def scenario(steps: str) -> Any:
    return parse_scenario({"about": "It tries.", "steps": yaml.safe_load(steps)}, "tried")


def test_everything_is_read() -> None:
    found = parse_scenario(yaml.safe_load(WHOLE), "whole", Path("there"))
    assert found.name == "whole"
    assert found.about == "Everything at once."
    assert found.agent == ("conversation.greeting=Hello, how can I help you?",)
    assert (found.network, found.repeat, found.expect) == ("phone", 3, ("misses == 0",))
    assert found.folder == Path("there")
    assert found.steps == (
        AwaitReply(patience_s=8.0),
        SayStep(RowSource(row="embedded:test/3")),
        AwaitReply(),
        OverStep(TextSource(text="No, wait.", tempo=1.2, gain_db=-3.0), 1.2, 5.0),
        OverStep(BackchannelSource(backchannel="uh huh"), 0.5),
        SayStep(NoiseSource(noise="cough")),
        SayStep(
            CorpusSource(
                corpus="embedded:test", with_hold_s=0.8, at_least_words=2, at_most_words=30
            )
        ),
        SayStep(FileSource(file="hello.wav", ended_s=1.5, kind="interruption")),
        Rest(1.5),
        HangUp(),
    )
    # The row and the one from the corpus; the file is said to be something else.
    assert found.turns == 2


def test_a_row_is_a_corpus_and_a_number() -> None:
    source = RowSource(row="owner/name/config:test/12")
    assert (source.corpus, source.number) == ("owner/name/config:test", 12)


def test_calls_without_turns_are_counted_as_calls() -> None:
    assert scenario("[rest: 1, vanish]").turns == 0
    assert scenario("[rest: 1, vanish]").steps[-1] == Vanish()


@pytest.mark.parametrize(
    ("source", "said", "over"),
    [
        (TextSource(text="x"), "turn", "interruption"),
        (RowSource(row="a/0"), "turn", "interruption"),
        (BackchannelSource(backchannel="yeah"), "backchannel", "backchannel"),
        (NoiseSource(noise="knock"), "noise", "noise"),
        (TextSource(text="x", kind="backchannel"), "backchannel", "backchannel"),
        (BackchannelSource(backchannel="yeah", kind="turn"), "turn", "turn"),
    ],
)
def test_the_kind_is_inferred_or_said(source: TextSource, said: str, over: str) -> None:
    assert kind_of(source, over=False) == said
    assert kind_of(source, over=True) == over


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ("[]", ["steps", "a list"]),
        ("say", ["steps 'say'", "a list"]),
        ("[hangup]", ["steps.0 'hangup'", "hang up, vanish", "say, over, await, rest"]),
        ("[hang up, rest: 1]", ["steps.0 'hang up'", "at the end"]),
        ("[rest: 1, vanish, vanish]", ["steps.1 'vanish'", "at the end"]),
        ("[sya: {text: x}]", ["steps.0.sya", "did you mean 'say'"]),
        ("[{say: {text: x}, rest: 1}]", ["steps.0", "exactly one", "say", "rest"]),
        ("[{}]", ["steps.0", "exactly one of say, over, await, rest"]),
        ("[await: answer]", ["steps.0.await 'answer'", "reply"]),
        ("[{await: reply, patience: 1}]", ["steps.0.patience", "patience_s"]),
        ("[{await: reply, patience_s: -1}]", ["steps.0.patience_s -1.0", "0 .. 600"]),
        ("[{await: reply, silence_s: long}]", ["steps.0.silence_s 'long'", "number"]),
        ("[rest: soon]", ["steps.0.rest 'soon'", "number"]),
        ("[rest: 601]", ["steps.0.rest 601", "0 .. 600"]),
        ("[over: {text: x}]", ["steps.0.after_s", "missing"]),
        ("[{over: {text: x}, after_s: .nan}]", ["steps.0.after_s nan", "0 .. 600"]),
        ("[{over: {text: x}, after_s: 21}]", ["steps.0.after_s 21", "at most 20"]),
        ("[{say: {text: x}, after_s: 1}]", ["steps.0.after_s", "unknown"]),
        ("[say: hello]", ["steps.0.say 'hello'", "row, corpus, text, file, backchannel, noise"]),
        ("[say: {txt: x}]", ["steps.0.say.txt", "did you mean 'text'"]),
        ("[say: {}]", ["steps.0.say", "exactly one of row"]),
        ("[say: {text: x, row: a/0}]", ["steps.0.say", "exactly one", "'row', 'text'"]),
        ("[say: {text: x, temop: 1}]", ["steps.0.say.temop", "did you mean 'tempo'"]),
        ("[say: {text: yes}]", ["steps.0.say.text True", "expected text"]),
        ("[say: {text: 42}]", ["steps.0.say.text 42", "expected text"]),
        ("[say: {text: '...'}]", ["steps.0.say.text '...'", "expected words"]),
        ("[say: {text: x, tempo: 3}]", ["steps.0.say.tempo 3.0", "0.5 .. 2"]),
        ("[say: {text: x, kind: shout}]", ["steps.0.say.kind 'shout'", "turn, interruption"]),
        ("[say: {text: x, gain_db: 90}]", ["steps.0.say.gain_db 90", "-60 .. 20"]),
        ("[say: {text: x, lead_s: -1}]", ["steps.0.say.lead_s -1", "0 .. 300"]),
        ("[say: {row: embedded}]", ["steps.0.say.row 'embedded'", "CORPUS/NUMBER"]),
        ("[say: {row: a/-1}]", ["steps.0.say.row 'a/-1'", "CORPUS/NUMBER"]),
        ("[say: {row: /1}]", ["steps.0.say.row '/1'", "CORPUS/NUMBER"]),
        ("[say: {corpus: a, with_hold_s: 0}]", ["steps.0.say.with_hold_s 0", "more than 0"]),
        ("[say: {corpus: a, at_most_words: 0}]", ["steps.0.say.at_most_words 0", "1 or more"]),
        ("[say: {corpus: a, at_least_words: -1}]", ["steps.0.say.at_least_words -1", "1 or more"]),
        ("[say: {file: a.wav, ended_s: 0}]", ["steps.0.say.ended_s 0", "more than 0"]),
        ("[{over: {noise: sneeze}, after_s: 1}]", ["steps.0.over.noise 'sneeze'", "cough, knock"]),
        ("[rest: 1, say: {backchannel: no}]", ["steps.1.say.backchannel False", "mm-hm, yeah"]),
    ],
)
def test_a_step_that_does_not_fit_is_named(steps: str, named: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        scenario(steps)
    for each in named:
        assert each in str(caught.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"abuot": "x"}, ["abuot", "did you mean 'about'"]),
        ({"about": None}, ["about None", "text"]),
        ({"about": "  "}, ["about", "words"]),
        ({"repeat": 0}, ["repeat 0", "1 or more"]),
        ({"repeat": 100_001}, ["repeat 100001", "100000 at most"]),
        ({"repeat": "often"}, ["repeat 'often'", "a whole number"]),
        ({"agent": "conversation.greeting=Hello"}, ["agent", "a list"]),
        ({"agent": ["limits.idle_s=1", "greeting"]}, ["agent.1", "'greeting'", "key=value"]),
        ({"agent": [{"a": 1}]}, ["agent.0", "text"]),
        ({"expect": [3]}, ["expect.0 3", "text"]),
        ({"network": 3}, ["network 3", "text"]),
        ({"steps": None}, ["steps None", "a list"]),
    ],
)
def test_a_key_that_does_not_fit_is_named(change: dict[str, Any], named: list[str]) -> None:
    content = yaml.safe_load(WHOLE) | change
    with pytest.raises(ConfigError) as caught:
        parse_scenario(content, "x")
    for each in named:
        assert each in str(caught.value)


def test_what_it_is_about_is_needed() -> None:
    with pytest.raises(ConfigError, match="about: missing"):
        parse_scenario({"steps": [{"rest": 1}]}, "x")


def test_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tried.yaml"
    with pytest.raises(ConfigError, match=r"scenario .*tried\.yaml: no such file"):
        load_scenario(path)
    path.write_text("about: x\nsteps: [rest: soon]\n")
    with pytest.raises(ConfigError, match=r"scenario .*tried\.yaml: steps\.0\.rest"):
        load_scenario(path)
    path.write_text("about: x\nsteps: [rest: 1]\n")
    found = load_scenario(str(path))
    assert (found.name, found.folder) == ("tried", tmp_path)


def test_expectations_are_checked_by_whom_they_concern(tmp_path: Path) -> None:
    def check(text: str) -> None:
        if "missses" in text:
            raise ConfigError(f"{text!r}: did you mean misses?")

    path = tmp_path / "tried.yaml"
    path.write_text("about: x\nsteps: [rest: 1]\nexpect: [turns == 0, missses == 0]\n")
    with pytest.raises(ConfigError, match=r"tried\.yaml: expect\.1: 'missses == 0'"):
        load_scenario(path, check)
    assert load_scenario(path).expect == ("turns == 0", "missses == 0")
