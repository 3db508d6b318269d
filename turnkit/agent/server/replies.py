"""Responses: JSON with errors in words, and bodies that are read with a limit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from turnkit.agent.server_settings import ServiceLimits

WORDS = {
    400: "this request makes no sense",
    401: "a token is needed",
    403: "not allowed from here",
    404: "there is nothing here",
    405: "this cannot be done here",
    500: "something went wrong on the server",
}


class Refused(HTTPException):
    """A request that is answered with a status and a reason in words."""

    def response(self) -> JSONResponse:
        """Put it into a response."""
        # Starlette fills in a phrase of its own where no reason was given.
        plain = self.detail == HTTPStatus(self.status_code).phrase
        return failure(self.status_code, None if plain else self.detail, self.headers)


def failure(
    status: int, reason: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Error in words, as JSON."""
    text = reason or WORDS.get(status) or HTTPStatus(status).phrase.lower()
    return JSONResponse({"error": text}, status, headers)


async def read_json(request: Request, limits: ServiceLimits) -> dict[str, Any]:
    """JSON object of a request, read no further than the limit.

    Raises
    ------
    Refused
        415, 413, 408 or 400.
    """
    # What is left of a refused body is not read: the connection ends with the answer.
    ends = {"Connection": "close"}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "expected application/json", ends)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.request_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.body_bytes:
                    raise Refused(413, f"expected at most {limits.body_bytes} bytes", ends)
    except TimeoutError:
        raise Refused(408, "the request took too long to arrive", ends) from None
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "expected JSON") from None
    if not isinstance(content, dict):
        raise Refused(400, "expected a JSON object")
    return content
