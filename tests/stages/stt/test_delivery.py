from __future__ import annotations

import asyncio

import pytest

from tests.stages.stt.helpers import run
from turnkit.errors import StageError
from turnkit.stages.stt.delivery import Mailbox
from turnkit.stages.stt.protocol import Transcript


async def read(mailbox: Mailbox) -> list[int]:
    return [transcript.heard async for transcript in mailbox]


def test_unread_partials_give_way_to_newer_ones_and_answers_stay() -> None:
    async def scene() -> list[int]:
        mailbox = Mailbox()
        for heard, flushed in ((1, False), (2, False), (3, True), (4, True), (5, False)):
            mailbox.put(Transcript(0, heard, flushed=flushed))
        mailbox.put(Transcript(1, 6))
        mailbox.end(abandon=False)
        return await read(mailbox)

    assert run(scene()) == [3, 4, 5, 6]


def test_an_error_comes_after_what_is_there_and_once() -> None:
    async def scene() -> None:
        mailbox = Mailbox()
        mailbox.put(Transcript(0, 1))
        mailbox.fail(StageError("stt", "broken"))
        mailbox.fail(StageError("stt", "again"))
        mailbox.put(Transcript(0, 2))
        mailbox.end(abandon=False)
        assert (await anext(mailbox)).heard == 1
        with pytest.raises(StageError, match="broken"):
            await anext(mailbox)
        assert await read(mailbox) == []

    run(scene())


def test_a_waiting_reader_hears_of_the_end() -> None:
    async def scene() -> list[int]:
        mailbox = Mailbox()
        reader = asyncio.create_task(read(mailbox))
        await asyncio.sleep(0.01)
        mailbox.end()
        return await reader

    assert run(scene()) == []
