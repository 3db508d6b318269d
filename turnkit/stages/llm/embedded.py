"""A small language model inside this process: llama.cpp, one slot a call.

Each call leases a slot, and with it a cache of keys and values. A request computes only
what its prompt does not share with the slot's last one: system prompt and history stay
computed, words of a speculation that was discarded are cut off again, and `prefill`
computes the caller's words while the caller still speaks.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from turnkit.errors import ConfigError, StageError, TurnkitError
from turnkit.stages.llm.gguf import DEFAULT_MODEL, find_gguf
from turnkit.stages.llm.llama_server import Chunk, LlamaServer
from turnkit.stages.llm.prompts import PromptWriter
from turnkit.stages.llm.protocol import ChatMessage, Uncounted
from turnkit.stages.llm.relay import CLOSED
from turnkit.stages.llm.request import Request
from turnkit.stages.llm.sentences import SentenceLimit

MAX_THREADS = 64
MIN_CONTEXT = 256


FREE_REPEATS = 3
"""Tokens in a row that a reply may share with what was said before."""


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """Settings of the embedded language model.

    Attributes
    ----------
    model : str
        ``smollm2``, the path of a GGUF file, or a hub id (then `file` names the GGUF file
        in it). Its own chat template is used.
    file : str
    context : int
        Tokens of a slot: prompt and reply. Of a conversation that is longer the oldest
        turns are dropped, never the system message.
    slots : int
        Calls that can be open at a time.
    threads : int
        CPU threads of the inference, shared by all slots.
    temperature : float
        0 always takes the likeliest token: same messages, same reply.
    seed : int
        Of the draws where the temperature is above 0.
    dont_repeat : float
        How much tokens are held down that would go on repeating what was said before,
        as small models like to; 0 lets them. llama.cpp's DRY sampler.
    max_tokens : int
        Longest reply.
    sentences : int
        Sentences after which a reply stops; 0 for no limit.
    """

    model: str = DEFAULT_MODEL
    file: str = ""
    context: int = 1024
    slots: int = 4
    threads: int = 1
    temperature: float = 0.0
    seed: int = 0
    dont_repeat: float = 0.8
    max_tokens: int = 48
    sentences: int = 1

    def __post_init__(self) -> None:
        checks = {
            "model": (bool(self.model), "a name or path"),
            "context": (self.context >= MIN_CONTEXT, f"at least {MIN_CONTEXT}"),
            "slots": (1 <= self.slots <= MAX_THREADS, f"1 .. {MAX_THREADS}"),
            "threads": (1 <= self.threads <= MAX_THREADS, f"1 .. {MAX_THREADS}"),
            "temperature": (0 <= self.temperature <= 2, "0 .. 2"),
            "dont_repeat": (0 <= self.dont_repeat <= 5, "0 .. 5"),
            "seed": (0 <= self.seed < 2**32, "0 .. 4294967295"),
            "max_tokens": (1 <= self.max_tokens <= self.context // 2, "1 .. half the context"),
            "sentences": (self.sentences >= 0, "0 or more"),
        }
        for name, (good, expected) in checks.items():
            if not good:
                raise ConfigError(f"llm.{name} {getattr(self, name)!r}: expected {expected}")


class EmbeddedLlm:
    """SmolLM2, or another GGUF model; a `LanguageModel`.

    The model is loaded by `warm`, or by the first request.

    Parameters
    ----------
    settings : EmbeddedSettings
    """

    simulated = False

    def __init__(self, settings: EmbeddedSettings) -> None:
        self.settings = settings
        self.name = f"{settings.file or Path(settings.model).name} (llama.cpp)"
        self._free = list(range(settings.slots))
        self._open: set[EmbeddedConversation] = set()
        self._loading = threading.Lock()
        self._loaded: tuple[LlamaServer, PromptWriter] | None = None
        # A thread for each slot's request; a request that takes over waits in the queue
        # for the few milliseconds in which the one before gives up.
        self._pool = ThreadPoolExecutor(settings.slots, thread_name_prefix="turnkit-llm")
        self._closed = False

    async def warm(self) -> None:
        """Load the model and run it once.

        Raises
        ------
        StageError, ConfigError, MissingAssetError, MissingDependencyError
            If it cannot work; the message of a missing model says how to get it.
        """
        await asyncio.wrap_future(self.submit(self._load))
        conversation = self.open()
        try:
            async for _ in conversation.reply([ChatMessage("user", "Hello.")]):
                pass
        finally:
            await conversation.aclose()

    def open(self) -> EmbeddedConversation:
        """Take a slot.

        Raises
        ------
        StageError
            If all are taken, or the engine was closed.
        """
        if self._closed:
            raise StageError("llm", "the engine was closed")
        if not self._free:
            raise StageError("llm", f"all {self.settings.slots} slots are taken")
        conversation = EmbeddedConversation(self, self._free.pop(0))
        self._open.add(conversation)
        return conversation

    async def aclose(self) -> None:
        """Close all conversations, then free model and threads. May be called twice."""
        if self._closed:
            return
        self._closed = True
        for conversation in list(self._open):
            await conversation.aclose()
        await asyncio.wrap_future(self._pool.submit(self._unload))
        self._pool.shutdown(wait=True)  # its threads are idle

    def busy_slots(self) -> list[int]:
        """Numbers of the slots that compute now; blocking, for tests and reports."""
        return self._load()[0].busy_slots()

    def submit(self, work: Callable[[], None] | Callable[[], object]) -> Future[object]:
        """Run something in one of the engine's threads."""
        return self._pool.submit(work)

    def run(self, request: Request) -> None:
        """Carry a request out, in a thread of the engine's."""
        try:
            if not request.stopped:
                self._carry_out(request)
        except TurnkitError as error:
            request.deliver(error)
        except Exception as error:
            request.deliver(StageError("llm", f"{type(error).__name__}: {error}"))
        else:
            request.deliver(None)

    def _carry_out(self, request: Request) -> None:
        server, writer = self._load()
        write = writer.beginning if request.ahead else writer.whole
        limit = SentenceLimit(self.settings.sentences)

        def on_chunk(chunk: Chunk) -> bool:
            text = limit.pass_on(chunk.text)
            if text and not request.ahead and not request.stopped:
                request.deliver(text)
            return request.stopped or limit.reached

        server.complete(
            {
                "prompt": write(request.messages),
                "id_slot": request.slot,
                "cache_prompt": True,
                "n_predict": 0 if request.ahead else self.settings.max_tokens,
                "temperature": self.settings.temperature,
                "seed": self.settings.seed,
                "dry_multiplier": self.settings.dont_repeat,
                "dry_allowed_length": FREE_REPEATS,
                "dry_penalty_last_n": self.settings.context,
            },
            on_chunk,
        )

    def _load(self) -> tuple[LlamaServer, PromptWriter]:
        with self._loading:
            if self._loaded is None:
                wanted = self.settings
                path = find_gguf(wanted.model, wanted.file)
                server = LlamaServer(path, wanted.slots, wanted.context, wanted.threads)
                writer = PromptWriter(server, wanted.context - wanted.max_tokens)
                self._loaded = server, writer
            return self._loaded

    def _unload(self) -> None:
        with self._loading:
            if self._loaded is not None:
                self._loaded[0].close()
                self._loaded = None

    def give_back(self, conversation: EmbeddedConversation) -> None:
        """Take a closed conversation's slot back."""
        if conversation in self._open:
            self._open.remove(conversation)
            self._free.append(conversation.slot)


