"""Runs on disk: what was saved comes back, and what is broken says so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.models import POLICIES, facts, tiny_head, tiny_network, write_run
from turnkit.errors import RunError
from turnkit.model.acoustic import EncoderHead, HeadConfig, StreamingConfig
from turnkit.model.checkpoint import (
    KINDS,
    MODEL_FILE,
    POLICIES_FILE,
    WEIGHTS_FILE,
    load_run_model,
    save_policies,
    save_run_model,
)

kinds = pytest.mark.parametrize("kind", KINDS)


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    for key, value in changes.items():
        if value is None:
            del content[key]
        else:
            content[key] = value
    path.write_text(json.dumps(content))


@kinds
def test_round_trip(tmp_path: Path, kind: str) -> None:
    run = load_run_model(write_run(tmp_path / "run", kind))
    assert run.description == facts(kind)
    assert run.policies == POLICIES
    assert not run.module.training
    saved = (tiny_network() if kind == "streaming" else tiny_head()).state_dict()
    loaded = run.module.state_dict()
    assert loaded.keys() == saved.keys()
    for name, tensor in saved.items():
        assert torch.equal(loaded[name], tensor), name


def test_hidden_head(tmp_path: Path) -> None:
    head = EncoderHead(HeadConfig(hidden=5), 38)
    save_run_model(tmp_path, facts("encoder-head") | {"model": head.config.as_dict()}, head)
    run = load_run_model(tmp_path)
    vector = torch.randn(3, 38)
    torch.testing.assert_close(run.module(vector), head.eval()(vector))
    assert run.policies == {}


def test_a_half_finished_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no model\.json: expected a finished training run"):
        load_run_model(tmp_path)
    write_run(tmp_path, "streaming")
    (tmp_path / WEIGHTS_FILE).unlink()
    with pytest.raises(RunError, match=r"no weights\.safetensors: expected a finished"):
        load_run_model(tmp_path)


@kinds
@pytest.mark.parametrize("key", ["kind", "model", "inputs", "gate"])
def test_a_key_is_missing(tmp_path: Path, kind: str, key: str) -> None:
    edit(write_run(tmp_path, kind) / MODEL_FILE, **{key: None})
    with pytest.raises(RunError, match=key):
        load_run_model(tmp_path)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("streaming", "features"),
        ("streaming", "block"),
        ("encoder-head", "encoder"),
        ("encoder-head", "times_s"),
    ],
)
def test_a_key_of_its_kind_is_missing(tmp_path: Path, kind: str, key: str) -> None:
    edit(write_run(tmp_path, kind) / MODEL_FILE, **{key: None})
    with pytest.raises(RunError, match=key):
        load_run_model(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "lexical"},
        {"model": {"width": 8}},
        {"model": {"unknown": 1}},
        {"model": [1, 2]},
        {"inputs": 12},
        {"inputs": "many"},
    ],
)
def test_values_that_do_not_fit(tmp_path: Path, changes: dict[str, Any]) -> None:
    edit(write_run(tmp_path, "streaming") / MODEL_FILE, **changes)
    with pytest.raises(RunError):
        load_run_model(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"FC@300": 3}', "\x00\x01"])
@pytest.mark.parametrize("name", [MODEL_FILE, POLICIES_FILE])
def test_json_that_is_none(tmp_path: Path, name: str, content: str) -> None:
    (write_run(tmp_path, "streaming") / name).write_text(content)
    with pytest.raises(RunError, match="cannot be read as a training run"):
        load_run_model(tmp_path)


@pytest.mark.parametrize("keep", [0, 7, 100, 0.5, 0.999])
def test_truncated_weights(tmp_path: Path, keep: float) -> None:
    path = write_run(tmp_path, "streaming") / WEIGHTS_FILE
    content = path.read_bytes()
    path.write_bytes(content[: int(keep if keep >= 1 else keep * len(content))])
    with pytest.raises(RunError, match="cannot be read as a training run"):
        load_run_model(tmp_path)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    path = write_run(tmp_path, "streaming") / WEIGHTS_FILE
    torch.save(tiny_network().state_dict(), path)
    with pytest.raises(RunError, match="cannot be read"):
        load_run_model(tmp_path)


def test_disk_full_leaves_what_was_there(tmp_path: Path) -> None:
    """A real limit on file size: the new model is larger than the disk."""
    before = load_run_model(write_run(tmp_path, "streaming"))
    code = (
        "import resource, signal, sys, pathlib\n"
        "from turnkit.errors import RunError\n"
        "from turnkit.model.acoustic import *\n"
        "from turnkit.model.checkpoint import save_run_model, save_policies\n"
        "import safetensors.torch\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        "for width in (200, 16):\n"
        "    network = StreamingNetwork(StreamingConfig(width=width, hidden=16), 39)\n"
        "    facts = {'kind': 'new', 'long': 'x' * 40_000}\n"
        "    try:\n"
        "        save_run_model(pathlib.Path(sys.argv[1]), facts, network)\n"
        "    except RunError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stdout.count("could not be written") == 2, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == [MODEL_FILE, POLICIES_FILE, WEIGHTS_FILE]
    after = load_run_model(tmp_path)
    assert after.description == before.description
    for name, tensor in before.module.state_dict().items():
        assert torch.equal(after.module.state_dict()[name], tensor)


def test_policies_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="policies could not be written"):
        save_policies(tmp_path / "file", POLICIES)


@pytest.mark.parametrize(
    ("values", "named"),
    [({"width": 15}, "width"), ({"hidden": 2000}, "hidden"), ({"layers": 0}, "layers"),
     ({"kernel": 26}, "kernel"), ({"dropout": 0.9}, "dropout")],
)  # fmt: skip
def test_shapes_out_of_range(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=rf"model\.{named}.*expected"):
        StreamingConfig(**values)


@pytest.mark.parametrize("values", [{"hidden": -1}, {"hidden": 5000}, {"dropout": 1.0}])
def test_heads_out_of_range(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"model\..*expected"):
        HeadConfig(**values)


def test_network_is_causal_and_carries_its_state() -> None:
    """Whole, and cut anywhere with the state handed on: the same scores."""
    network = tiny_network()
    frames = torch.from_numpy(
        np.random.default_rng(0).normal(0, 1, (1, 60, network.features)).astype(np.float32)
    )
    with torch.inference_mode():
        whole, _ = network(frames, network.initial_state())
        changed = torch.cat([frames[:, :40], -frames[:, 40:]], dim=1)
        other, _ = network(changed, network.initial_state())
        torch.testing.assert_close(whole.end_of_turn[:, :40], other.end_of_turn[:, :40])
        assert not torch.allclose(whole.end_of_turn[:, 40:], other.end_of_turn[:, 40:])
        for cut in (1, 2, 7, 59):
            first, state = network(frames[:, :cut], network.initial_state())
            second, _ = network(frames[:, cut:], state)
            joined = torch.cat([first.speech, second.speech], dim=1)
            torch.testing.assert_close(joined, whole.speech, atol=1e-5, rtol=1e-5)
