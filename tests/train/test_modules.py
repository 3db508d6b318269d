from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import lightning
import numpy as np
import pytest
import torch

from turnkit.features import FeatureConfig
from turnkit.model.acoustic import HeadConfig, StreamingConfig
from turnkit.train.datasets import collate_frames
from turnkit.train.modules import HeadModule, StreamingModule, warm_cosine, weighted_bce
from turnkit.train.settings import AugmentSettings, LossSettings, OptimiserSettings
from turnkit.train.statistics import Scale
from turnkit.train.teacher import fit_head

FEATURES = FeatureConfig()
QUIET = AugmentSettings(mask_chance=0.0, frame_noise=0.0)
SHAPE = StreamingConfig(width=16, hidden=16, layers=1, dropout=0.0)


def unit(width: int) -> Scale:
    return Scale(np.zeros(width, dtype=np.float32), np.ones(width, dtype=np.float32))


def item(frames: int, seed: int, hidden: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    label = np.full(frames, np.nan, dtype=np.float32)
    label[frames // 2 :] = seed % 2
    made: dict[str, Any] = {
        "frames": rng.standard_normal((frames, FEATURES.width)).astype(np.float16),
        "label": label,
        "weight": (~np.isnan(label)).astype(np.float32),
        "teacher": np.where(np.isnan(label), np.nan, rng.standard_normal(frames)),
        "speech": np.isnan(label).astype(np.float32),
        "outlook": label[::-1].copy(),
        "valid": np.ones(frames, dtype=np.float32),
    }
    if hidden:
        made["hidden"] = rng.standard_normal((frames, hidden)).astype(np.float32)
        made["hidden"][:4] = np.nan
    return made


def streaming(loss: LossSettings, hidden: int = 0, augment: AugmentSettings = QUIET) -> Any:
    torch.manual_seed(0)
    module: Any = StreamingModule(
        SHAPE, FEATURES, loss, augment, OptimiserSettings(), unit(FEATURES.width), hidden
    )
    module.log = lambda *_, **__: None
    return module


def test_padding_changes_no_loss() -> None:
    module = streaming(LossSettings(), hidden=5)
    short, long = item(30, 1, 5), item(80, 2, 5)
    module.eval()
    together = module.training_step(collate_frames([short, long]), 0)
    parts = collate_frames([short, long])
    for name in ("frames", "label", "teacher", "speech", "outlook", "hidden"):
        # what is written into the padding of the short row must not matter
        values = parts[name][0, 30:]
        parts[name][0, 30:] = torch.where(torch.isnan(values), values, 7.0)
    again = module.training_step(parts, 0)
    assert together.item() == pytest.approx(again.item(), rel=1e-6)


@pytest.mark.parametrize("part", ["label", "distill", "speech", "hidden", "outlook"])
def test_each_part_of_the_loss_counts_by_its_weight(part: str) -> None:
    none = dict.fromkeys(("label", "distill", "speech", "hidden", "outlook"), 0.0)
    batch = collate_frames([item(40, 1, 5), item(50, 2, 5)])
    once = streaming(LossSettings(**{**none, part: 1.0}), 5).training_step(batch, 0)
    twice = streaming(LossSettings(**{**none, part: 2.0}), 5).training_step(batch, 0)
    assert once.item() > 0
    assert twice.item() == pytest.approx(2 * once.item(), rel=1e-5)


def test_the_label_loss_is_what_it_says() -> None:
    module = streaming(LossSettings(distill=0, speech=0, hidden=0, outlook=0, smoothing=0.1)).eval()
    given = item(20, 1)
    loss = module.training_step(collate_frames([given]), 0).item()
    frames = torch.from_numpy(given["frames"].astype(np.float32))[None]
    output, _ = module.network(frames, module.network.initial_state())
    p = torch.sigmoid(output.end_of_turn[0, 10:]).detach().double().numpy()
    wanted = 0.9
    expected = -np.mean(wanted * np.log(p) + (1 - wanted) * np.log(1 - p))
    assert loss == pytest.approx(expected, rel=1e-4)


def test_what_is_not_known_asks_nothing() -> None:
    logits = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    nothing = weighted_bce(logits, torch.full((3,), torch.nan), torch.ones(3))
    assert nothing.item() == 0.0
    nothing.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad.tolist() == [0.0, 0.0, 0.0]


def test_noise_and_masks_come_from_torchs_generator() -> None:
    module = streaming(LossSettings(), augment=AugmentSettings(mask_chance=1.0))
    frames = torch.ones(4, 6, FEATURES.width)
    torch.manual_seed(1)
    first = module._disturbed(frames)
    torch.manual_seed(1)
    assert torch.equal(first, module._disturbed(frames))
    masked = first == 0.0
    assert masked.any(dim=(1, 2)).all(), "each row lost bands to the mean, which is 0"
    # the same bands in both spectra of a frame, through the whole row, and no prosody
    mels = FEATURES.n_mels
    assert torch.equal(masked[:, :, :mels], masked[:, :, mels : 2 * mels])
    assert torch.equal(masked[:, :1].expand_as(masked), masked)
    assert not masked[:, :, 2 * mels :].any()
    assert int(masked[:, 0, :mels].sum(1).max()) <= AugmentSettings().mask_bands


def test_the_auxiliary_layer_is_no_part_of_the_detector() -> None:
    module = streaming(LossSettings(), hidden=5)
    assert not any("hidden" in name for name in module.product.state_dict())
    assert module.predict_hidden is not None


def test_the_learning_rate_rises_and_falls() -> None:
    share = warm_cosine(100, 0.1)
    rates = [share(step) for step in range(101)]
    assert rates[9] == pytest.approx(1.0)
    assert rates[0] == pytest.approx(0.1)
    assert rates[100] == pytest.approx(0.0, abs=1e-6)
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert warm_cosine(1, 0.0)(5) == pytest.approx(0.0, abs=1e-6)


def test_a_head_by_minibatches_comes_near_the_exact_one() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((400, 6)).astype(np.float32)
    ends = (vectors[:, 0] + rng.standard_normal(400) > 0).astype(np.float32)
    module: Any = HeadModule(
        HeadConfig(dropout=0.0),
        LossSettings(smoothing=0.0, l2=0.1),
        OptimiserSettings(),
        Scale(vectors.mean(0), 1 / vectors.std(0)),
    )
    module.log = lambda *_, **__: None
    optimiser = torch.optim.Adam(module.parameters(), 0.02)
    batch = {
        "vectors": torch.from_numpy(vectors),
        "label": torch.from_numpy(ends),
        "weight": torch.ones(400),
    }
    for _ in range(300):
        optimiser.zero_grad()
        module.training_step(batch, 0).backward()
        optimiser.step()
    exact = fit_head(vectors, ends > 0.5, np.ones(400, dtype=np.float32), 0.1)
    for name, value in exact.state_dict().items():
        torch.testing.assert_close(module.head.state_dict()[name], value, atol=5e-3, rtol=1e-3)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_the_average_follows_the_weights(average: float, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = HeadModule(
        HeadConfig(dropout=0.0), LossSettings(), OptimiserSettings(average=average), unit(3)
    )
    module._trainer = SimpleNamespace(global_step=0)
    monkeypatch.setattr(lightning.LightningModule, "trainer", property(lambda m: m._trainer))
    monkeypatch.setattr(lightning.LightningModule, "optimizer_step", lambda *_, **__: None)
    weight = module.head.net[0].weight
    expected = weight.detach().clone()
    for step in range(60):
        module._trainer.global_step = step
        weight.data += 1.0
        module.optimizer_step()
        decay = min(average, step / (step + 10))
        expected = decay * expected + (1 - decay) * weight.detach()
    kept = module.product.net[0].weight
    torch.testing.assert_close(kept, expected)
    assert not kept.requires_grad
    if average == 0.0:
        assert torch.equal(kept, weight)
