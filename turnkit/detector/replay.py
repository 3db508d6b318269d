"""Replay: offline is a loop over `push`."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from turnkit.audio import as_audio
from turnkit.detector.protocol import TurnDetector, TurnEvent, TurnInput


def replay(
    detector: TurnDetector,
    samples: ArrayLike,
    inputs: Sequence[TurnInput] = (),
    chunk: int | None = None,
) -> list[TurnEvent]:
    """Run a detector over a recording from the start.

    Parameters
    ----------
    detector : TurnDetector
        Is reset first.
    samples : array_like, shape (n,)
        At the detector's rate.
    inputs : sequence of TurnInput
        What else reached the detector, each with its sample; given with the chunk that
        reaches it.
    chunk : int, optional
        Samples of a push; everything at once by default.

    Returns
    -------
    list of TurnEvent

    Raises
    ------
    InputError
        If samples or inputs cannot be used.
    """
    detector.reset()
    audio = as_audio(samples)
    step = chunk or max(len(audio), 1)
    waiting = sorted(inputs, key=lambda item: item.at)
    events: list[TurnEvent] = []
    for start in range(0, max(len(audio), 1), step):
        end = start + step
        due = [item for item in waiting if item.at <= end]
        waiting = waiting[len(due) :]
        events += detector.push(audio[start:end], due)
    return events
