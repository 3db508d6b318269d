"""Lightning modules: losses, and the optimiser with its schedule."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from turnkit.features import FeatureConfig
from turnkit.model.acoustic import (
    EncoderHead,
    HeadConfig,
    StreamingConfig,
    StreamingNetwork,
)
from turnkit.train.datasets import TensorBatch
from turnkit.train.recipe import Recipe
from turnkit.train.settings import AugmentSettings, LossSettings, OptimiserSettings
from turnkit.train.statistics import Scale


def weighted_bce(logits: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Mean cross-entropy with logits.

    Parameters
    ----------
    logits, wanted, weight : Tensor
        Of one shape; where `wanted` is NaN nothing is asked. 0 where nothing is asked at all.
    """
    asked = ~torch.isnan(wanted)
    weight = weight * asked
    losses = nn.functional.binary_cross_entropy_with_logits(
        logits, torch.nan_to_num(wanted), reduction="none"
    )
    return (losses * weight).sum() / weight.sum().clamp_min(1e-6)


def _set_scale(module: nn.Module, scale: Scale) -> None:
    module.get_buffer("mean").copy_(torch.from_numpy(scale.mean))
    module.get_buffer("scale").copy_(torch.from_numpy(scale.scale))


def warm_cosine(steps: int, warmup: float) -> Callable[[int], float]:
    """Share of the highest learning rate at each step: up along a line, down along a cosine."""
    rise = max(1, round(steps * warmup))

    def share(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        done = min(1.0, (step - rise) / max(1, steps - rise))
        return 0.5 + 0.5 * math.cos(math.pi * done)

    return share


class TrainedModule(lightning.LightningModule):
    """What both kinds of training share.

    Parameters
    ----------
    trained : nn.Module
        In the end, what is kept is an average over its weights.
    optimiser : OptimiserSettings

    Attributes
    ----------
    steps : int
        Of the optimiser, over the whole of training; set before it begins. (Lightning's
        own estimate opens the data loader, which then forgets where to go on.)
    """

    def __init__(self, trained: nn.Module, optimiser: OptimiserSettings) -> None:
        super().__init__()
        self.steps = 0
        self.trained = trained
        self.averaged = copy.deepcopy(trained).requires_grad_(False)
        self._optimiser = optimiser

    @property
    def product(self) -> nn.Module:
        """What is kept of it: the average of what was trained, which becomes the detector."""
        return self.averaged

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, and let the average follow: before any callback saves either."""
        super().optimizer_step(*args, **kwargs)
        # The first steps are forgotten sooner.
        step = self.trainer.global_step
        decay = min(self._optimiser.average, step / (step + 10.0))
        with torch.no_grad():
            pairs = zip(self.averaged.parameters(), self.trained.parameters(), strict=True)
            for average, weight in pairs:
                average.lerp_(weight, 1.0 - decay)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; the learning rate follows the steps that are to come in all."""
        settings = self._optimiser
        optimiser = torch.optim.AdamW(
            [each for each in self.parameters() if each.requires_grad],
            settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        steps = self.steps or 1
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_cosine(steps, settings.warmup))
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def report(self, parts: dict[str, Tensor], rows: int) -> None:
        """Log the parts of a loss."""
        for name, value in parts.items():
            self.log(
                f"train/{name}",
                value.detach(),
                prog_bar=name == "loss",
                batch_size=rows,
                on_step=True,
                on_epoch=False,
            )


class StreamingModule(TrainedModule):
    """Trains a streaming network on labels, on a teacher's scores and on its frames.

    Parameters
    ----------
    config : StreamingConfig
    features : FeatureConfig
    loss : LossSettings
    augment : AugmentSettings
    optimiser : OptimiserSettings
    scale : Scale
        Of the features.
    axes : int
        Columns of the encoder's frames to predict; 0 for none.
    """

    def __init__(
        self,
        config: StreamingConfig,
        features: FeatureConfig,
        loss: LossSettings,
        augment: AugmentSettings,
        optimiser: OptimiserSettings,
        scale: Scale,
        axes: int = 0,
    ) -> None:
        network = StreamingNetwork(config, features.width)
        _set_scale(network, scale)
        super().__init__(network, optimiser)
        # Not part of the detector: it goes when training is over.
        self.predict_hidden = nn.Linear(config.hidden, axes) if axes else None
        self._loss = loss
        self._augment = augment
        self._n_mels = features.n_mels

    @property
    def network(self) -> StreamingNetwork:
        """What is trained."""
        assert isinstance(self.trained, StreamingNetwork)
        return self.trained

    def training_step(self, batch: TensorBatch, _: int) -> Tensor:
        """Loss of a batch of whole rows."""
        frames = self._disturbed(batch["frames"])
        output, _state = self.network(frames, self.network.initial_state(len(frames)))
        loss, weight, valid = self._loss, batch["weight"], batch["valid"]
        smooth = batch["label"] * (1 - 2 * loss.smoothing) + loss.smoothing
        parts = {
            "label": weighted_bce(output.end_of_turn, smooth, weight),
            "distill": weighted_bce(output.end_of_turn, torch.sigmoid(batch["teacher"]), weight),
            "speech": weighted_bce(output.speech, batch["speech"], valid),
            "outlook": weighted_bce(output.outlook, batch["outlook"], valid),
        }
        if self.predict_hidden is not None:
            wanted = batch["hidden"]
            known = valid * ~torch.isnan(wanted[..., 0])
            guess = self.predict_hidden(self.network.drop(output.hidden))
            error = ((guess - torch.nan_to_num(wanted)) ** 2).mean(-1)
            parts["hidden"] = (error * known).sum() / known.sum().clamp_min(1e-6)
        total = torch.stack([getattr(loss, name) * part for name, part in parts.items()]).sum()
        self.report({"loss": total, **parts}, len(frames))
        return total

    def _disturbed(self, frames: Tensor) -> Tensor:
        """Noise on the features, and in some rows a few bands silenced to their mean."""
        settings = self._augment
        noisy = frames + settings.frame_noise * torch.randn_like(frames)
        rows, device = len(frames), frames.device
        chosen = torch.rand(rows, 1, device=device) < settings.mask_chance
        first = torch.randint(0, self._n_mels, (rows, 1), device=device)
        count = torch.randint(1, settings.mask_bands + 1, (rows, 1), device=device)
        band = torch.arange(self._n_mels, device=device)
        masked = chosen & (band >= first) & (band < first + count)
        rest = torch.zeros(
            rows, frames.shape[-1] - 2 * self._n_mels, dtype=torch.bool, device=device
        )
        # A frame holds two spectra: both lose the same bands.
        columns = torch.cat([masked, masked, rest], dim=1)[:, None]
        return torch.where(columns, self.network.get_buffer("mean"), noisy)


class HeadModule(TrainedModule):
    """Trains a head on vectors of an encoder.

    Parameters
    ----------
    config : HeadConfig
    loss : LossSettings
        `smoothing` and `l2`.
    optimiser : OptimiserSettings
    scale : Scale
        Of the vectors.
    """

    def __init__(
        self, config: HeadConfig, loss: LossSettings, optimiser: OptimiserSettings, scale: Scale
    ) -> None:
        head = EncoderHead(config, len(scale.mean))
        _set_scale(head, scale)
        if not config.hidden:
            # A linear head starts without an opinion.
            nn.init.zeros_(head.net.get_parameter("0.weight"))
        super().__init__(head, optimiser)
        self._loss = loss

    def _layers(self) -> list[nn.Linear]:
        return [layer for layer in self.head.net if isinstance(layer, nn.Linear)]

    @property
    def head(self) -> EncoderHead:
        """What is trained."""
        assert isinstance(self.trained, EncoderHead)
        return self.trained

    def training_step(self, batch: TensorBatch, _: int) -> Tensor:
        """Loss of the vectors of a batch of rows."""
        label, loss = batch["label"], self._loss
        smooth = label * (1 - 2 * loss.smoothing) + loss.smoothing
        asked = weighted_bce(self.head(batch["vectors"]), smooth, batch["weight"])
        squares = torch.stack([(layer.weight**2).sum() for layer in self._layers()]).sum()
        total = loss.label * asked + 0.5 * loss.l2 * squares
        self.report({"loss": total, "label": asked}, len(label))
        return total


def module_for(recipe: Recipe, scale: Scale, axes: int) -> TrainedModule:
    """Make the module that a recipe trains."""
    shape: Any = recipe.model_config()
    if isinstance(shape, StreamingConfig):
        return StreamingModule(
            shape,
            recipe.features,
            recipe.loss,
            recipe.augment,
            recipe.optimiser,
            scale,
            axes,
        )
    return HeadModule(shape, recipe.loss, recipe.optimiser, scale)
