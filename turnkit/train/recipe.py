"""The recipe of a training run; `turnkit.train.recipe_file` reads it from YAML."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from turnkit.errors import ConfigError
from turnkit.features import FeatureConfig
from turnkit.model.checkpoint import ENCODER_HEAD, STREAMING
from turnkit.train.settings import (
    NO_ENCODER,
    AugmentSettings,
    CheckpointSettings,
    DataSettings,
    EncoderSettings,
    LossSettings,
    OptimiserSettings,
    ValidationSettings,
    between,
)
from turnkit.vad import Gate

Kind = Literal["streaming", "encoder-head"]
LoggerName = Literal["tensorboard", "wandb", "none"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what a training run does.

    Attributes
    ----------
    kind : {"streaming", "encoder-head"}
    name : str
        Of the run's folder and of the detector.
    seed : int
    start : str or None
        Folder of a finished run of the same shape, whose weights a streaming network starts
        from. A head is fitted anew within a minute.
    model : dict
        Fields of `StreamingConfig` or `HeadConfig`, by kind.
    block : int
        Frames that a streaming network is given at a time.
    trainer : dict
        Options of ``lightning.Trainer``, handed on as they are.
    threads : int
        Of torch, on a CPU. A second one brings little to a recurrent network of this
        size, and where others use the cores, threads that wait for each other bring much
        less than none.

    Other attributes are settings with a class of their own.
    """

    kind: Kind
    name: str
    seed: int = 0
    start: str | None = None
    data: DataSettings = field(default_factory=DataSettings)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    model: dict[str, Any] = field(default_factory=dict)
    gate: Gate = field(default_factory=Gate)
    block: int = 2
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    trainer: dict[str, Any] = field(default_factory=dict)
    threads: int = 1
    logger: LoggerName = "tensorboard"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", self.name):
            raise ConfigError(f"name {self.name!r}: expected letters, digits, '-', '_' and '.'")
        between("seed", self.seed, 0, 2**31 - 1)
        between("block", self.block, 1, 10)
        between("threads", self.threads, 1, 1024)
        if self.start is not None and self.kind != STREAMING:
            raise ConfigError(f"start {self.start}: expected with kind {STREAMING} only")
        wanted = self.kind == ENCODER_HEAD or self.loss.needs_encoder
        if wanted and self.encoder.source == NO_ENCODER:
            why = "an encoder head" if self.kind == ENCODER_HEAD else "loss.distill or loss.hidden"
            raise ConfigError(f"encoder.source {NO_ENCODER!r}: {why} needs an encoder")
        unlabelled = [i for i, entry in enumerate(self.data.corpora) if not entry.labels]
        if unlabelled and (self.kind != STREAMING or self.loss.distill == 0):
            raise ConfigError(
                f"data.corpora.{unlabelled[0]}.labels false: only a streaming network with "
                "loss.distill above 0 learns from audio without labels"
            )
        self.model_config()

    def model_config(self) -> Any:
        """Shape of the model: `StreamingConfig` or `HeadConfig`."""
        from turnkit.model.acoustic import HeadConfig, StreamingConfig
        from turnkit.settings_file import build

        shape = StreamingConfig if self.kind == STREAMING else HeadConfig
        return build(shape, self.model, "model")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for YAML and JSON."""
        return asdict(self)
