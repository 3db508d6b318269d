"""ONNX Runtime behind one small class: one thread, named inputs, readable errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from turnkit.errors import BundleError


class OnnxModel:
    """An ONNX graph on one CPU thread.

    Parameters
    ----------
    source : bytes or path
        The model.
    threads : int
        Threads inside an operator. One by default: a detector shares its machine.

    Raises
    ------
    BundleError
        If it is not a graph that ONNX Runtime can run.
    """

    def __init__(self, source: bytes | Path, threads: int = 1) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Idle threads that spin take the cores from the rest of an agent.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        label = "ONNX bytes" if isinstance(source, bytes) else source.name
        try:
            self._session = ort.InferenceSession(
                source if isinstance(source, bytes) else str(source),
                options,
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:  # its exceptions have no common public base
            raise BundleError(
                f"{label}: not a graph that ONNX Runtime can run ({error})"
            ) from error
        self.inputs: dict[str, Sequence[int | str]] = {
            node.name: node.shape for node in self._session.get_inputs()
        }
        self.outputs: list[str] = [node.name for node in self._session.get_outputs()]

    def run(self, **inputs: NDArray[np.generic]) -> list[NDArray[np.float32]]:
        """Run the graph; outputs in the graph's own order."""
        return self._session.run(None, inputs)  # type: ignore[no-any-return]

    def get(self, names: Sequence[str], **inputs: NDArray[np.generic]) -> list[NDArray[np.float32]]:
        """Run the graph for some of its outputs."""
        return self._session.run(list(names), inputs)  # type: ignore[no-any-return]
