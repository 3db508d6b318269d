"""In scripted time: delays happen exactly where they are written."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.agent.sample_time import run as run_in_sample_time
from tests.stages.llm.running import answer, asking
from turnkit.errors import ConfigError, StageError
from turnkit.stages.llm.hedged import HedgedConversation, HedgedLlm, HedgedSettings, Prices
from turnkit.stages.llm.opening import fetch_llm, open_llm
from turnkit.stages.llm.protocol import ChatMessage, Uncounted

DELAY_MS = 100
FIRST = ("Ja ", "und ", "nein.")
SECOND = ("Yes ", "and ", "no.")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    async def test() -> Any:
        return await work

    return run_in_sample_time(test)


class Scripted(Uncounted):
    """An engine and its conversation in one: pieces at stated times, then perhaps an error."""

    simulated = True

    def __init__(
        self, name: str, pieces: Sequence[tuple[int, str]], error_ms: int | None = None
    ) -> None:
        self.name = name
        self.pieces = pieces
        self.error_ms = error_ms
        self.closing_ms = 0
        self.asked_at: list[float] = []
        self.ended_at: list[float] = []
        self.prefilled = 0
        self.closed = 0

    async def warm(self) -> None:
        """Be ready."""

    def open(self) -> Scripted:
        return self

    async def reply(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[str, None]:
        del messages
        loop = asyncio.get_running_loop()
        begin = loop.time()
        self.asked_at.append(begin)
        try:
            for at_ms, piece in self.pieces:
                await asyncio.sleep(begin + at_ms / 1000 - loop.time())
                yield piece
            if self.error_ms is not None:
                await asyncio.sleep(begin + self.error_ms / 1000 - loop.time())
                raise StageError("llm", f"{self.name} failed")
        finally:
            await asyncio.sleep(self.closing_ms / 1000)
            self.ended_at.append(loop.time())

    async def prefill(self, messages: Sequence[ChatMessage]) -> None:
        del messages
        self.prefilled += 1

    async def aclose(self) -> None:
        self.closed += 1


def every(words: Sequence[str], first_ms: int, each_ms: int = 10) -> list[tuple[int, str]]:
    return [(first_ms + i * each_ms, word) for i, word in enumerate(words)]


def hedged(first: Scripted, second: Scripted | None, **settings: Any) -> HedgedConversation:
    content = HedgedSettings({}, None, DELAY_MS, **settings)
    return HedgedLlm(content, first, second).open()


async def heard(conversation: HedgedConversation) -> tuple[list[str], float, str]:
    """Pieces, seconds until the first of them, and the error at the end."""
    loop = asyncio.get_running_loop()
    begin, came, pieces, error = loop.time(), 0.0, [], ""
    try:
        async for piece in conversation.reply(asking("Hi")):
            came = came or loop.time() - begin
            pieces.append(piece)
    except StageError as problem:
        error = problem.problem
    await conversation.aclose()
    return pieces, came, error


def test_a_quick_first_answers_alone() -> None:
    first, second = Scripted("A", every(FIRST, 90)), Scripted("B", every(SECOND, 10))
    conversation = hedged(first, second)
    pieces, came, error = run(heard(conversation))
    assert (pieces, error) == (list(FIRST), "")
    assert came == pytest.approx(0.090)
    assert second.asked_at == []
    assert conversation.take_counts() == {}
    assert (first.closed, second.closed) == (1, 1)


def test_the_second_wins_and_the_first_ends_at_once() -> None:
    first, second = Scripted("A", every(FIRST, 1000)), Scripted("B", every(SECOND, 50))
    conversation = hedged(first, second)
    pieces, came, error = run(heard(conversation))
    assert (pieces, error) == (list(SECOND), "")
    assert came == pytest.approx(0.150)
    assert first.ended_at == [pytest.approx(0.150)]
    assert conversation.take_counts() == {"hedges": 1, "hedge_wins": 1}
    assert conversation.take_counts() == {}


def test_the_first_wins_after_all() -> None:
    first = Scripted("A", every(FIRST, 130))
    second = Scripted("B", [(5, " "), (10, "\n"), *every(SECOND, 50)])
    conversation = hedged(first, second)
    pieces, came, _ = run(heard(conversation))
    assert pieces == list(FIRST)
    assert came == pytest.approx(0.130)
    assert second.ended_at == [pytest.approx(0.130)]
    assert conversation.take_counts() == {"hedges": 1, "hedge_tokens": 2}


def test_a_tie_is_won_by_one() -> None:
    first, second = Scripted("A", every(FIRST, 150, 0)), Scripted("B", every(SECOND, 50, 0))
    pieces, _, _ = run(heard(hedged(first, second)))
    assert pieces in (list(FIRST), list(SECOND))


def test_pieces_without_a_word_do_not_win_and_are_not_lost() -> None:
    first = Scripted("A", [(10, "\n"), (20, " - "), *every(FIRST, 1000)])
    second = Scripted("B", [(0, "\n"), *every(SECOND, 30)])
    conversation = hedged(first, second)
    pieces, _, _ = run(heard(conversation))
    assert pieces == ["\n", *SECOND]
    assert conversation.take_counts() == {"hedges": 1, "hedge_wins": 1, "hedge_tokens": 2}


@pytest.mark.parametrize("error_ms", [40, None])
def test_a_first_without_a_word_is_rescued_at_once(
    error_ms: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Scripted("A", [(40, "...")], error_ms), Scripted("B", every(SECOND, 50))
    conversation = hedged(first, second)
    pieces, came, error = run(heard(conversation))
    assert (pieces, error) == (list(SECOND), "")
    assert came == pytest.approx(0.090)
    assert conversation.take_counts() == {"hedge_rescues": 1, "hedge_tokens": 1}
    assert ("A failed" in caplog.text) == (error_ms is not None)


@pytest.mark.parametrize("first_ms", [40, 140, 300])
def test_both_failing_is_the_failure_of_the_first(first_ms: int) -> None:
    first, second = Scripted("A", [], first_ms), Scripted("B", [], 50)
    conversation = hedged(first, second)
    pieces, _, error = run(heard(conversation))
    assert (pieces, error) == ([], "A failed")
    rescued = first_ms < DELAY_MS
    assert conversation.take_counts() == {"hedge_rescues" if rescued else "hedges": 1}


def test_neither_with_a_word_is_what_the_first_gave() -> None:
    first, second = Scripted("A", [(10, "...")]), Scripted("B", [(10, "?"), (11, "?")], 20)
    conversation = hedged(first, second)
    assert run(heard(conversation))[::2] == (["..."], "")
    assert conversation.take_counts() == {"hedge_rescues": 1, "hedge_tokens": 2}


def test_a_winner_that_fails_fails() -> None:
    first = Scripted("A", every(FIRST, 130)[:2], 200)
    conversation = hedged(first, Scripted("B", every(SECOND, 50)))
    assert run(heard(conversation))[::2] == (["Ja ", "und "], "A failed")


def test_without_a_second_slot_a_call_is_not_hedged(caplog: pytest.LogCaptureFixture) -> None:
    engine = open_llm({"kind": "hedged", "delay_ms": 1, "first": {"kind": "fake", "slots": 3}})

    async def main() -> None:
        calls = [engine.open(), engine.open()]
        assert await answer(calls[0], asking("Hi")) == "You said: Hi."
        assert await answer(calls[1], asking("Ho")) == "You said: Ho."
        assert calls[0].take_counts()["hedges"] == 1
        assert calls[1].take_counts() == {}
        with pytest.raises(StageError, match="all 3 slots"):
            engine.open()
        for call in calls:
            await call.aclose()
        await engine.open().aclose()
        await engine.aclose()

    run(main())
    assert "a call is not hedged: llm: all 3 slots are taken" in caplog.text


@pytest.mark.parametrize("how", ["generator", "task", "conversation"])
@pytest.mark.parametrize("after_ms", [0, 50, 120, 160])
def test_giving_up_stops_both(how: str, after_ms: int) -> None:
    first, second = Scripted("A", every(FIRST, 150, 1000)), Scripted("B", every(SECOND, 60))
    first.closing_ms = second.closing_ms = 3
    conversation = hedged(first, second)

    async def listen() -> None:
        async with aclosing(conversation.reply(asking("Hi"))) as pieces:
            async for _ in pieces:
                if how == "generator":
                    return

    async def main() -> float:
        task = asyncio.create_task(listen())
        await asyncio.sleep(after_ms / 1000)
        if how == "task":
            task.cancel()
        if how == "conversation":
            await conversation.aclose()
        await asyncio.wait([task])
        ended = asyncio.get_running_loop().time()
        await conversation.aclose()
        return ended

    ended = run(main())
    assert len(first.ended_at) == len(first.asked_at)
    assert len(second.ended_at) == len(second.asked_at)
    assert all(at <= ended for at in first.ended_at + second.ended_at)
    if how == "generator":
        assert ended == pytest.approx(max(0.153, after_ms / 1000))
    elif after_ms:  # at once it never began
        assert ended == pytest.approx((after_ms + 3) / 1000)
    hedges = len(second.asked_at)
    assert hedges == (how == "generator" or after_ms > DELAY_MS)
    assert conversation.take_counts() == ({"hedges": 1} if hedges else {})


def test_closing_is_not_disturbed_by_more_closing() -> None:
    first = Scripted("A", every(FIRST, 10, 1000))
    first.closing_ms = 30
    conversation = hedged(first, Scripted("B", []))

    async def main() -> None:
        task = asyncio.create_task(answer(conversation, asking("Hi")))
        await asyncio.sleep(0.050)
        closing = asyncio.create_task(conversation.aclose())
        await asyncio.sleep(0.010)
        task.cancel()
        await asyncio.wait([task, closing])

    run(main())
    assert first.ended_at == [pytest.approx(0.080)]


def test_reading_ahead_is_for_each_engine_once() -> None:
    first, second = Scripted("A", []), Scripted("B", [])
    run(hedged(first, second).prefill(asking("Hi")))
    assert (first.prefilled, second.prefilled) == (1, 1)
    run(hedged(first, None).prefill(asking("Hi")))
    assert (first.prefilled, second.prefilled) == (2, 1)


def test_cost_of_what_was_given_up() -> None:
    prices = {"first": {"input": 0.5, "output": 2.0}, "second": {"input": 8.0, "output": 40.0}}
    content = {"kind": "hedged", "first": {"kind": "fake"}, "second": {"kind": "fake"}}
    engine = open_llm({**content, "prices": prices})
    assert isinstance(engine, HedgedLlm)
    chosen = engine.settings.prices
    assert isinstance(chosen, Prices)
    characters = sum(len(message.content) for message in asking("Hi"))

    first = Scripted("A", every(FIRST, 130))
    conversation = hedged(first, Scripted("B", [(10, " ")]), prices=chosen)
    run(heard(conversation))
    # The second ended by itself without a word: asked, and paid for.
    cost = conversation.take_counts()["hedge_cost_microunits"]
    assert cost == int(characters / 4 * 8.0 + 40.0)

    conversation = hedged(Scripted("A", [(10, "?")]), Scripted("B", every(SECOND, 1)))
    run(heard(conversation))
    assert "hedge_cost_microunits" not in conversation.take_counts()

    first = Scripted("A", [], 20)
    conversation = hedged(first, Scripted("B", every(SECOND, 1)), prices=chosen)
    run(heard(conversation))
    assert "hedge_cost_microunits" not in conversation.take_counts()


ENTRANTS = st.tuples(
    st.integers(0, 250),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["a ", "b", " ", "\n", "..."]))),
    st.booleans(),
)


def scripted(name: str, drawn: tuple[int, list[tuple[int, str]], bool]) -> Scripted:
    at, script, fails = drawn
    pieces = []
    for gap, text in script:
        at += gap
        pieces.append((at, text.replace("a", name).replace("b", name.lower())))
    return Scripted(name, pieces, at + 7 if fails else None)


def first_word_ms(engine: Scripted) -> float:
    return next((at for at, text in engine.pieces if text.strip(" .\n")), float("inf"))


@given(a=ENTRANTS, b=ENTRANTS)
def test_every_ordering(
    a: tuple[int, list[tuple[int, str]], bool], b: tuple[int, list[tuple[int, str]], bool]
) -> None:
    first, second = scripted("A", a), scripted("B", b)
    assume(first_word_ms(first) != DELAY_MS)  # a tie, which may go either way
    conversation = hedged(first, second)
    pieces, _, error = run(heard(conversation))
    counts = Counter(conversation.take_counts())

    # The oracle: when the second is asked, and who is sooner with a word.
    over = first.error_ms if first.error_ms is not None else (first.pieces or [(0, "")])[-1][0]
    mine, theirs = first_word_ms(first), first_word_ms(second)
    asked = min(DELAY_MS, over) if mine == float("inf") else DELAY_MS
    second_is_asked = bool(second.asked_at)
    # In the same instant either may be first, and the other ends a step of the loop later.
    assume(not {asked + at for at, _ in second.pieces} & {at for at, _ in first.pieces})
    if asked != over:  # another tie
        assert second_is_asked == (mine > DELAY_MS)
        assert counts["hedge_rescues"] == (mine == float("inf") and over < DELAY_MS)
        assert counts["hedges"] == (mine > DELAY_MS and counts["hedge_rescues"] == 0)
    assert counts["hedges"] + counts["hedge_rescues"] == second_is_asked
    if second_is_asked:
        assert second.asked_at == [pytest.approx(asked / 1000)]

    answered = first
    if second_is_asked and asked + theirs != mine and asked + theirs < mine:
        answered = second
    if second_is_asked and asked + theirs == mine and mine != float("inf"):
        answered = second if any("b" in text.lower() for text in pieces) else first
    assert pieces == [text for _, text in answered.pieces]
    assert error == ("" if answered.error_ms is None else f"{answered.name} failed")
    assert counts["hedge_wins"] == (answered is second and counts["hedges"])
    loser = first if answered is second else second
    assert counts["hedge_tokens"] <= len(loser.pieces)
    # Nothing is left running.
    assert len(first.ended_at) == 1
    assert len(second.ended_at) == second_is_asked


def test_fakes_with_a_tail_are_hedged_as_written() -> None:
    fake = {"kind": "fake", "first_token": "tail:50:0.1:0.3:2000", "per_token": 5}
    engine = open_llm({"kind": "hedged", "delay_ms": 100, "first": fake})
    assert engine.simulated
    assert engine.name == "hedged (scripted replies, scripted replies after 100 ms)"

    async def main() -> tuple[list[float], Counter[str]]:
        await engine.warm()
        conversation = engine.open()
        loop, times = asyncio.get_running_loop(), []
        for _ in range(100):
            begin = loop.time()
            async with aclosing(conversation.reply(asking("Hi"))) as pieces:
                await anext(pieces)
                times.append(loop.time() - begin)
        counts = Counter(conversation.take_counts())
        await conversation.aclose()
        await engine.aclose()
        return times, counts

    times, counts = run(main())
    slow = sum(seconds > 1 for seconds in times)
    assert 15 < counts["hedges"] < 50  # 30 % of the first ones are slow
    assert slow < counts["hedges"] / 2  # and 9 % of both together
    assert counts["hedge_wins"] == counts["hedges"] - slow


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"llm\.first: missing"),
        ({"first": {"kind": "fake"}, "delay_ms": -1}, r"llm\.delay_ms -1"),
        ({"first": {"kind": "fake"}, "delay_ms": "p95"}, r"llm\.delay_ms 'p95'"),
        ({"first": {"kind": "none"}}, r"llm\.first\.kind 'none'"),
        ({"first": {"kind": "fake", "slots": 0}}, r"llm\.first\.slots 0"),
        ({"first": {"kind": "fake", "slot": 1}}, r"llm\.first\.slot: unknown"),
        ({"first": {"kind": "hedged"}}, r"llm\.first\.kind 'hedged'"),
        ({"first": {"kind": "fake"}, "second": {"kind": "openai"}}, r"llm\.second\.base_url"),
        (
            {"first": {"kind": "fake"}, "second": {"kind": "fake"}, "prices": {"first": {}}},
            r"llm\.prices\.first\.input: missing",
        ),
        (
            {
                "first": {"kind": "fake"},
                "second": {"kind": "fake"},
                "prices": {"first": {"input": 1, "output": 1}},
            },
            r"llm\.prices\.second: missing",
        ),
        (
            {"first": {"kind": "fake"}, "prices": {"first": {"input": -1, "output": 1}}},
            r"llm\.prices\.first\.input -1",
        ),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_llm({"kind": "hedged", **settings})


def test_a_missing_key_is_named_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    remote = {"kind": "openai", "base_url": "http://x/v1", "model": "m"}
    with pytest.raises(ConfigError, match=r"^llm\.second\.api_key_env: .*NO_SUCH_KEY"):
        open_llm(
            {
                "kind": "hedged",
                "first": {"kind": "fake"},
                "second": {**remote, "api_key_env": "NO_SUCH_KEY"},
            }
        )


def test_files_of_both_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(
        "turnkit.stages.llm.opening.fetch_gguf", lambda model, file, _: fetched.append(model + file)
    )
    fetch_llm({"kind": "hedged", "first": {"kind": "fake"}}, lambda _: None)
    assert fetched == []
    gguf = {"kind": "gguf", "model": "owner/model", "file": "x.gguf"}
    fetch_llm({"kind": "hedged", "first": {"kind": "fake"}, "second": gguf}, lambda _: None)
    assert fetched == ["owner/modelx.gguf"]
