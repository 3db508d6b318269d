"""Export: the bundle decides as the run does, and its reports say what was measured."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from tests.models import FEATURES, POLICIES, facts, tiny_encoder, tiny_head, tiny_network, write_run
from tests.speech import talk
from turnkit.detector.opening import SemanticDetector, open_bundle, open_detector
from turnkit.detector.policy import Policy
from turnkit.detector.protocol import EventKind, Trace
from turnkit.errors import BundleError, ConfigError, MissingAssetError, RunError
from turnkit.export import export_run, precision
from turnkit.export.card import results_table, write_card
from turnkit.export.graphs import head_graph, streaming_graph
from turnkit.export.precision import (
    MAX_DRIFT,
    MIN_GAIN,
    TOLERANCE,
    choose_precision,
    probe_frames,
    quantise,
)
from turnkit.model.acoustic import StreamingConfig, StreamingNetwork
from turnkit.model.bundle import CARD, ENCODER, MODEL, VAD, Bundle, read_bundle, write_bundle
from turnkit.model.checkpoint import ENCODER_FILE, MODEL_FILE, WEIGHTS_FILE, save_run_model
from turnkit.model.onnx_models import OnnxFrameModel, OnnxHead
from turnkit.model.torch_models import TorchFrameModel, TorchHead

PLAN = (-0.4, 1.0, -0.45, 0.8, -1.5, 0.6, -1.0)
KINDS = ("streaming", "encoder-head")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: write_run(tmp_path_factory.mktemp("runs") / kind, kind) for kind in KINDS}


@pytest.fixture(scope="module")
def bundles(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    paths = {}
    for kind, run in runs.items():
        paths[kind] = folder / f"{kind}.turnkit"
        export_run(run, paths[kind], results=[RESULTS], notes="Data: made up.")
    return paths


RESULTS: dict[str, Any] = {
    "corpus": {"name": "phone_turns", "synthetic": False},
    "detectors": {
        "runs/x": {
            "name": "tiny",
            "frozen": {
                "FC@300": {
                    "rate": 0.273, "mean_latency_ms": 291.4, "interval": [0.21, 0.33], "n": 400,
                },
                "FC@600": {
                    "rate": 0.1, "mean_latency_ms": 580.0, "interval": None, "n": 400,
                },
                "L@5%": {
                    "latency_ms": 812.0, "rate": 0.048, "mean_latency_ms": 812.0,
                    "interval": [700.0, 950.0], "n": 100,
                },
                "L@10%": None,
            },
            "best_on_test": {
                "FC@300": {"rate": 0.25, "mean_latency_ms": 299.0, "interval": [0.2, 0.3]},
            },
        },
        "vad:silero": {"name": "vad:silero", "frozen": None, "best_on_test": {}},
    },
}  # fmt: skip


def traced(detector: Any, samples: Any) -> tuple[list[Any], np.ndarray[Any, Any], list[float]]:
    detector.trace = Trace()
    events = detector.push(samples)
    return events, np.array(detector.trace.score), detector.trace.speech


class TestGraphs:
    @pytest.mark.parametrize(("kernel", "layers", "block"), [(3, 1, 2), (1, 1, 1), (5, 2, 4)])
    def test_torch_and_onnx_agree(self, kernel: int, layers: int, block: int) -> None:
        network = tiny_network(kernel, layers)
        ours, exported = (
            TorchFrameModel(network),
            OnnxFrameModel(streaming_graph(network, block)),
        )
        assert (exported.block, exported.features) == (block, network.features)
        states = ours.initial_state(), exported.initial_state()
        for a, b in zip(*states, strict=True):
            np.testing.assert_array_equal(a, b)
        frames = probe_frames(network)[:400]
        for start in range(0, 400, block):
            part = frames[start : start + block]
            ended, speech, state = ours.step(part, states[0])
            ended_too, speech_too, state_too = exported.step(part, states[1])
            assert ended.shape == speech.shape == (block,)
            np.testing.assert_allclose(ended_too, ended, atol=TOLERANCE)
            np.testing.assert_allclose(speech_too, speech, atol=TOLERANCE)
            states = state, state_too
        for a, b in zip(*states, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-3)

    def test_heads_agree(self) -> None:
        for hidden in (0, 7):
            head = tiny_head(hidden)
            exported, ours = OnnxHead(head_graph(head)), TorchHead(head)
            for vector in np.random.default_rng(0).normal(0, 1, (20, 38)).astype(np.float32):
                assert exported.probability(vector) == pytest.approx(
                    ours.probability(vector), abs=TOLERANCE
                )

    def test_same_bytes_again_and_no_path_of_this_machine(self) -> None:
        graph = streaming_graph(tiny_network(), 2)
        assert graph == streaming_graph(tiny_network(), 2)
        for trace in (b"site-packages", b".py", str(Path.cwd()).encode(), b"/home/"):
            assert trace not in graph
        onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)

    def test_state_is_explicit(self) -> None:
        graph = onnx.load_from_string(streaming_graph(tiny_network(), 2)).graph
        assert [i.name for i in graph.input] == ["frames", "recent", "hidden"]
        outputs = ["end_of_turn", "speech", "next_recent", "next_hidden"]
        assert [o.name for o in graph.output] == outputs

    def test_foreign_graphs_are_refused(self) -> None:
        with pytest.raises(BundleError, match=r"expected \['frames', 'recent', 'hidden'\]"):
            OnnxFrameModel(tiny_encoder())
        with pytest.raises(BundleError, match=r"expected \['vector'\]"):
            OnnxHead(tiny_encoder())


class TestBundleOfARun:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("rate", [8_000, 16_000])
    def test_decides_as_the_run(
        self, runs: dict[str, Path], bundles: dict[str, Path], kind: str, rate: int
    ) -> None:
        run, bundle = (open_detector(str(path[kind]), rate) for path in (runs, bundles))
        assert bundle.name == run.name == f"tiny {kind}"
        assert bundle.policy == run.policy == Policy(**POLICIES["FC@300"])
        x = talk(*PLAN, rate=rate)
        events, scores, speech = traced(run, x)
        events_too, scores_too, speech_too = traced(bundle, x)
        np.testing.assert_allclose(scores_too, scores, atol=1e-3)
        np.testing.assert_allclose(speech_too, speech, atol=1e-3)
        assert [(e.kind, e.at, e.since, e.reason) for e in events_too] == [
            (e.kind, e.at, e.since, e.reason) for e in events
        ]
        assert EventKind.TURN_ENDED in [e.kind for e in events]

    @pytest.mark.parametrize("kind", KINDS)
    def test_knows_its_making(
        self, runs: dict[str, Path], bundles: dict[str, Path], kind: str
    ) -> None:
        for path in (runs[kind], bundles[kind]):
            detector = open_detector(str(path), 8_000)
            assert isinstance(detector, SemanticDetector)
            assert detector.frozen_policies == {k: Policy(**v) for k, v in POLICIES.items()}
            assert detector.training_speakers == {"aa", "bb"}
            assert detector.policy_speakers == {"cc"}

    @pytest.mark.parametrize("kind", KINDS)
    def test_same_bytes_again(
        self, runs: dict[str, Path], bundles: dict[str, Path], tmp_path: Path, kind: str
    ) -> None:
        again = read_bundle(export_run(runs[kind], tmp_path / "x.turnkit").path)
        first = read_bundle(bundles[kind])
        assert again.files.keys() == first.files.keys()
        for name in again.files.keys() - {CARD}:
            assert again.files[name] == first.files[name], name

    def test_holds_no_path_of_this_machine(self, bundles: dict[str, Path]) -> None:
        for path in bundles.values():
            with zipfile.ZipFile(path) as archive:
                for name in set(archive.namelist()) - {VAD}:
                    assert str(Path.cwd()).encode() not in archive.read(name), name

    def test_another_policy(self, runs: dict[str, Path], tmp_path: Path) -> None:
        export_run(runs["encoder-head"], tmp_path / "x.turnkit", point="L@5%", name="mine")
        detector = open_detector(str(tmp_path / "x.turnkit"), 8_000)
        assert detector.policy == Policy(**POLICIES["L@5%"])
        assert detector.name == "mine"
        chosen = open_detector(str(tmp_path / "x.turnkit"), 8_000, Policy(0.1, 0.2, 3.0))
        assert chosen.policy == Policy(0.1, 0.2, 3.0)

    def test_policy_that_was_not_fitted(self, tmp_path: Path) -> None:
        run = write_run(tmp_path / "run", "encoder-head")
        with pytest.raises(ConfigError, match=r"'FC@1'.*FC@300, L@5%"):
            export_run(run, tmp_path / "x.turnkit", point="FC@1")
        (run / "policies.json").unlink()
        with pytest.raises(ConfigError, match=r"'L@5%'.*none"):
            export_run(run, tmp_path / "x.turnkit", point="L@5%")
        export_run(run, tmp_path / "x.turnkit")
        assert open_detector(str(tmp_path / "x.turnkit"), 8_000).policy == Policy()

    def test_run_without_weights(self, tmp_path: Path) -> None:
        run = write_run(tmp_path / "run", "streaming")
        (run / WEIGHTS_FILE).unlink()
        with pytest.raises(RunError, match=r"no weights\.safetensors"):
            export_run(run, tmp_path / "x.turnkit")
        assert not (tmp_path / "x.turnkit").exists()

    def test_head_without_its_encoder(self, tmp_path: Path) -> None:
        run = write_run(tmp_path / "run", "encoder-head")
        (run / ENCODER_FILE).write_bytes(tiny_encoder(3))
        with pytest.raises(RunError, match="not the encoder that the head was trained on"):
            export_run(run, tmp_path / "x.turnkit")
        with pytest.raises(BundleError, match="trained on an encoder with SHA-256"):
            open_detector(str(run), 8_000)
        (run / ENCODER_FILE).unlink()
        with pytest.raises(RunError, match=r"encoder\.onnx: No such file"):
            export_run(run, tmp_path / "x.turnkit")
        with pytest.raises(RunError, match=r"no encoder\.onnx"):
            open_detector(str(run), 8_000)

    def test_thin(
        self,
        runs: dict[str, Path],
        bundles: dict[str, Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        thin = export_run(runs["encoder-head"], tmp_path / "x.turnkit", thin=True)
        assert ENCODER not in read_bundle(thin.path).files
        monkeypatch.setenv("TURNKIT_SMART_TURN", str(runs["encoder-head"] / ENCODER_FILE))
        found = open_detector(str(thin.path), 8_000).push(talk(*PLAN, rate=8_000))
        assert found == open_detector(str(bundles["encoder-head"]), 8_000).push(
            talk(*PLAN, rate=8_000)
        )
        (tmp_path / "other.onnx").write_bytes(tiny_encoder(3))
        monkeypatch.setenv("TURNKIT_SMART_TURN", str(tmp_path / "other.onnx"))
        with pytest.raises(BundleError, match="the one on this machine has"):
            open_detector(str(thin.path), 8_000)
        monkeypatch.delenv("TURNKIT_SMART_TURN")
        monkeypatch.setenv("TURNKIT_CACHE", str(tmp_path / "empty"))
        with pytest.raises(MissingAssetError, match="turnkit peers get smart-turn"):
            open_detector(str(thin.path), 8_000)

    def test_diverged_network_is_not_exported(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "turnkit.export.run.streaming_graph",
            lambda network, block: streaming_graph(_shifted(network), block),
        )
        run = write_run(tmp_path / "run", "streaming")
        with pytest.raises(BundleError, match=r"differs from torch by .* at most 0\.0001"):
            export_run(run, tmp_path / "x.turnkit")
        assert not (tmp_path / "x.turnkit").exists()


def _shifted(network: StreamingNetwork) -> StreamingNetwork:
    other = StreamingNetwork(network.config, network.features).eval()
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        other.read.bias.add_(0.01)
    return other


def manifest(bundle: Bundle, **changes: Any) -> Bundle:
    """A bundle with some keys of its manifest changed; None removes."""
    changed = {**bundle.manifest, **changes}
    return Bundle({k: v for k, v in changed.items() if v is not None}, bundle.files)


class TestManifestThatDoesNotFit:
    @pytest.mark.parametrize("key", ["kind", "gate", "policy", "features", "block"])
    def test_streaming_lacks(self, bundles: dict[str, Path], key: str) -> None:
        bundle = read_bundle(bundles["streaming"])
        with pytest.raises(BundleError, match=f"manifest does not fit: '{key}' is missing"):
            open_bundle(manifest(bundle, **{key: None}))

    @pytest.mark.parametrize("key", ["kind", "gate", "policy", "encoder", "times_s"])
    def test_head_lacks(self, bundles: dict[str, Path], key: str) -> None:
        bundle = read_bundle(bundles["encoder-head"])
        with pytest.raises(BundleError, match=f"manifest does not fit: '{key}' is missing"):
            open_bundle(manifest(bundle, **{key: None}))

    @pytest.mark.parametrize(
        "changes",
        [
            {"kind": "lexical"},
            {"gate": {"on": 2.0}},
            {"gate": [0.5]},
            {"policy": {"threshold": 7}},
            {"policy": {"patience": 1}},
            {"policies": {"FC@300": {"threshold": -1}}},
            {"policies": [1]},
            {"features": {"sample_rate": 44_100}},
            {"features": FEATURES.as_dict() | {"n_mels": 20}},
            {"block": 3},
            {"block": "2"},
        ],
        ids=str,
    )
    def test_streaming_values(self, bundles: dict[str, Path], changes: dict[str, Any]) -> None:
        with pytest.raises(BundleError, match=r"does not fit|does not know it"):
            open_bundle(manifest(read_bundle(bundles["streaming"]), **changes))

    @pytest.mark.parametrize("name", [MODEL, VAD])
    def test_a_graph_is_missing(self, bundles: dict[str, Path], name: str) -> None:
        bundle = read_bundle(bundles["encoder-head"])
        files = {key: value for key, value in bundle.files.items() if key != name}
        with pytest.raises(BundleError, match=f"'{name}' is missing"):
            open_bundle(Bundle(bundle.manifest, files))


class TestRunThatDoesNotFit:
    @pytest.mark.parametrize(
        "changes",
        [
            {"gate": {"on": 2.0}},
            {"gate": {"unknown": 2.0}},
            {"features": {"sample_rate": 1}},
            {"features": 5},
        ],
        ids=str,
    )
    def test_model_json(self, tmp_path: Path, changes: dict[str, Any]) -> None:
        run = write_run(tmp_path, "streaming")
        content = json.loads((run / MODEL_FILE).read_text())
        (run / MODEL_FILE).write_text(json.dumps(content | changes))
        with pytest.raises(RunError, match="cannot be used"):
            open_detector(str(run), 8_000)

    @pytest.mark.parametrize("values", [{"threshold": 7}, {"patience": 1}])
    def test_policies_json(self, tmp_path: Path, values: dict[str, Any]) -> None:
        run = write_run(tmp_path, "streaming")
        (run / "policies.json").write_text(json.dumps({"FC@300": values}))
        with pytest.raises(RunError, match="cannot be used"):
            open_detector(str(run), 8_000)
        with pytest.raises(RunError, match=r"policies\.json: .*(threshold|patience)"):
            export_run(run, tmp_path / "x.turnkit")


@pytest.fixture(scope="module")
def network() -> StreamingNetwork:
    torch.manual_seed(0)
    config = StreamingConfig(width=48, hidden=48, layers=1, dropout=0.0)
    return StreamingNetwork(config, FEATURES.width).eval()


class TestPrecision:
    def test_report_has_both_measurements(self, network: StreamingNetwork) -> None:
        graph = streaming_graph(network, 2)
        chosen, report = choose_precision(network, graph, 2)
        int8 = quantise(graph)
        assert len(int8) < len(graph)
        for name, content in (("fp32", graph), ("int8", int8)):
            assert report[name]["bytes"] == len(content)
            assert 1 < report[name]["microseconds"] < 100_000
            assert report[name]["drift"] >= 0
        assert report["fp32"]["drift"] <= TOLERANCE
        # Eight bits cannot be exact: a report that says so measured something else.
        assert report["int8"]["drift"] > report["fp32"]["drift"]
        assert chosen == {"fp32": graph, "int8": int8}[report["chosen"]]
        json.dumps(report, allow_nan=False)

    @pytest.mark.parametrize(
        ("gain", "drift", "chosen"),
        [
            (0.5, 0.001, "int8"),
            (MIN_GAIN, MAX_DRIFT, "int8"),
            (MIN_GAIN + 0.01, 0.0, "fp32"),
            (0.1, MAX_DRIFT + 0.001, "fp32"),
            (2.0, 0.5, "fp32"),
        ],
    )
    def test_the_rule(
        self,
        network: StreamingNetwork,
        monkeypatch: pytest.MonkeyPatch,
        gain: float,
        drift: float,
        chosen: str,
    ) -> None:
        """On measurements that are given: torch, fp32 and int8 in turn."""
        zeros = np.zeros(10, dtype=np.float64)
        answers = iter([(zeros, 1.0), (zeros, 100.0), (zeros + drift, gain * 100.0)])
        monkeypatch.setattr(precision, "_scores", lambda *_: next(answers))
        monkeypatch.setattr(precision, "quantise", lambda _: b"int8")
        monkeypatch.setattr(precision, "OnnxFrameModel", lambda graph: graph)
        graph, report = choose_precision(network, b"fp32", 2)
        assert (graph, report["chosen"]) == (chosen.encode(), chosen)
        assert f"{gain:.2f}" in report["reason"]
        assert f"{drift:.4f}" in report["reason"]

    def test_probe_is_like_training(self, network: StreamingNetwork) -> None:
        shifted = _shifted(network)
        shifted.get_buffer("mean").fill_(3.0)
        shifted.get_buffer("scale").fill_(0.5)
        frames = probe_frames(shifted)
        assert frames.mean() == pytest.approx(3.0, abs=0.1)
        assert frames.std() == pytest.approx(2.0, rel=0.1)
        np.testing.assert_array_equal(frames, probe_frames(shifted))


class TestCard:
    def test_travels_and_holds_the_table(self, bundles: dict[str, Path]) -> None:
        for kind, path in bundles.items():
            card = open_detector(str(path), 8_000).card  # type: ignore[attr-defined]
            assert card.startswith(f"# tiny {kind}\n")
            assert "Weights trained on 2 speakers; policies fitted on 1 others." in card
            assert "Data: made up." in card
            assert "phone_turns, frozen policy:" in card
            row = next(line for line in card.splitlines() if line.startswith("| tiny |"))
            cells = [cell.strip() for cell in row.split("|")[1:-1]]
            assert cells == [
                "tiny",
                "27.3 % [21, 33], at 291 ms",
                "10.0 %, at 580 ms",
                "812.0 ms [700, 950], cuts 4.8 %",
                "-",
            ]
            # The VAD had no frozen policy there: no row that says nothing.
            assert "vad:silero" not in card

    def test_streaming_card_says_how_precision_was_chosen(self, bundles: dict[str, Path]) -> None:
        bundle = read_bundle(bundles["streaming"])
        found = bundle.manifest["precision"]
        assert f"Precision: {found['chosen']}. {found['reason']}." in bundle.card
        for kind in ("fp32", "int8"):
            assert f"- {kind}: {found[kind]['bytes'] / 1e6:.2f} MB" in bundle.card

    def test_of_a_real_evaluation(self) -> None:
        """What `turnkit eval --json` prints fits, whatever it could not measure."""
        from turnkit.evaluate.plain import finite

        empty = {"rate": float("nan"), "mean_latency_ms": float("nan"), "interval": None}
        results = finite({"detectors": {"x": {"frozen": {"FC@300": empty, "FC@600": None}}}})
        rows = results_table(results, "frozen")
        assert rows[-1] == "| x | - | - | - | - |"
        assert results_table({}, "frozen") == results_table(results, "best_on_test")

    def test_without_results_and_notes(self) -> None:
        card = write_card("x", facts("encoder-head"), None, [], "")
        assert "Measured" not in card
        assert card.endswith("\n")
        assert "asked at [0.2, 0.4, 0.7] s of silence" in card


def test_cannot_be_written(runs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be written"):
        export_run(runs["encoder-head"], tmp_path / "file" / "x.turnkit")


def test_a_bundle_of_another_turnkit(bundles: dict[str, Path], tmp_path: Path) -> None:
    bundle = read_bundle(bundles["streaming"])
    write_bundle(tmp_path / "x.turnkit", bundle.manifest | {"kind": "telepathy"}, bundle.files)
    with pytest.raises(BundleError, match="kind 'telepathy'"):
        open_detector(str(tmp_path / "x.turnkit"), 8_000)


def test_saved_description_is_what_export_needs(tmp_path: Path) -> None:
    """A run that training did not describe in full is refused before anything is made."""
    description = {k: v for k, v in facts("streaming").items() if k != "block"}
    save_run_model(tmp_path / "run", description, tiny_network())
    with pytest.raises(RunError, match="'block' is missing"):
        export_run(tmp_path / "run", tmp_path / "x.turnkit")
