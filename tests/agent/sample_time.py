"""An event loop whose clock is that of the audio: waiting takes no time.

Time stands still while anything computes and jumps to the next timer once nothing does.
What is scripted in milliseconds then happens at exactly that place of the audio, however
busy the machine is, and a call of ten seconds takes as long as its computing. What is
meant for a pool of threads is computed at once, unless threads are asked for: handing
over takes long on a busy machine.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

STUCK_S = 60.0
"""Seconds of real time without a timer or a result after which a test is given up."""


class _Clock(selectors.DefaultSelector):
    """Waits for threads and sockets only; a timer is reached by moving the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.working = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.working or timeout is None:
            ready = super().select(STUCK_S)
            if not ready:
                raise RuntimeError("nothing goes on any more, and no timer is set")
            return ready
        self.now += timeout
        return []


class SampleTimeLoop(asyncio.SelectorEventLoop):
    """See the module's text. Time begins at 0."""

    def __init__(self, *, threads: bool = False) -> None:
        self._clock = _Clock()
        self._threads = threads
        super().__init__(self._clock)

    def time(self) -> float:
        """Seconds of audio time."""
        return self._clock.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> Any:
        """Run something, in a thread if there are any; the clock waits for it."""
        clock = self._clock
        if not self._threads:
            return self._at_once(func, *args)

        def worked(_: asyncio.Future[T]) -> None:
            clock.working -= 1

        future = super().run_in_executor(executor, func, *args)
        clock.working += 1
        future.add_done_callback(worked)
        return future

    def _at_once(self, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def run(test: Callable[[], Coroutine[Any, Any, T]], *, threads: bool = False) -> T:
    """Run an asynchronous test in the time of its audio; no task or thread may be left over."""
    before = set(threading.enumerate())

    async def watched() -> T:
        result = await test()
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        return result

    with asyncio.Runner(loop_factory=lambda: SampleTimeLoop(threads=threads)) as runner:
        result = runner.run(watched())
    # A progress bar's watcher stays for good; a pool's threads may need a moment to end.
    begun = [each for each in threading.enumerate() if each not in before]
    ours = [each for each in begun if each.name != "tqdm_monitor"]
    for each in ours:
        each.join(5.0)
    left = [each.name for each in ours if each.is_alive()]
    assert not left, left
    return result
