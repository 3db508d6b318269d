"""Whole runs on a corpus of twelve hums: what they leave, and that they can be taken up."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from turnkit.cli.main import main
from turnkit.corpus.reader import load_corpus
from turnkit.corpus.split import check_leakage
from turnkit.detector.opening import SemanticDetector, open_detector
from turnkit.errors import ConfigError, CorpusError, RunError
from turnkit.evaluate.fitting import fit_policies
from turnkit.evaluate.leakage import speaker_hash
from turnkit.evaluate.tracing import trace_turn
from turnkit.train.callbacks import KeepState
from turnkit.train.lightning_trainer import trainer_options
from turnkit.train.preparation import prepare
from turnkit.train.recipe import Recipe
from turnkit.train.recipe_file import read_recipe
from turnkit.train.run_folder import read_run
from turnkit.train.speakers import open_corpora
from turnkit.train.training import Trained, train

WriteRecipe = Callable[..., Path]
Row = dict[str, Any]

KILL_AFTER = Path(__file__).with_name("kill_after.py")


def run(recipe: Recipe, folder: Path, **options: bool) -> Trained:
    trained = train(recipe, folder, **options)
    assert trained is not None
    return trained


def killed(saves: int, arguments: Sequence[str]) -> str:
    """Run ``turnkit`` in a process of its own until it is killed after some checkpoints."""
    done = subprocess.run(
        [sys.executable, str(KILL_AFTER), str(saves), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout


def same_weights(a: Path, b: Path) -> bool:
    one, other = (load_file(folder / "weights.safetensors") for folder in (a, b))
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def optimiser_state(folder: Path) -> dict[int, dict[str, torch.Tensor]]:
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return state["optimizer_states"][0]["state"]  # type: ignore[no-any-return]


def test_a_run_leaves_a_detector_with_policies(
    tiny_recipe: WriteRecipe, tiny_corpus: Path, tmp_path: Path
) -> None:
    recipe = read_recipe(tiny_recipe(logger="tensorboard"))
    trained = run(recipe, tmp_path / "run")
    assert set(trained.policies) == {"FC@300", "FC@600", "L@5%", "L@10%"}
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["parameters"] > 1000
    assert metrics["training_s"] > 0
    assert list((tmp_path / "run" / "logs").glob("events.*"))

    detector = open_detector(str(tmp_path / "run"), 8_000)
    assert isinstance(detector, SemanticDetector)
    corpora = open_corpora(recipe)
    validation = corpora[0].validation
    assert validation is not None
    check_leakage(corpora[0].training, validation)
    assert detector.training_speakers == {speaker_hash(s) for s in corpora[0].training.speakers}
    assert detector.policy_speakers == {speaker_hash(s) for s in validation.speakers}
    assert len(validation) + len(corpora[0].training) == len(load_corpus(str(tiny_corpus)))
    # the policies are those that evaluation would fit on the same speakers
    refitted = fit_policies([trace_turn(detector, turn) for turn in validation])
    assert {name: each.policy for name, each in refitted.items()} == detector.frozen_policies
    for name, each in refitted.items():
        assert each.rate == pytest.approx(trained.policies[name].rate)


def test_the_same_seed_gives_the_same_weights(tiny_recipe: WriteRecipe, tmp_path: Path) -> None:
    path = tiny_recipe()
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run(read_recipe(path, [f"seed={seed}", "trainer.max_epochs=1"]), tmp_path / name)
    assert same_weights(tmp_path / "a", tmp_path / "b")
    assert not same_weights(tmp_path / "a", tmp_path / "c")


@pytest.mark.parametrize("saves", [3, 5])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    saves: int, tiny_recipe: WriteRecipe, tmp_path: Path
) -> None:
    # 9 rows, twice each, in batches of 4: five steps an epoch. The third checkpoint is
    # inside the first epoch, the fifth at its end.
    path = tiny_recipe()
    output = killed(saves, ["train", str(path), f"out={tmp_path / 'killed'}"])
    assert f"killed at step {saves}" in output
    assert not (tmp_path / "killed" / "metrics.json").exists()
    resumed = run(read_run(tmp_path / "killed", None, ()), tmp_path / "killed", resume=True)
    whole = run(read_recipe(path), tmp_path / "whole")
    assert same_weights(tmp_path / "whole", tmp_path / "killed")
    for key in ("steps", "epochs", "best_epoch", "validation", "policies"):
        assert resumed.metrics[key] == whole.metrics[key]
    before, after = (optimiser_state(tmp_path / folder) for folder in ("whole", "killed"))
    for number, values in before.items():
        for name, value in values.items():
            assert torch.equal(value, after[number][name]), name


def test_a_run_that_is_done_is_not_trained_again(tiny_recipe: WriteRecipe, tmp_path: Path) -> None:
    recipe = read_recipe(tiny_recipe())
    first = run(recipe, tmp_path / "run")
    before = load_file(tmp_path / "run" / "weights.safetensors")
    again = run(recipe, tmp_path / "run", resume=True)
    assert again.metrics["steps"] == first.metrics["steps"]
    assert again.metrics["policies"] == first.metrics["policies"]
    for name, value in load_file(tmp_path / "run" / "weights.safetensors").items():
        assert torch.equal(value, before[name])


def test_a_folder_that_holds_a_run_is_not_written_over(
    tiny_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = read_recipe(tiny_recipe(), ["trainer.max_epochs=1"])
    run(recipe, tmp_path / "run")
    (tmp_path / "run" / "mine.txt").write_text("mine")
    # a folder that holds no run keeps what it has, whatever its name
    (tmp_path / "other" / "logs").mkdir(parents=True)
    (tmp_path / "other" / "logs" / "mine.txt").write_text("mine")
    run(recipe, tmp_path / "other", overwrite=True)
    assert (tmp_path / "other" / "logs" / "mine.txt").exists()
    with pytest.raises(RunError, match=r"holds a run already.*--resume.*--overwrite"):
        run(recipe, tmp_path / "run")
    run(recipe, tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "mine.txt").read_text() == "mine"


def test_a_run_is_resumed_as_it_was_started(
    tiny_recipe: WriteRecipe, tmp_path: Path, tiny_corpus: Path
) -> None:
    path = tiny_recipe()
    recipe = read_recipe(path)
    folder = tmp_path / "run"
    with pytest.raises(RunError, match="holds no run to resume"):
        read_run(folder, None, ())
    run(recipe, folder)
    for override in ("loss.speech=0.1", "seed=1", "trainer.max_epochs=9", "model.width=32"):
        with pytest.raises(ConfigError, match="a run is resumed as it was started"):
            read_run(folder, None, [override])
        with pytest.raises(ConfigError, match="a run is resumed as it was started"):
            read_run(folder, str(path), [override])
    allowed = ["trainer.enable_progress_bar=true", "checkpoint.every_n_steps=7", "data.workers=2"]
    assert read_run(folder, None, allowed).checkpoint.every_n_steps == 7
    # another corpus in the same place is another corpus
    few = tmp_path / "few.parquet"
    rows: Any = load_corpus(str(tiny_corpus)).subset(range(8)).rows
    rows.to_parquet(few)
    moved = read_run(folder, None, [f"corpus={few}"])
    with pytest.raises(RunError, match="its corpora changed since it was started"):
        run(moved, folder, resume=True)


TAUGHT = {
    "loss": {"distill": 1.0, "hidden": 1.0},
    "augment": {"copies": 2},
}


def test_a_network_learns_from_an_encoder_also_without_labels(
    tiny_recipe: WriteRecipe,
    tiny_corpus: Path,
    tiny_encoder: Path,
    tiny_rows: Callable[[int, str], list[Row]],
    write_parquet: Callable[[Path, Sequence[Row]], Path],
    tmp_path: Path,
) -> None:
    other = write_parquet(tmp_path / "nameless.parquet", tiny_rows(6, "u"))
    path = tiny_recipe(
        **TAUGHT,
        encoder={"source": str(tiny_encoder), "times_s": [0.2, 0.4], "window_s": 2},
        data={
            "corpora": [
                {"source": str(tiny_corpus)},
                {"source": str(other), "labels": False, "weight": 0.5},
            ],
            "workers": 1,
        },
    )
    recipe = read_recipe(path)
    prepared = prepare(recipe, open_corpora(recipe))
    rows: Any = prepared.dataset
    batch = rows[len(rows) - 1]
    assert np.isnan(batch["label"]).all()
    assert not np.isnan(batch["teacher"]).all()
    assert batch["weight"].max() == 0.5
    assert batch["hidden"].shape == (len(batch["frames"]), 8)
    trained = run(recipe, tmp_path / "run")
    model = json.loads((tmp_path / "run" / "model.json").read_text())
    assert model["taught_by"]["window_s"] == 2.0
    assert [each["labels"] for each in model["data"]] == [True, False]
    assert trained.metrics["steps"] > 0


def test_a_head_is_trained_on_an_encoder(
    tiny_recipe: WriteRecipe, tiny_encoder: Path, tmp_path: Path
) -> None:
    path = tiny_recipe(
        kind="encoder-head",
        model={"hidden": 8, "dropout": 0.1},
        loss={},
        encoder={"source": str(tiny_encoder), "times_s": [0.2, 0.4], "window_s": 2},
    )
    recipe = read_recipe(path)
    trained = run(recipe, tmp_path / "run")
    assert trained.metrics["validation"]["val/FC@300"] <= 1.0
    detector = open_detector(str(tmp_path / "run"), 8_000)
    validation = open_corpora(recipe)[0].validation
    assert validation is not None
    refitted = fit_policies([trace_turn(detector, turn) for turn in validation])
    for name, each in refitted.items():
        assert each.policy == trained.policies[name].policy


def test_speakers_held_out_by_one_corpus_train_nothing_in_another(
    tiny_recipe: WriteRecipe, tiny_corpus: Path
) -> None:
    entries: list[Row] = [
        {"source": str(tiny_corpus)},
        {"source": str(tiny_corpus), "validation": 0},
    ]
    recipe = read_recipe(tiny_recipe(data={"corpora": entries}))
    first, second = open_corpora(recipe)
    assert first.validation is not None
    assert not {*first.validation.speakers} & {*second.training.speakers}
    assert {*second.training.speakers} == {*first.training.speakers}
    only = [{"source": str(tiny_corpus), "max_turns": 6}, {**entries[1], "max_turns": 2}]
    opened = open_corpora(read_recipe(tiny_recipe(data={"corpora": only}), ["seed=1"]))
    assert len(opened[0].training) + len(opened[0].validation or ()) == 6


def test_each_corpus_may_have_its_own_number_of_copies(
    tiny_recipe: WriteRecipe, tiny_corpus: Path
) -> None:
    entries: list[Row] = [
        {"source": str(tiny_corpus)},
        {"source": str(tiny_corpus), "validation": 0, "copies": 1},
    ]
    recipe = read_recipe(tiny_recipe(data={"corpora": entries}, augment={"copies": 3}))
    opened = open_corpora(recipe)
    rows = [len(each.training) for each in opened]
    assert len(prepare(recipe, opened).dataset) == 3 * rows[0] + rows[1]


def test_a_corpus_that_was_not_named_says_how(tiny_recipe: WriteRecipe, tmp_path: Path) -> None:
    recipe = read_recipe(tiny_recipe(), ["corpus="])
    with pytest.raises(ConfigError, match=r"data.corpora.0.source: not set: give it as corpus="):
        train(recipe, tmp_path / "run")
    with pytest.raises(CorpusError, match="nowhere"):
        train(read_recipe(tiny_recipe(), ["corpus=nowhere.parquet"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_options_go_to_lightning_as_they_are(tiny_recipe: WriteRecipe) -> None:
    recipe = read_recipe(tiny_recipe(), ["trainer.devices=2", "trainer.strategy=ddp"])
    options = trainer_options(recipe)
    assert (options["devices"], options["strategy"]) == (2, "ddp")
    assert options["gradient_clip_val"] == 1.0
    for override, message in (
        ("trainer.devises=2", "trainer.devises: unknown; did you mean 'devices'"),
        ("trainer.callbacks=[]", "trainer.callbacks: turnkit sets it"),
        ("trainer.max_epochs=0", "trainer.max_epochs 0: expected 1 or more"),
    ):
        with pytest.raises(ConfigError, match=message):
            trainer_options(read_recipe(tiny_recipe(), [override]))


def interrupt_after(saves: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C right after some checkpoints."""
    original, saved = KeepState._save, [0]

    def save(self: KeepState, trainer: Any) -> None:
        original(self, trainer)
        saved[0] += 1
        if saved[0] == saves:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(KeepState, "_save", save)


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_ctrl_c_leaves_a_run_that_can_be_resumed_and_a_full_disk_takes_nothing_away(
    tiny_recipe: WriteRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, folder = tiny_recipe(), tmp_path / "run"
    interrupt_after(2, monkeypatch)
    assert main(["train", str(path), f"out={folder}"]) == 130
    assert f"go on with: turnkit train --resume {folder}" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    monkeypatch.undo()

    checkpoint = folder / "checkpoints" / "last.ckpt"
    before = checkpoint.read_bytes()
    with files_up_to(len(before) // 2):
        assert main(["train", "--resume", str(folder)]) == 1
    message = "last.ckpt: cannot be written (File too large); the one before it is intact"
    assert message in capsys.readouterr().err
    assert checkpoint.read_bytes() == before
    assert [each.name for each in checkpoint.parent.iterdir()] == ["last.ckpt"]

    assert main(["train", "--resume", str(folder)]) == 0
    assert "frozen policies" in capsys.readouterr().out
    run(read_recipe(path), tmp_path / "whole")
    assert same_weights(tmp_path / "whole", folder)
