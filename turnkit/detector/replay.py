"""Replay: offline is a loop over `push`."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from turnkit.audio import as_audio
from turnkit.detector.protocol import TurnDetector, TurnEvent, TurnInput
from turnkit.errors import InputError


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
    if chunk is not None and chunk < 1:
        raise InputError(f"chunk {chunk!r}: expected at least one sample")
    audio = as_audio(samples)
    waiting = sorted(inputs, key=lambda item: item.at)
    if waiting and waiting[-1].at > len(audio):
        late = waiting[-1]
        raise InputError(f"input {late.kind!r} at sample {late.at}: there are {len(audio)}")
    detector.reset()
    step = chunk or max(len(audio), 1)
    events: list[TurnEvent] = []
    for start in range(0, max(len(audio), 1), step):
        end = start + step
        due = [item for item in waiting if item.at <= end]
        waiting = waiting[len(due) :]
        events += detector.push(audio[start:end], due)
    return events
