from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.stages.llm.running import answer, asking, listen, run, until
from turnkit.errors import ConfigError, StageError
from turnkit.stages.llm.fake import FakeLlm, FakeLlmSettings
from turnkit.stages.llm.opening import open_llm
from turnkit.stages.scripting import Fault


def fake(**settings: Any) -> FakeLlm:
    return FakeLlm(FakeLlmSettings(**{"first_token": "0", "per_token": "0", **settings}))


async def said(engine: FakeLlm, *texts: str) -> list[str]:
    conversation = engine.open()
    try:
        return [await answer(conversation, asking(text)) for text in texts]
    finally:
        await conversation.aclose()
        await engine.aclose()


def test_replies_in_turn_with_the_callers_words() -> None:
    engine = fake(replies=("You said {text}.", "Fine."))
    expected = ["You said one.", "Fine.", "You said three."]
    assert run(said(engine, "one", "two", "three")) == expected
    assert (engine.replies, engine.simulated, engine.open_conversations) == (3, True, 0)


def test_stated_times() -> None:
    async def main() -> tuple[list[str], list[float]]:
        loop = asyncio.get_running_loop()
        engine = fake(replies=("One two, three.",), first_token="80", per_token="40")
        conversation, started = engine.open(), loop.time()
        pieces, times = [], []
        async for piece in conversation.reply(asking("Go.")):
            pieces.append(piece)
            times.append(loop.time() - started)
        await conversation.aclose()
        return pieces, times

    pieces, times = run(main())
    assert pieces == ["One ", "two, ", "three."]
    assert [time >= due - 0.005 for time, due in zip(times, (0.08, 0.12, 0.16), strict=True)]
    assert times[0] >= 0.075
    assert times[2] >= 0.155


def test_slots() -> None:
    async def main() -> None:
        engine = fake(slots=1)
        for _ in range(50):
            conversation = engine.open()
            with pytest.raises(StageError, match="all 1 slots are taken"):
                engine.open()
            await conversation.aclose()
            await conversation.aclose()
        await engine.aclose()
        with pytest.raises(StageError, match="closed"):
            engine.open()

    run(main())


@pytest.mark.parametrize("after", [0, 2])
def test_dying(after: int) -> None:
    engine = fake(replies=("a b c d",), fault=Fault("die", call=2, after=after))
    assert run(said(engine, "x", "x", "x")) == ["a b c d", "a b "[: 2 * after], "a b c d"]


def test_an_error_after_some_words_and_ever_after() -> None:
    async def main() -> None:
        engine = fake(replies=("a b c",), fault=Fault("error", after=1, lasting=True))
        conversation = engine.open()
        for _ in range(2):
            heard: list[str] = []
            with pytest.raises(StageError, match="scripted error"):
                await listen(conversation, "x", heard)
            assert heard == ["a "]
        await conversation.aclose()

    run(main())


def test_garbage_is_repeatable() -> None:
    fault = Fault("garbage", after=1)
    first, second = (run(said(fake(replies=("a b",), fault=fault), "x"))[0] for _ in range(2))
    assert first == second
    assert first.startswith("a ")
    assert not first.isprintable()


@pytest.mark.parametrize("how", ["conversation", "generator", "task"])
def test_a_hang_ends_when_it_is_closed(how: str) -> None:
    async def main() -> FakeLlm:
        engine = fake(replies=("a b",), fault=Fault("hang", after=1))
        conversation = engine.open()
        heard: list[str] = []
        most = 1 if how == "generator" else 0
        task = asyncio.create_task(listen(conversation, "x", heard, most))
        await until(lambda: bool(heard))
        if how == "conversation":
            await conversation.aclose()
            with pytest.raises(StageError, match="the conversation was closed"):
                await task
            with pytest.raises(StageError, match="the conversation was closed"):
                await answer(conversation, asking("x"))
        elif how == "task":
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        else:
            await task
        await conversation.aclose()
        return engine

    engine = run(main())
    assert engine.given_up == 1
    assert engine.open_conversations == 0


def test_prefills_are_counted() -> None:
    async def main() -> int:
        engine = fake()
        conversation = engine.open()
        await conversation.prefill(asking("What"))
        await conversation.prefill(asking("What time"))
        await conversation.aclose()
        return engine.prefills

    assert run(main()) == 2


def test_delays_may_be_numbers() -> None:
    engine = open_llm(
        {"kind": "fake", "first_token": 12, "per_token": 1.5, "fault": {"kind": "die", "call": 3}}
    )
    assert isinstance(engine, FakeLlm)
    assert (engine.settings.first_token, engine.settings.per_token) == ("12", "1.5")
    assert engine.settings.fault == Fault("die", 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"first_token": "soon"}, "delay 'soon'"),
        ({"replies": []}, "replies"),
        ({"replies": "Yes."}, "expected a list"),
        ({"fault": {"kind": "explode"}}, r"llm\.fault\.kind 'explode': expected one of"),
        ({"slots": 0}, "slots 0"),
        ({"seed": -1}, "seed -1"),
        ({"reply": ["Yes."]}, r"llm\.reply: unknown; did you mean 'replies'"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_llm({"kind": "fake", **settings})
