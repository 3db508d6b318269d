"""Structured logs: JSON lines, or lines for people on a terminal.

Nothing is configured globally, so that a program that embeds the agent keeps its own
logging. Words of callers, keys, tokens and session descriptions never pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

HIDDEN = "[hidden]"
"""What stands where something was left out."""

LONGEST = 500
"""Characters of a value; more are cut off."""

_SECRET = frozenset(
    {
        "api_key", "apikey", "authorization", "candidate", "cookie", "credential", "ice_pwd",
        "key", "password", "sdp", "secret", "shared_secret", "token",
    }
)  # fmt: skip
_WORDS = frozenset(
    {
        "committed", "content", "final", "greeting", "messages", "partial", "prompt", "reply",
        "reply_text", "said", "spoken", "system", "tail", "text", "transcript", "utterance",
        "words",
    }
)  # fmt: skip
_PATTERNS = re.compile(
    r"\bsk-[\w-]{8,}|\bhf_\w{16,}|\bgh[pousr]_\w{20,}|\bBearer\s+\S+|\bAIza[\w-]{20,}"
    r"|\bturnkit\.token\.[\w.~-]+|a=(candidate|ice-pwd|ice-ufrag|fingerprint):[^\r\n]*"
    r"|v=0\r?\no=.*|://[^/\s:@]*:[^/\s@]+@",
    re.S | re.I,
)


class Redaction:
    """Processor that leaves out what a log must not hold.

    Parameters
    ----------
    log_words : bool
        Whether what was said may stay.
    secrets : sequence of str
        Values that never may, wherever they turn up.
    """

    def __init__(self, log_words: bool = False, secrets: tuple[str, ...] = ()) -> None:
        self._names = _SECRET if log_words else _SECRET | _WORDS
        self._secrets = tuple(secret for secret in secrets if secret)

    def __call__(
        self, _logger: Any, _method: str, entry: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Clean one entry."""
        return {name: self._clean(name, value) for name, value in entry.items()}

    def _clean(self, name: str, value: Any) -> Any:
        if name.lower().replace("-", "_") in self._names:
            return HIDDEN
        if isinstance(value, Mapping):
            return {self._text(str(key)): self._clean(str(key), v) for key, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean("", below) for below in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._text(str(value))

    def _text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = _PATTERNS.sub(HIDDEN, text)
        return text if len(text) <= LONGEST else text[:LONGEST] + " ..."


def open_log(
    stream: TextIO, *, log_words: bool = False, secrets: tuple[str, ...] = (), level: str = "info"
) -> structlog.typing.FilteringBoundLogger:
    """Log that writes to `stream`: for people if that is a terminal, as JSON if not.

    Parameters
    ----------
    stream : text stream
    log_words : bool
        Whether entries may hold what was said.
    secrets : sequence of str
        Values that never may be written.
    level : str
        Least level that is written.
    """
    last: Any = structlog.processors.JSONRenderer(allow_nan=False, default=str)
    if stream.isatty():
        last = structlog.dev.ConsoleRenderer(colors=True)
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            Redaction(log_words, secrets),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    ).bind()
    return logger


def where_raised(error: BaseException) -> str:
    """Where an error came from, without its message, which may hold what was said."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_qualname} {code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__} in {' < '.join(reversed(places[-4:]))}"
