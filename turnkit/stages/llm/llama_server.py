"""llama.cpp inside this process: slots whose prompts stay computed.

The server of `xllamacpp` runs one inference thread for all slots. Requests are made by
blocking calls, from threads of ours; it also insists on listening for HTTP, so it is
given a socket file in a private folder (no port), and a random key besides.
"""

from __future__ import annotations

import http.client
import importlib
import json
import secrets
import shutil
import socket
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnkit.errors import MissingDependencyError, StageError

STEP_TOKENS = 8
"""Prompt tokens computed at a time. Between two steps a request can be cancelled and the
other slots' tokens have their turn, so this bounds both waits (about 50 ms each). Larger
steps gain little on one CPU thread: a 255-token prompt of a 135M model ran at 137 tokens/s
with 8, at 142 with 128 and at 181 in one piece."""

HTTP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event of a running request.

    Attributes
    ----------
    text : str
        New text; empty while the prompt is computed.
    prompt_tokens, cached_tokens : int
        Length of the prompt, and how much of it was there already; 0 where not told.
    """

    text: str
    prompt_tokens: int = 0
    cached_tokens: int = 0


class LlamaServer:
    """A GGUF model, loaded; blocking, to be called from any thread.

    Parameters
    ----------
    model : Path
    slots : int
        Requests that are kept apart, each with its own cache.
    context : int
        Tokens per slot.
    threads : int
        CPU threads of the inference.

    Raises
    ------
    MissingDependencyError
        Without `xllamacpp`.
    StageError
        If the file is not a model that llama.cpp runs.
    """

    def __init__(self, model: Path, slots: int, context: int, threads: int) -> None:
        try:
            xllamacpp: Any = importlib.import_module("xllamacpp")  # has no types
        except ImportError as error:
            raise MissingDependencyError("xllamacpp", "agent", "the embedded LLM") from error
        self._key = secrets.token_hex(16)
        self._folder = Path(tempfile.mkdtemp(prefix="turnkit-llm-"))  # only we may enter
        self._socket = self._folder / "llm.sock"
        self._remove_folder = weakref.finalize(
            self, shutil.rmtree, self._folder, ignore_errors=True
        )
        params = _params(xllamacpp, model, slots, context, threads)
        params.api_keys = [self._key]
        if hasattr(socket, "AF_UNIX"):
            params.hostnames = [str(self._socket)]
        try:
            self._server: Any = xllamacpp.Server(params)
        except RuntimeError as error:
            self._remove_folder()
            raise StageError("llm", f"{model}: llama.cpp cannot load it as a model") from error

    def complete(self, request: Mapping[str, Any], on_chunk: Callable[[Chunk], bool]) -> None:
        """Run one completion request to its end.

        Parameters
        ----------
        request : mapping
            As llama.cpp's ``POST /completions`` takes it.
        on_chunk : callable
            Told each chunk; stops the request by returning True. Must not raise.

        Raises
        ------
        StageError
            If the server refused the request or failed.
        """
        problems: list[str] = []

        def receive(answer: dict[str, Any]) -> bool:
            if "error" in answer:
                problems.append(str(answer["error"].get("message", answer["error"])))
                return True
            return on_chunk(_chunk(answer))

        self._server.handle_completions(
            {**request, "stream": True, "return_progress": True}, receive
        )
        if problems:
            raise StageError("llm", problems[0])

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Prompt of a conversation by the model's own chat template."""
        return str(self._post("/apply-template", {"messages": list(messages)})["prompt"])

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, nothing added."""
        return len(self._post("/tokenize", {"content": text, "add_special": False})["tokens"])

    def busy_slots(self) -> list[int]:
        """Numbers of the slots that compute now."""
        slots = self._request("GET", "/slots", None)
        return [int(slot["id"]) for slot in slots if slot["is_processing"]]

    def close(self) -> None:
        """Free model, threads and socket; waits for what is running. May be called twice."""
        self._server = None
        self._remove_folder()

    def _post(self, path: str, body: Any) -> Any:
        return self._request("POST", path, json.dumps(body))

    def _request(self, method: str, path: str, body: str | None) -> Any:
        connection = self._connection()
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise StageError("llm", f"llama.cpp {path}: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise StageError("llm", f"llama.cpp {path}: {content}")
        return content

    def _connection(self) -> http.client.HTTPConnection:
        if hasattr(socket, "AF_UNIX"):
            return _SocketFileConnection(self._socket)
        address = str(self._server.listening_address).removeprefix("http://")
        return http.client.HTTPConnection(address, timeout=HTTP_TIMEOUT_S)


class _SocketFileConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=HTTP_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(HTTP_TIMEOUT_S)
        self.sock.connect(str(self._path))


def _params(xllamacpp: Any, model: Path, slots: int, context: int, threads: int) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_parallel = slots
    params.n_ctx = slots * context
    params.kv_unified = False
    params.n_batch = params.n_ubatch = max(STEP_TOKENS, slots)
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads = threads
        cpu.poll = 0  # threads that wait must not spin: the cores are shared
    # The one and only cache is that of the slots.
    params.cache_ram_mib = 0
    params.ctx_shift = False
    params.fit_params = False
    params.n_threads_http = 1
    params.ui = False
    params.enable_reasoning = 0
    params.verbosity = -1
    return params


def _chunk(answer: Mapping[str, Any]) -> Chunk:
    text = "".join(choice.get("text", "") for choice in answer.get("choices", ()))
    progress = answer.get("prompt_progress") or {}
    return Chunk(text, int(progress.get("total", 0)), int(progress.get("cache", 0)))
