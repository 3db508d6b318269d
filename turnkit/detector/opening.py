"""From a name or a path to a ready detector.

Specs
-----
``default``, ``encoder``
    The bundles that come with the package.
``vad:silero``, ``vad:webrtc``, ``vad:ten``, ``vad:600``, ``vad:webrtc:600``
    A VAD timeout; the number is its delay in milliseconds, the VAD Silero if not named.
``smart-turn``, ``smart-turn:repeat``
    The public peer, asked once in a silence or again as it grows.
a path
    A bundle, or the folder of a training run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from turnkit.detector.base import StreamingDetector
from turnkit.detector.policy import Policy
from turnkit.detector.semantic import (
    EncoderJudge,
    FrameModel,
    FrameScorer,
    QueryScorer,
    VectorModel,
)
from turnkit.detector.smart_turn import smart_turn
from turnkit.detector.vad_timeout import vad_timeout
from turnkit.errors import BundleError, ConfigError, RunError
from turnkit.features import FeatureConfig
from turnkit.model.bundle import ENCODER, MODEL, SUFFIX, VAD, Bundle, read_bundle
from turnkit.model.encoder import SpeechEncoder, read_encoder
from turnkit.vad import VADS, Gate, SileroVad

SHIPPED = ("default", "encoder")
"""Names of the bundles that come with the package."""

REMEMBERED = 64
"""Encodings that a detector opened by name remembers: evaluation asks again and again."""


class SemanticDetector(StreamingDetector):
    """One of our detectors, with what it knows of its own making.

    Attributes
    ----------
    frozen_policies : dict of str to Policy
        By operating point, as fitted after training.
    training_speakers : frozenset of str
        Hashes of the speakers whose turns trained the weights.
    policy_speakers : frozenset of str
        Hashes of those that the policies were fitted on.
    card : str
        Model card in Markdown; empty for a run.
    """

    frozen_policies: dict[str, Policy]
    training_speakers: frozenset[str]
    policy_speakers: frozenset[str]
    card: str

    def describe(self, facts: Mapping[str, Any], policies: Mapping[str, Policy]) -> None:
        """Take over what a manifest or ``model.json`` says beside the model itself."""
        self.frozen_policies = dict(policies)
        self.training_speakers = frozenset(facts.get("training_speakers", ()))
        self.policy_speakers = frozenset(facts.get("policy_speakers", ()))
        self.card = ""


def streaming_detector(
    model: FrameModel,
    features: FeatureConfig,
    gate: Gate,
    policy: Policy,
    sample_rate: int,
    *,
    block: int = 2,
    name: str = "streaming",
) -> SemanticDetector:
    """Build a detector around a streaming network."""
    scorer = FrameScorer(model, features, block)
    detector = SemanticDetector(name, scorer, gate, policy, sample_rate)
    detector.describe({}, {})
    return detector


def encoder_detector(
    encoder: SpeechEncoder,
    head: VectorModel,
    times_s: Sequence[float],
    gate: Gate,
    policy: Policy,
    sample_rate: int,
    *,
    vad: SileroVad | None = None,
    name: str = "encoder",
) -> SemanticDetector:
    """Build a detector around a head on a speech encoder, behind the Silero VAD."""
    judge = EncoderJudge(encoder, head)
    scorer = QueryScorer(vad or SileroVad(), judge, times_s, encoder.window_s)
    detector = SemanticDetector(name, scorer, gate, policy, sample_rate)
    detector.describe({}, {})
    return detector


def shipped_path(name: str) -> Path:
    """Path of a bundle that comes with the package."""
    return Path(__file__).parents[1] / "bundles" / f"{name}{SUFFIX}"


def open_detector(
    spec: str, sample_rate: int = 16_000, policy: Policy | None = None
) -> StreamingDetector:
    """Open a detector.

    Parameters
    ----------
    spec : str
        See the top of this module.
    sample_rate : int
        Rate in Hz of the samples that it will be given.
    policy : Policy, optional
        Instead of its own.

    Returns
    -------
    StreamingDetector

    Raises
    ------
    ConfigError
        If nothing is known by that name.
    BundleError, RunError
        If the bundle or run cannot be read.
    MissingAssetError, MissingDependencyError
        If a model file or package is not there; the message says how to get it.
    InputError
        If the rate cannot be used.
    """
    family, _, rest = spec.partition(":")
    if family == "vad":
        return _open_vad(spec, rest, sample_rate, policy)
    if spec in ("smart-turn", "smart-turn:repeat"):
        from turnkit.peers import smart_turn_path

        encoder = read_encoder(smart_turn_path(), REMEMBERED)
        return smart_turn(encoder, sample_rate, policy, repeat=rest == "repeat")
    path = shipped_path(spec) if spec in SHIPPED else Path(spec).expanduser()
    if path.is_dir():
        return _open_run(path, sample_rate, policy)
    if path.is_file():
        return open_bundle(read_bundle(path), sample_rate, policy)
    raise ConfigError(
        f"detector {spec!r}: expected a bundle or run that exists, {', '.join(SHIPPED)}, "
        f"smart-turn, vad:MILLISECONDS, or vad:NAME with one of {', '.join(VADS)}"
    )


def _open_vad(spec: str, rest: str, sample_rate: int, policy: Policy | None) -> StreamingDetector:
    vad, _, delay = ("silero", "", rest) if rest.isdecimal() else rest.partition(":")
    if delay and not delay.isdecimal():
        raise ConfigError(f"detector {spec!r}: delay {delay!r}: expected milliseconds")
    chosen = policy or (Policy.timeout_only(int(delay) / 1000) if delay else None)
    detector = vad_timeout(vad, sample_rate, chosen)
    detector.name = spec
    return detector


def _read_policies(manifest: Mapping[str, Any]) -> tuple[Policy, dict[str, Policy]]:
    fitted = {name: Policy(**values) for name, values in manifest.get("policies", {}).items()}
    return Policy(**manifest["policy"]), fitted


def open_bundle(
    bundle: Bundle, sample_rate: int = 16_000, policy: Policy | None = None
) -> SemanticDetector:
    """Build a detector from a bundle in memory; numpy and ONNX Runtime are enough.

    Raises
    ------
    BundleError
        If its manifest does not fit its kind.
    MissingAssetError
        If it was exported without its encoder, and that is not on this machine.
    """
    from turnkit.model.onnx_models import OnnxFrameModel, OnnxHead

    manifest, files = bundle.manifest, bundle.files
    try:
        kind, gate = manifest["kind"], Gate(**manifest["gate"])
        own, fitted = _read_policies(manifest)
        if kind == "streaming":
            model, features = OnnxFrameModel(files[MODEL]), FeatureConfig(**manifest["features"])
            block, width = manifest["block"], features.width
            if (block, width) != (model.block, model.features):
                raise BundleError(
                    f"bundle manifest does not fit: blocks of {block} frames with {width} columns; "
                    f"its graph takes {model.block} with {model.features}"
                )
            detector = streaming_detector(
                model, features, gate, policy or own, sample_rate, block=block
            )
        elif kind == "encoder-head":
            detector = encoder_detector(
                _bundled_encoder(bundle),
                OnnxHead(files[MODEL]),
                manifest["times_s"],
                gate,
                policy or own,
                sample_rate,
                vad=SileroVad(model=files[VAD]),
            )
        else:
            raise BundleError(f"bundle of kind {kind!r}: this turnkit does not know it")
    except KeyError as error:
        raise BundleError(f"bundle manifest does not fit: {error} is missing") from error
    except (TypeError, AttributeError, ConfigError) as error:
        raise BundleError(f"bundle manifest does not fit: {error}") from error
    detector.name = manifest.get("name", kind)
    detector.describe(manifest, fitted)
    detector.card = bundle.card
    return detector


def _checked_encoder(model: bytes, wanted: str) -> SpeechEncoder:
    encoder = SpeechEncoder(model, REMEMBERED)
    if encoder.sha256 != wanted:
        raise BundleError(
            f"the head was trained on an encoder with SHA-256 {wanted}; "
            f"the one on this machine has {encoder.sha256}"
        )
    return encoder


def _bundled_encoder(bundle: Bundle) -> SpeechEncoder:
    wanted = bundle.manifest["encoder"]["sha256"]
    if ENCODER in bundle.files:
        return _checked_encoder(bundle.files[ENCODER], wanted)
    from turnkit.peers import smart_turn_path

    return _checked_encoder(smart_turn_path().read_bytes(), wanted)


def _open_run(folder: Path, sample_rate: int, policy: Policy | None) -> SemanticDetector:
    from turnkit.model.acoustic import EncoderHead, StreamingNetwork
    from turnkit.model.checkpoint import ENCODER_FILE, load_run_model
    from turnkit.model.torch_models import TorchFrameModel, TorchHead

    run = load_run_model(folder)
    facts, module = run.description, run.module
    try:
        fitted = {name: Policy(**values) for name, values in run.policies.items()}
        chosen = policy or fitted.get("FC@300") or Policy()
        gate = Gate(**facts["gate"])
        if isinstance(module, StreamingNetwork):
            model, features = TorchFrameModel(module), FeatureConfig(**facts["features"])
            block = facts["block"]
            detector = streaming_detector(model, features, gate, chosen, sample_rate, block=block)
        elif isinstance(module, EncoderHead):
            model_bytes = (folder / ENCODER_FILE).read_bytes()
            encoder = _checked_encoder(model_bytes, facts["encoder"]["sha256"])
            head, times_s = TorchHead(module), facts["times_s"]
            detector = encoder_detector(encoder, head, times_s, gate, chosen, sample_rate)
        else:
            raise RunError(f"{folder}: a {type(module).__name__} is no detector")
    except FileNotFoundError as error:
        raise RunError(f"{folder}: no {ENCODER_FILE}: a head needs its encoder") from error
    except (KeyError, TypeError, ConfigError) as error:
        raise RunError(f"{folder}: cannot be used: {error}") from error
    detector.name = facts.get("name", facts["kind"])
    detector.describe(facts, fitted)
    return detector
