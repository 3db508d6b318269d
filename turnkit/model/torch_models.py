"""Torch modules behind the protocols that detectors run on."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from turnkit.features import Frames
from turnkit.model.acoustic import EncoderHead, NetworkState, StreamingNetwork

State = tuple[NDArray[np.float32], ...]


class TorchFrameModel:
    """A streaming network as a `turnkit.detector.semantic.FrameModel`.

    Parameters
    ----------
    network : StreamingNetwork
        Is used as it is: put it into evaluation mode first.
    """

    def __init__(self, network: StreamingNetwork) -> None:
        self._network = network

    def initial_state(self) -> State:
        """Give the state at the start of a signal."""
        state = self._network.initial_state()
        return state.recent.cpu().numpy(), state.hidden.cpu().numpy()

    @torch.inference_mode()
    def step(
        self, frames: Frames, state: State
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], State]:
        """End-of-turn and speech probabilities, each of shape (t,), and the next state."""
        device = self._network.read.weight.device
        recent, hidden = (torch.from_numpy(part).to(device) for part in state)
        inputs = torch.from_numpy(frames)[None].to(device)
        output, after = self._network(inputs, NetworkState(recent, hidden))
        ended = torch.sigmoid(output.end_of_turn)[0].cpu().numpy()
        speech = torch.sigmoid(output.speech)[0].cpu().numpy()
        return ended, speech, (after.recent.cpu().numpy(), after.hidden.cpu().numpy())


class TorchHead:
    """A head as a `turnkit.detector.semantic.VectorModel`.

    Parameters
    ----------
    head : EncoderHead
        Is used as it is: put it into evaluation mode first.
    """

    def __init__(self, head: EncoderHead) -> None:
        self._head = head

    @torch.inference_mode()
    def probability(self, vector: NDArray[np.float32]) -> float:
        """End-of-turn probability of one vector."""
        device = next(self._head.parameters()).device
        logit = self._head(torch.from_numpy(vector)[None].to(device))
        return float(torch.sigmoid(logit)[0])