class EmbeddedConversation(Uncounted):
    """One call's slot; a `Conversation`.

    The newest request has it: `reply` and `prefill` stop what ran before them.

    Parameters
    ----------
    engine : EmbeddedLlm
    slot : int
    """

    def __init__(self, engine: EmbeddedLlm, slot: int) -> None:
        self.slot = slot
        self._engine = engine
        self._newest: Request | None = None
        self._running: set[Future[object]] = set()
        self._closed = False

    async def reply(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[str, None]:
        """Answer, piece by piece; see `Conversation.reply`.

        Raises
        ------
        StageError
            If the model failed, the last message is too long for the context, a newer
            request took over, or the conversation was closed.
        """
        request = self._begin(messages, ahead=False)
        try:
            async for piece in request.pieces():
                yield piece
        finally:
            request.stop()

    async def prefill(self, messages: Sequence[ChatMessage]) -> None:
        """Compute ahead for a user message that may go on; see `Conversation.prefill`."""
        if self._closed:
            return
        request = self._begin(messages, ahead=True)
        try:
            async for _ in request.pieces():
                pass
        except TurnkitError:
            pass  # `reply` will tell
        finally:
            request.stop()

    async def aclose(self) -> None:
        """Stop, wait for the model to let go, and give the slot back."""
        self._closed = True
        if self._newest is not None:
            self._newest.stop()
        try:
            while self._running:
                await asyncio.wait([asyncio.wrap_future(each) for each in self._running])
                self._running = {each for each in self._running if not each.done()}
        finally:
            self._engine.give_back(self)

    def _begin(self, messages: Sequence[ChatMessage], ahead: bool) -> Request:
        if self._closed:
            raise StageError("llm", CLOSED)
        if self._newest is not None:
            self._newest.stop("a newer request took over")
        request = Request(tuple(messages), self.slot, ahead)
        self._newest = request
        self._running = {each for each in self._running if not each.done()}
        self._running.add(self._engine.submit(lambda: self._engine.run(request)))
        return request
