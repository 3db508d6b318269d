"""Scripts: repeatable, apart by split, well formed."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.corpus.synthesis.script import Boundary
from turnkit.corpus.synthesis.text import ScriptWriter, TextSettings
from turnkit.corpus.synthesis.text.grammar import kinds
from turnkit.corpus.synthesis.text.pauses import MAX_PAUSE_S, MIN_PAUSE_S
from turnkit.corpus.synthesis.text.writer import ANSWER_WORDS
from turnkit.errors import ConfigError
from turnkit.settings_file import build

WRITER = ScriptWriter(TextSettings(), ("train", "dev", "test"), seed=5)


@given(st.integers(0, 10**6), st.sampled_from(["train", "dev", "test"]))
def test_scripts_are_well_formed(index: int, split: str) -> None:
    script = WRITER.write(split, index)
    *before, last = script.chunks
    assert last.boundary.is_end
    assert last.hold_s == 0.0
    for chunk in before:
        assert not chunk.boundary.is_end
        assert MIN_PAUSE_S <= chunk.hold_s <= MAX_PAUSE_S
    for chunk in script.chunks:
        assert chunk.text
        assert chunk.text == " ".join(chunk.text.split())
        assert chunk.text[-1] not in ",.?"
        assert not set("{}<>|/+!~;") & set(chunk.text)
        assert all(word.strip(",.?") for word in chunk.text.split())
    assert script.chunks[0].text[0].isupper()


def test_any_order_and_any_process_give_the_same() -> None:
    ahead = [WRITER.write("test", i) for i in range(20)]
    again = ScriptWriter(TextSettings(), ("train", "dev", "test"), seed=5)
    assert [again.write("test", i) for i in reversed(range(20))] == ahead[::-1]
    code = (
        "from turnkit.corpus.synthesis.text import *;"
        "w = ScriptWriter(TextSettings(), ('train', 'dev', 'test'), 5);"
        "print([w.write('test', i).transcript for i in range(20)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([script.transcript for script in ahead])


def test_other_seeds_and_splits_say_other_things() -> None:
    other = ScriptWriter(TextSettings(), ("train", "dev", "test"), seed=6)
    said = {w.write(s, 3).words for w in (WRITER, other) for s in ("train", "dev", "test")}
    assert len(said) >= 5


def test_no_words_in_two_splits() -> None:
    said = {split: {WRITER.write(split, i).words for i in range(700)} for split in WRITER.splits}
    for a, b in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert all(len(words.split()) <= ANSWER_WORDS for words in said[a] & said[b])
    assert any(len(words.split()) > ANSWER_WORDS for words in said["dev"])


def test_answers_are_as_frequent_whatever_the_number_of_splits() -> None:
    alone = ScriptWriter(TextSettings(), ("train",), seed=5)
    shares = [
        sum(len(w.write("train", i).words.split()) <= ANSWER_WORDS for i in range(1500)) / 1500
        for w in (alone, WRITER)
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.035)


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_can_be_asked_for(kind: str) -> None:
    writer = ScriptWriter(TextSettings(kinds={kind: 1.0}), ("train",), seed=1)
    scripts = [writer.write("train", i) for i in range(60)]
    assert {script.kind for script in scripts} == {kind}
    assert len({script.words for script in scripts}) > 25


def test_settings_do_what_they_say() -> None:
    fluent = TextSettings(fillers=0, repetitions=0, fragments=0, corrections=0, trailing=0)
    writer = ScriptWriter(fluent, ("train",), seed=1)
    scripts = [writer.write("train", i) for i in range(300)]
    assert not any(c.boundary is Boundary.BROKEN for s in scripts for c in s.chunks)
    assert not any("-" in c.text.split()[-1][-1:] for s in scripts for c in s.chunks)
    slow = ScriptWriter(TextSettings(pause_scale=3.0), ("train",), seed=1)
    usual = ScriptWriter(TextSettings(), ("train",), seed=1)

    def mean(w: ScriptWriter) -> float:
        holds = [c.hold_s for i in range(300) for c in w.write("train", i).chunks[:-1]]
        return sum(holds) / len(holds)

    assert mean(slow) > 1.5 * mean(usual)
    still = ScriptWriter(TextSettings(holds_per_turn=0.0, fillers=0.0), ("train",), seed=1)
    assert sum(len(still.write("train", i).chunks) == 1 for i in range(100)) > 80


def test_plain_pauses_anywhere() -> None:
    writer = ScriptWriter(TextSettings(plain=True), ("train", "test"), seed=1)
    scripts = [writer.write("train", i) for i in range(300)]
    holds = [chunk for script in scripts for chunk in script.chunks[:-1]]
    assert {chunk.boundary for chunk in holds} == {Boundary.PHRASE}
    assert 0.2 <= min(c.hold_s for c in holds) < 0.25
    assert 1.4 < max(c.hold_s for c in holds) <= 1.5
    assert {len(script.chunks) for script in scripts} == {1, 2, 3, 4}


def test_tags() -> None:
    scripts = [WRITER.write("train", i) for i in range(1500)]
    tags = frozenset[str]().union(*(script.tags for script in scripts))
    assert tags == {
        "digits", "spelling", "question", "short", "filler-hold", "list", "correction", "trailing",
    }  # fmt: skip
    for script in scripts:
        assert ("short" in script.tags) == (len(script.transcript.split()) <= 2)
        fillers = any(chunk.boundary is Boundary.FILLER for chunk in script.chunks)
        assert ("filler-hold" in script.tags) == fillers
        asks = script.chunks[-1].boundary is Boundary.QUESTION
        assert ("question" in script.tags) == asks
        if "trailing" in script.tags:
            assert not asks


def test_messages_are_what_the_agent_asked() -> None:
    messages = [WRITER.write("train", i).messages for i in range(200)]
    assert {m.role for each in messages for m in each} == {"assistant"}
    assert 0.4 < sum(map(bool, messages)) / len(messages) < 1.0


def test_fast_enough() -> None:
    start = time.process_time()
    for i in range(300):
        WRITER.write("train", i)
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"kinds": {"bokking": 1.0}}, "bokking"),
        ({"kinds": {"booking": -1.0}}, "kinds.booking"),
        ({"kinds": {"booking": 0.0}}, "kinds"),
        ({"trailing": 0.9}, "trailing"),
        ({"holds_per_turn": -1.0}, "holds_per_turn"),
        ({"pause_scale": 0.0}, "pause_scale"),
        ({"fillers": 9.0}, "fillers"),
    ],
)
def test_wrong_settings_are_named(content: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build(TextSettings, content, "text")


def test_wrong_splits_are_named() -> None:
    with pytest.raises(ConfigError, match="splits"):
        ScriptWriter(TextSettings(), (), 1)
    with pytest.raises(ConfigError, match="splits"):
        ScriptWriter(TextSettings(), ("a", "a"), 1)
    with pytest.raises(ConfigError, match="'nope'"):
        WRITER.write("nope", 0)
    with pytest.raises(ConfigError, match=r"gone\.json"):
        ScriptWriter(TextSettings(pauses="gone.json"), ("a",), 1)
