"""The graph of a VITS voice, whole or in two parts: run, stopped, decoded bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from turnkit.errors import ConfigError, MissingDependencyError, StageError
from turnkit.stages.tts.graph import split_at, with_output

if TYPE_CHECKING:
    import onnxruntime as ort

HOP = 256
"""Samples in one frame of the durations that the graph computes."""

FIRST_FRAMES, GROWTH = 24, 2.5
"""Frames of the first part of a streamed text (0.28 s at 22 kHz), and how much longer each
further one is: early enough, and long enough to play while the next is computed."""

OnRun = Callable[[Callable[[], None]], None]
"""Takes the function that stops a running graph."""

DURATIONS = "/Ceil_output_0"
"""Tensor inside an exported VITS graph: frames given to each input symbol."""

CONTEXT = 16
"""Frames on each side of one that its samples depend on: 12 measured for Piper's "medium"
decoder, 14 by the sizes of its kernels for "high"; with fewer, joints click."""

_DECODER = "/dec/conv_pre/Conv"
"""First node of the decoder of an exported VITS graph."""

Feeds = dict[str, NDArray[Any]]
"""Inputs of a graph by name."""


@dataclass(frozen=True)
class VoiceGraph:
    """An opened voice, whole or in two parts.

    Attributes
    ----------
    first : onnxruntime.InferenceSession
        The whole graph, which gives samples; or all in front of `second`, which gives
        frames of the sound to be. Then, if `timed`, the frames of each input symbol.
    second : onnxruntime.InferenceSession, optional
        Frames to samples. It is convolutional: what a frame becomes depends on
        `CONTEXT` frames on each side and no others.
    timed : bool
    """

    first: ort.InferenceSession
    second: ort.InferenceSession | None
    timed: bool


def open_graph(voice: Path, threads: int, *, in_parts: bool = False) -> VoiceGraph:
    """Open the graph, with the durations among its outputs where it has them.

    Parameters
    ----------
    voice : Path
    threads : int
    in_parts : bool
        Part it in front of the decoder, where it has one of the usual name.

    Raises
    ------
    MissingDependencyError
        If ONNX Runtime is not installed.
    ConfigError
        If the file is not an ONNX graph.
    """
    graph = voice.read_bytes()
    timed = DURATIONS.encode() in graph
    try:
        parts = split_at(graph, _DECODER, [DURATIONS] if timed else []) if in_parts else None
    except (ValueError, IndexError, StopIteration):  # not even a protocol buffer
        parts = None
    if parts is None:
        whole = with_output(graph, DURATIONS) if timed else graph
        return VoiceGraph(_session(voice, whole, threads), None, timed)
    first, second, _ = parts
    return VoiceGraph(_session(voice, first, threads), _session(voice, second, threads), timed)


def _session(voice: Path, graph: bytes, threads: int) -> ort.InferenceSession:
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise MissingDependencyError("onnxruntime", "tts", "speaking") from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # failures are raised
    # Idle threads that spin take the cores from the rest of an agent.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own classes have no common root of their own
        raise ConfigError(f"{voice}: not an ONNX graph that can be run: {error}") from error


class RunningGraph:
    """One text's way through a voice's graph.

    Parameters
    ----------
    graph : VoiceGraph
    on_run : callable, optional
        Is given the function that stops it, from any thread, within a few milliseconds.
    """

    def __init__(self, graph: VoiceGraph, on_run: OnRun | None = None) -> None:
        import onnxruntime as ort

        self._graph = graph
        self._options = ort.RunOptions()
        if on_run is not None:
            on_run(self._stop)

    def first(self, feeds: Feeds) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Run the first part.

        Returns
        -------
        made : ndarray of float32
            What `second` takes.
        durations : ndarray of float32, or None
            Frames of each input symbol, if the graph is timed.

        Raises
        ------
        StageError
            If the graph failed or was stopped; of `second`, too.
        """
        made, *durations = self._run(self._graph.first, feeds)
        return made, durations[0] if durations else None

    def second(
        self, made: NDArray[np.float32], feeds: Feeds, *, at_once: bool
    ) -> Iterator[NDArray[np.float32]]:
        """Decode bit by bit, or `at_once`; give the samples, shape (n,), in [-1, 1]."""
        if self._graph.second is None:
            yield _samples(made)
            return
        names = [node.name for node in self._graph.second.get_inputs()]
        total = made.shape[-1]
        for start, end in [(0, total)] if at_once else part_edges(total):
            begin = max(start - CONTEXT, 0)
            frames = made[..., begin : end + CONTEXT]
            (wave,) = self._run(
                self._graph.second, {name: feeds.get(name, frames) for name in names}
            )
            yield _samples(wave)[(start - begin) * HOP : (end - begin) * HOP]

    def _stop(self) -> None:
        self._options.terminate = True  # looked at before each node of a graph

    def _run(self, session: ort.InferenceSession, feeds: Feeds) -> list[NDArray[np.float32]]:
        try:
            return [np.asarray(output) for output in session.run(None, feeds, self._options)]
        except Exception as error:  # ONNX Runtime's own classes have no common root
            raise StageError("tts", f"the voice failed: {error}") from error


def part_edges(frames: int) -> list[tuple[int, int]]:
    """Part so many frames, at least 1, into pieces that grow; no short one is left over."""
    edges = []
    start, size = 0, FIRST_FRAMES
    while start < frames:
        end = start + size if frames - start > 2 * size else frames
        edges.append((start, end))
        start, size = end, int(size * GROWTH)
    return edges


def _samples(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(wave.reshape(-1), -1.0, 1.0).astype(np.float32)
