"""Exported graphs behind the protocols that detectors run on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from turnkit.errors import BundleError
from turnkit.features import Frames
from turnkit.runtime import OnnxModel

State = tuple[NDArray[np.float32], ...]

FRAME_INPUTS = ("frames", "recent", "hidden")
FRAME_OUTPUTS = ("end_of_turn", "speech", "next_recent", "next_hidden")
HEAD_INPUT = "vector"
HEAD_OUTPUT = "probability"
"""Names in the exported graphs: the streaming state is an explicit input and output."""


class OnnxFrameModel:
    """A streaming graph as a `turnkit.detector.semantic.FrameModel`.

    Parameters
    ----------
    model : bytes

    Attributes
    ----------
    block, features : int
        Frames that it takes at a time, and their columns.

    Raises
    ------
    BundleError
        If the graph has other inputs or outputs.
    """

    def __init__(self, model: bytes) -> None:
        self._model = OnnxModel(model)
        if set(self._model.inputs) != set(FRAME_INPUTS) or self._model.outputs != [*FRAME_OUTPUTS]:
            raise BundleError(
                f"streaming graph {[*self._model.inputs]} -> {self._model.outputs}: "
                f"expected {[*FRAME_INPUTS]} -> {[*FRAME_OUTPUTS]}"
            )
        shapes = [[*self._model.inputs[name]] for name in FRAME_INPUTS]
        self._shapes = [[size for size in shape if isinstance(size, int)] for shape in shapes]
        if any(len(shape) != 3 for shape in self._shapes):
            raise BundleError(f"streaming graph with inputs of shapes {shapes}: expected [., ., .]")
        _, self.block, self.features = self._shapes[0]

    def initial_state(self) -> State:
        """Give the state at the start of a signal."""
        return tuple(np.zeros(shape, dtype=np.float32) for shape in self._shapes[1:])

    def step(
        self, frames: Frames, state: State
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], State]:
        """End-of-turn and speech probabilities, each of shape (t,), and the next state."""
        recent, hidden = state
        ended, speech, recent, hidden = self._model.run(
            frames=frames[None], recent=recent, hidden=hidden
        )
        return ended[0], speech[0], (recent, hidden)


class OnnxHead:
    """A head as a `turnkit.detector.semantic.VectorModel`.

    Parameters
    ----------
    model : bytes

    Raises
    ------
    BundleError
        If the graph has other inputs or outputs.
    """

    def __init__(self, model: bytes) -> None:
        self._model = OnnxModel(model)
        found = [*self._model.inputs], self._model.outputs
        if found != ([HEAD_INPUT], [HEAD_OUTPUT]):
            raise BundleError(
                f"graph of a head {found[0]} -> {found[1]}: "
                f"expected {[HEAD_INPUT]} -> {[HEAD_OUTPUT]}"
            )

    def probability(self, vector: NDArray[np.float32]) -> float:
        """End-of-turn probability of one vector."""
        (probability,) = self._model.run(**{HEAD_INPUT: vector[None]})
        return float(probability[0])
