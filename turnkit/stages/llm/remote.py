"""A language model behind an OpenAI-compatible ``/chat/completions``: tokens as they come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

from turnkit.errors import StageError
from turnkit.stages.llm.protocol import ChatMessage, Uncounted
from turnkit.stages.llm.relay import Relay
from turnkit.stages.llm.remote_settings import RemoteLlmSettings
from turnkit.stages.llm.sentences import SentenceLimit
from turnkit.stages.openai_client import harmless, open_client, read_key

_log = logging.getLogger(__name__)


class RemoteLlm:
    """A chat service as a `LanguageModel`; one client, with connections that are kept.

    Parameters
    ----------
    settings : RemoteLlmSettings

    Raises
    ------
    MissingDependencyError
        If the package ``openai`` is not installed.
    ConfigError
        If the environment variable of the key is not set.
    """

    def __init__(self, settings: RemoteLlmSettings) -> None:
        self.settings = settings
        self.simulated = settings.simulated
        self.host = urlsplit(settings.base_url).netloc
        self.name = f"{settings.model} at {self.host}"
        self._key = read_key("llm", settings.api_key_env)
        self._client = open_client(
            settings.base_url,
            self._key,
            timeout_s=max(settings.first_token_timeout_s, settings.token_timeout_s),
            connect_timeout_s=settings.connect_timeout_s,
            retries=settings.retries,
            purpose="a remote language model",
            keep_alive=settings.keep_alive,
            ca_file=settings.ca_file,
        )
        self._closed = False

    async def warm(self) -> None:
        """Ask for one token, which leaves a connection open and the model loaded.

        Raises
        ------
        StageError
            If the service does not answer and the settings say that it is required.
        """
        try:
            async with self._stream([ChatMessage("user", "Hello.")], max_tokens=1) as stream:
                async for _ in stream:
                    pass
        except StageError as error:
            if self.settings.required:
                raise
            _log.warning("%s (calls are taken all the same)", error)

    def open(self) -> RemoteConversation:
        """Begin a call's conversation; the service sets its own limits.

        Raises
        ------
        StageError
            If the engine was closed.
        """
        if self._closed:
            raise StageError("llm", "the engine was closed")
        return RemoteConversation(self)

    async def aclose(self) -> None:
        """Close the connections. May be called twice."""
        self._closed = True
        await self._client.close()

    async def answer(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[str, None]:
        """Ask, and give the text as it comes.

        Raises
        ------
        StageError
            If the service failed in any way.
        """
        limit = SentenceLimit(self.settings.sentences)
        finished = False
        async with self._stream(messages, self.settings.max_tokens) as stream:
            async for piece, ended in stream:
                finished = finished or ended
                if text := limit.pass_on(piece):
                    yield text
                if limit.reached:
                    return
        if not finished:
            raise StageError("llm", f"{self.host} broke off before the end of its answer")

    @asynccontextmanager
    async def _stream(
        self, messages: Sequence[ChatMessage], max_tokens: int
    ) -> AsyncIterator[AsyncGenerator[tuple[str, bool], None]]:
        """Pieces, and whether the answer ends with them; the response is closed after it."""
        chunks: Any = None
        try:
            with self._told_in_words():
                # The client retries, and its own limits hold for each try alone.
                async with asyncio.timeout(self.settings.first_token_timeout_s):
                    chunks = await self._client.chat.completions.create(
                        stream=True, **self._body(messages, max_tokens)
                    )
            async with aclosing(self._pieces(chunks)) as pieces:
                yield pieces
        finally:
            if chunks is not None:
                await chunks.close()

    async def _pieces(self, chunks: Any) -> AsyncGenerator[tuple[str, bool], None]:
        patience = self.settings.first_token_timeout_s
        while True:
            with self._told_in_words():
                async with asyncio.timeout(patience):
                    try:
                        chunk = await anext(chunks)
                    except StopAsyncIteration:
                        return
                choice = chunk.choices[0] if chunk.choices else None
                text = str((choice.delta.content if choice else None) or "")
                ended = bool(choice and choice.finish_reason)
            if text:
                patience = self.settings.token_timeout_s
            if text or ended:
                yield text, ended

    def _body(self, messages: Sequence[ChatMessage], max_tokens: int) -> dict[str, Any]:
        chosen = self.settings
        body: dict[str, Any] = {
            "model": chosen.model,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "extra_body": chosen.extra or None,
        }
        if max_tokens and chosen.max_tokens:
            body["max_tokens"] = max_tokens
        if chosen.temperature is not None:
            body["temperature"] = chosen.temperature
        return body

    @contextmanager
    def _told_in_words(self) -> Iterator[None]:
        """Turn whatever the client raises into a StageError, without the key in it."""
        import openai

        try:
            yield
        except (TimeoutError, openai.APITimeoutError) as error:
            raise StageError("llm", f"{self.host} did not answer in time") from error
        except openai.APIConnectionError as error:
            cause = harmless(str(error.__cause__ or error), self._key)
            raise StageError("llm", f"no connection to {self.host}: {cause}") from error
        except openai.APIStatusError as error:
            raise StageError("llm", self._status(error.status_code, error.message)) from error
        except openai.APIError as error:
            said = harmless(error.message, self._key)
            raise StageError("llm", f"{self.host} failed in its answer: {said}") from error
        except Exception as error:
            # What a stream of nonsense makes the client raise has no common base.
            raise StageError(
                "llm", f"{self.host} sent what is no answer ({type(error).__name__})"
            ) from error

    def _status(self, code: int, message: str) -> str:
        if code in (401, 403):
            variable = self.settings.api_key_env
            where = f"that {variable} holds" if variable else "that llm.api_key_env would name"
            return f"{self.host} answered {code}: it does not accept the key {where}"
        return f"{self.host} answered {code}: {harmless(message, self._key)}"


class RemoteConversation(Uncounted):
    """One call's conversation with a service, which keeps nothing; a `Conversation`."""

    def __init__(self, engine: RemoteLlm) -> None:
        self._engine = engine
        self._relay = Relay()

    def reply(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[str, None]:
        """Answer, piece by piece; see `Conversation.reply`."""
        return self._relay.pieces(self._engine.answer(messages))

    async def prefill(self, messages: Sequence[ChatMessage]) -> None:
        """Do nothing: what a service caches is its own affair."""

    async def aclose(self) -> None:
        """Stop replies under way. May be called twice."""
        await self._relay.aclose()
