from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from turnkit.errors import ConfigError, RunError
from turnkit.metrics import POINTS, SCORE_GRID, Choice
from turnkit.train.callbacks import AtomicCheckpoints, ReplayValidation, StepRandomness
from turnkit.train.modules import HeadModule
from turnkit.train.validation import Validated, validated


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "last.ckpt"
    AtomicCheckpoints().save_checkpoint({"a": torch.arange(3), "b": {"c": [1, "x"]}}, path)
    found = AtomicCheckpoints().load_checkpoint(path)
    assert torch.equal(found["a"], torch.arange(3))
    assert found["b"] == {"c": [1, "x"]}
    assert [each.name for each in path.parent.iterdir()] == ["last.ckpt"]


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "evil.ckpt"
    touched = tmp_path / "touched"
    torch.save({"x": Evil(touched)}, path)
    # asking for it changes nothing
    with pytest.raises(RunError, match=r"evil.ckpt: cannot be read"):
        AtomicCheckpoints().load_checkpoint(path, weights_only=False)
    assert not touched.exists()


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpoints().save_checkpoint({"a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(RunError, match=r"last.ckpt: cannot be read"):
        AtomicCheckpoints().load_checkpoint(path)


def numbers(seed: int, epoch: int, batch: int, rank: int) -> tuple[float, float, float]:
    trainer: Any = SimpleNamespace(current_epoch=epoch, global_rank=rank)
    nothing: Any = None
    StepRandomness(seed).on_train_batch_start(trainer, nothing, nothing, batch)
    return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002


def test_random_numbers_are_those_of_the_step() -> None:
    assert numbers(0, 1, 2, 0) == numbers(0, 1, 2, 0)
    places = [(0, 1, 2, 0), (1, 1, 2, 0), (0, 2, 2, 0), (0, 1, 3, 0), (0, 1, 2, 1)]
    for kind in range(3):
        assert len({numbers(*place)[kind] for place in places}) == len(places)


class Scripted:
    """A replayer whose validations come out as told."""

    def __len__(self) -> int:
        return 1

    def trace(self, index: int) -> Any:
        raise AssertionError(index)


def choice(rate: float, reached: bool = True) -> Choice:
    return Choice(0, rate, 0.25, reached)


def found(fc300: float, fc600: float, reached: bool = True) -> Validated:
    rates = {"FC@300": choice(fc300, reached), "FC@600": choice(fc600)}
    return Validated({point.name: rates.get(point.name, choice(0.1)) for point in POINTS})


def run_validations(
    outcomes: list[Validated], monkeypatch: pytest.MonkeyPatch, patience: int = 2
) -> tuple[ReplayValidation, list[int], bool]:
    saved: list[int] = []
    epochs = iter(range(len(outcomes)))
    trainer: Any = SimpleNamespace(
        should_stop=False, is_global_zero=True, max_epochs=99, print=lambda *_: None
    )
    callback = ReplayValidation(
        Scripted(), 1, patience, lambda _: saved.append(trainer.current_epoch)
    )
    queue = iter(outcomes)
    monkeypatch.setattr(callback, "_summed", lambda *_: None)
    monkeypatch.setattr("turnkit.train.callbacks.validated", lambda _: next(queue))
    module = HeadModule.__new__(HeadModule)
    monkeypatch.setattr(HeadModule, "log", lambda *_, **__: None)
    for epoch in epochs:
        trainer.current_epoch = epoch
        callback.on_train_epoch_end(trainer, module)
        if trainer.should_stop:
            break
    return callback, saved, trainer.should_stop


def test_the_best_is_kept_ties_go_to_fc600_and_patience_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcomes = [found(0.5, 0.3), found(0.4, 0.3), found(0.4, 0.2), found(0.4, 0.2), found(0.6, 0.1)]
    callback, saved, stopped = run_validations(outcomes, monkeypatch)
    assert saved == [0, 1, 2]
    assert callback.best_epoch == 3
    assert callback.best["val/FC@600"] == 0.2
    assert stopped


def test_a_point_out_of_reach_is_worse_than_any(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = [found(0.1, 0.1, reached=False), found(0.9, 0.8)]
    _, saved, _ = run_validations(outcomes, monkeypatch)
    assert saved == [0, 1]


def test_patience_survives_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    before, _, _ = run_validations([found(0.4, 0.2), found(0.5, 0.2)], monkeypatch)
    after = ReplayValidation(Scripted(), 1, 2, lambda _: None)
    after.load_state_dict(before.state_dict())
    assert after.state_dict() == before.state_dict()
    assert after.best_epoch == 1
    trainer: Any = SimpleNamespace(should_stop=False)
    after.on_train_start(trainer, HeadModule.__new__(HeadModule))
    assert not trainer.should_stop
    after.load_state_dict({**before.state_dict(), "waited": 2})
    after.on_train_start(trainer, HeadModule.__new__(HeadModule))
    assert trainer.should_stop


def test_speakers_without_holds_cannot_validate() -> None:
    sums = np.zeros(2 * len(SCORE_GRID) + 2)
    sums[-1] = 3
    with pytest.raises(ConfigError, match=r"data\.validation: the speakers held out have no hold"):
        validated(sums)
