"""What the stand-in for a chat service answers: replies as a stream of events."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from turnkit.errors import StageError
from turnkit.stages.llm.fake import FakeLlm, FakeLlmSettings

MODEL = "stand-in"
"""Name of the model, whatever a request asks for."""


def chat_application(settings: FakeLlmSettings, counts: Counter[str]) -> Starlette:
    """Application with ``/v1/chat/completions``, as OpenAI has it, for streams.

    Parameters
    ----------
    settings : FakeLlmSettings
        Words, times and faults.
    counts : Counter
        Of ``requests``, ``finished``, ``cancelled`` and ``failed`` replies and ``tokens``;
        kept up to date.
    """
    model = FakeLlm(settings)

    async def chat(request: Request) -> Response:
        counts["requests"] += 1
        try:
            body = await request.json()
            said = [each["content"] for each in body["messages"] if each["role"] == "user"]
            longest = int(body.get("max_tokens") or 0)
        except ClientDisconnect:
            counts["cancelled"] += 1
            return Response()  # to nobody
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return _refusal(400, f"not a chat request: {type(error).__name__}")
        if not body.get("stream"):
            return _refusal(400, "this stand-in only streams: expected stream: true")
        return _Stream(model.answer(said[-1] if said else ""), longest, counts)

    return Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])


def _refusal(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message}}, status)


class _Stream(Response):
    """A reply as it comes, given up as soon as the client hangs up."""

    media_type = "text/event-stream"

    def __init__(
        self, pieces: AsyncGenerator[str, None], longest: int, counts: Counter[str]
    ) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._pieces, self._longest, self._counts = pieces, longest, counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_hung_up(receive))
        answering = asyncio.create_task(self._answer(scope, receive, send))
        try:
            await asyncio.wait({gone, answering}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                self._counts["cancelled"] += 1
                answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering
        finally:
            for task in (gone, answering):
                task.cancel()
            await asyncio.gather(gone, answering, return_exceptions=True)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def event(content: str) -> None:
            body = f"data: {content}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})

        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        sent, finish, ended = 0, "stop", False
        async with aclosing(self._pieces) as pieces:
            try:
                async for piece in pieces:
                    if not sent:
                        await send(start)
                    await event(_chunk({"role": "assistant", "content": piece}, None))
                    sent += 1
                    self._counts["tokens"] += 1
                    if sent == self._longest:
                        finish = "length"
                        break
                ended = True
            except StageError as error:
                if not sent:
                    self._counts["failed"] += 1
                    await _refusal(500, error.problem)(scope, receive, send)
                    return
                await event(json.dumps({"error": {"message": error.problem}}))
        self._counts["finished" if ended else "failed"] += 1
        if not sent:
            await send(start)
        if ended:
            await event(_chunk({}, finish))
            await event("[DONE]")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _chunk(delta: dict[str, str], finish: str | None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    kind = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
    return json.dumps({**kind, "choices": [choice]})
