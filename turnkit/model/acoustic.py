"""The two trained parts, in torch: the streaming network and the head on an encoder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from turnkit.errors import ConfigError


@dataclass(frozen=True, slots=True)
class StreamingConfig:
    """Shape of the streaming network.

    Attributes
    ----------
    width : int
        Channels after the input layer; 16 .. 1024.
    hidden : int
        Units of a recurrent layer; 16 .. 1024.
    layers : int
        Recurrent layers; 1 .. 4.
    kernel : int
        Frames that the causal convolution sees; 1 .. 25.
    dropout : float
        0 .. 0.8.

    Raises
    ------
    ConfigError
        If a value lies outside its range.
    """

    width: int = 128
    hidden: int = 192
    layers: int = 2
    kernel: int = 5
    dropout: float = 0.2

    def __post_init__(self) -> None:
        limits = {"width": (16, 1024), "hidden": (16, 1024), "layers": (1, 4), "kernel": (1, 25)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"model.{name} {getattr(self, name)!r}: expected {low} .. {high}")
        if not 0.0 <= self.dropout <= 0.8:
            raise ConfigError(f"model.dropout {self.dropout!r}: expected 0 .. 0.8")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class NetworkState:
    """What the streaming network remembers.

    Attributes
    ----------
    recent : Tensor, shape (batch, width, kernel - 1)
        Inputs that the causal convolution still needs.
    hidden : Tensor, shape (layers, batch, hidden)
        Of the recurrent core.
    """

    recent: Tensor
    hidden: Tensor


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """Logits of a stretch of frames, each of shape (batch, frames) but `hidden`.

    Attributes
    ----------
    end_of_turn, speech, outlook : Tensor
        The turn is over; this frame is speech; the next silence will be an end of turn.
    hidden : Tensor, shape (batch, frames, hidden)
        For auxiliary targets in training.
    """

    end_of_turn: Tensor
    speech: Tensor
    outlook: Tensor
    hidden: Tensor


class StreamingNetwork(nn.Module):
    """Causal convolution and GRU over 20 ms frames; the state is carried explicitly.

    Parameters
    ----------
    config : StreamingConfig
    features : int
        Columns of a frame.
    """

    def __init__(self, config: StreamingConfig, features: int) -> None:
        super().__init__()
        self.config = config
        self.features = features
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.project = nn.Linear(features, config.width)
        self.convolve = nn.Conv1d(config.width, config.width, config.kernel)
        dropout = config.dropout if config.layers > 1 else 0.0
        self.core = nn.GRU(
            config.width, config.hidden, config.layers, batch_first=True, dropout=dropout
        )
        self.drop = nn.Dropout(config.dropout)
        self.read = nn.Linear(config.hidden, 3)

    def initial_state(self, batch: int = 1) -> NetworkState:
        """Give the state at the start of a signal."""
        config, like = self.config, self.project.weight
        return NetworkState(
            like.new_zeros(batch, config.width, config.kernel - 1),
            like.new_zeros(config.layers, batch, config.hidden),
        )

    def forward(self, frames: Tensor, state: NetworkState) -> tuple[NetworkOutput, NetworkState]:
        """Score frames.

        Parameters
        ----------
        frames : Tensor, shape (batch, t, features)
        state : NetworkState
            `initial_state` at the start of a signal, else what the last call returned.

        Returns
        -------
        output : NetworkOutput
        state : NetworkState
        """
        mean, scale = self.get_buffer("mean"), self.get_buffer("scale")
        projected = nn.functional.silu(self.project((frames - mean) * scale))
        padded = torch.cat([state.recent, projected.transpose(1, 2)], dim=2)
        context = nn.functional.silu(self.convolve(padded)).transpose(1, 2)
        hidden, last = self.core(self.drop(projected + context), state.hidden)
        read = self.read(self.drop(hidden))
        recent = padded[:, :, padded.shape[2] - (self.config.kernel - 1) :]
        output = NetworkOutput(read[..., 0], read[..., 1], read[..., 2], hidden)
        return output, NetworkState(recent, last)


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """Shape of the head on an encoder.

    Attributes
    ----------
    hidden : int
        Units of the one hidden layer; 0 for a linear head.
    dropout : float
        0 .. 0.9, on the input.

    Raises
    ------
    ConfigError
        If a value lies outside its range.
    """

    hidden: int = 0
    dropout: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.hidden <= 4096:
            raise ConfigError(f"model.hidden {self.hidden!r}: expected 0 .. 4096")
        if not 0.0 <= self.dropout <= 0.9:
            raise ConfigError(f"model.dropout {self.dropout!r}: expected 0 .. 0.9")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


class EncoderHead(nn.Module):
    """From the pooled vector of a speech encoder to an end-of-turn logit.

    Parameters
    ----------
    config : HeadConfig
    features : int
        Length of the vector that `turnkit.model.encoder.pool` gives.
    """

    def __init__(self, config: HeadConfig, features: int) -> None:
        super().__init__()
        self.config = config
        self.features = features
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.drop = nn.Dropout(config.dropout)
        if config.hidden:
            self.net = nn.Sequential(
                nn.Linear(features, config.hidden),
                nn.SiLU(),
                nn.Dropout(config.dropout),
                nn.Linear(config.hidden, 1),
            )
        else:
            self.net = nn.Sequential(nn.Linear(features, 1))

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits, shape (batch,), of vectors of shape (batch, features)."""
        scaled = (vectors - self.get_buffer("mean")) * self.get_buffer("scale")
        return self.net(self.drop(scaled)).squeeze(-1)  # type: ignore[no-any-return]
