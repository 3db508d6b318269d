"""Speech encoders: what is accepted, where now is, and what a head reads off them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from tests.models import tiny_encoder
from tests.speech import talk
from turnkit.errors import BundleError, MissingAssetError
from turnkit.model.encoder import (
    SMART_TURN_FRAMES,
    SMART_TURN_POOLED,
    Encoding,
    SpeechEncoder,
    pool,
    read_encoder,
)
from turnkit.peers import smart_turn_path
from turnkit.whisper import last_window, whisper_log_mel


@pytest.fixture(scope="module")
def smart_turn() -> bytes:
    try:
        return smart_turn_path().read_bytes()
    except MissingAssetError as error:
        pytest.skip(str(error))


def renamed(**names: str) -> bytes:
    """The tiny encoder with some tensors called otherwise."""
    model = onnx.load_from_string(tiny_encoder())
    for node in model.graph.node:
        for field in (node.input, node.output):
            field[:] = [names.get(name, name) for name in field]
    for info in (*model.graph.input, *model.graph.output):
        info.name = names.get(info.name, info.name)
    return bytes(model.SerializeToString())


def reshaped(shape: list[int | str]) -> bytes:
    model = onnx.load_from_string(tiny_encoder())
    info = helper.make_tensor_value_info("input_features", TensorProto.FLOAT, shape)
    model.graph.input[0].CopyFrom(info)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    return bytes(model.SerializeToString())


class TestGraph:
    def test_frames_are_the_graphs(self) -> None:
        encoder = SpeechEncoder(tiny_encoder())
        audio = talk(1.0, -0.5)
        assert encoder.window_s == 2.0
        encoding = encoder.encode(audio)
        mel = whisper_log_mel(last_window(audio, 2.0))[None]
        reference: Any = ReferenceEvaluator(tiny_encoder())
        (expected,) = reference.run(None, {"input_features": mel})
        np.testing.assert_allclose(encoding.frames, expected[0], atol=1e-5)
        np.testing.assert_allclose(encoding.pooled, expected[0].mean(axis=0), atol=1e-5)
        assert encoding.score == 0.5

    def test_only_the_last_window_counts(self) -> None:
        encoder = SpeechEncoder(tiny_encoder())
        audio = talk(3.0, -0.5)
        long, short = encoder.encode(audio), encoder.encode(audio[-32_000:])
        np.testing.assert_array_equal(long.frames, short.frames)

    def test_a_whisper_with_nine_layer_norms_is_no_smart_turn(self) -> None:
        encoder = SpeechEncoder(renamed(mixed=SMART_TURN_FRAMES, pooled=SMART_TURN_POOLED))
        expected = SpeechEncoder(tiny_encoder()).encode(talk(1.0)).frames
        np.testing.assert_array_equal(encoder.encode(talk(1.0)).frames, expected)

    @pytest.mark.parametrize(
        "make",
        [
            lambda: renamed(frames="last_hidden_state"),
            lambda: renamed(input_features="mel"),
            lambda: renamed(frames="logits", mixed=SMART_TURN_FRAMES),
            lambda: reshaped([1, 80, "t"]),
            lambda: reshaped([1, 128, 200]),
            lambda: b"no graph",
            lambda: b"",
        ],
        ids=["output", "input", "half smart turn", "any length", "128 mels", "junk", "empty"],
    )
    def test_refused(self, make: Callable[[], bytes]) -> None:
        with pytest.raises(BundleError, match=r"speech encoder|not a graph"):
            SpeechEncoder(make())

    def test_read(self, tmp_path: Path) -> None:
        path = tmp_path / "encoder.onnx"
        path.write_bytes(tiny_encoder())
        assert read_encoder(path).sha256 == SpeechEncoder(tiny_encoder()).sha256
        with pytest.raises(BundleError, match=r"none\.onnx: No such file"):
            read_encoder(tmp_path / "none.onnx")
        with pytest.raises(BundleError, match="speech encoder"):
            read_encoder(tmp_path)


class TestMemory:
    def test_remembers_by_content(self) -> None:
        encoder = SpeechEncoder(tiny_encoder(), memory=2)
        sounds = [talk(1.0, seed=seed) for seed in range(3)]
        first = encoder.encode(sounds[0])
        assert encoder.encode(sounds[0].copy()) is first
        for sound in sounds[1:]:
            encoder.encode(sound)
        again = encoder.encode(sounds[0])
        assert again is not first  # two others came since
        np.testing.assert_array_equal(again.frames, first.frames)
        assert not np.array_equal(encoder.encode(sounds[1]).frames, first.frames)

    def test_forgets_nothing_where_there_is_nothing(self) -> None:
        encoder = SpeechEncoder(tiny_encoder())
        assert encoder.encode(talk(1.0)) is not encoder.encode(talk(1.0))


class TestSmartTurn:
    def test_as_its_own_pipeline(self, smart_turn: bytes) -> None:
        """Its published probability: the graph as it is, on transformers' features."""
        import transformers

        from turnkit.runtime import OnnxModel

        encoder = SpeechEncoder(smart_turn)
        assert encoder.window_s == 8.0
        published = OnnxModel(smart_turn)
        extractor = transformers.WhisperFeatureExtractor(chunk_length=8)  # type: ignore[no-untyped-call]
        for audio in (talk(-0.5, 2.0, -0.4), talk(6.0, -0.3, 3.0, -0.2, seed=3)):
            window = np.pad(audio[-128_000:], (max(0, 128_000 - len(audio)), 0))
            features = extractor(
                window, sampling_rate=16_000, return_tensors="np", padding="max_length",
                max_length=128_000, truncation=True, do_normalize=True,
            ).input_features  # fmt: skip
            (expected,) = published.run(input_features=features.astype(np.float32))
            assert encoder.encode(audio).score == pytest.approx(float(expected[0, 0]), abs=2e-3)

    def test_inner_frames(self, smart_turn: bytes) -> None:
        encoding = SpeechEncoder(smart_turn).encode(talk(-0.5, 2.0, -0.4))
        assert encoding.frames.shape == (400, 384)
        assert encoding.pooled.shape == (384,)
        assert 0 <= encoding.score <= 1
        # A layer norm's output before scale has unit variance; pooling is a convex mean.
        low, high = encoding.frames.min(axis=0), encoding.frames.max(axis=0)
        assert (low - 1e-3 <= encoding.pooled).all()
        assert (encoding.pooled <= high + 1e-3).all()


class TestPool:
    @staticmethod
    def ramp(total: int = 100, score: float = 0.5) -> Encoding:
        frames = np.arange(total, dtype=np.float32)[:, None]
        return Encoding(frames, np.array([-1.0], np.float32), score)

    def test_places(self) -> None:
        # Of 100 frames of 20 ms, the last 20 are silence: speech ended with frame 79.
        pooled, mean, last, speech, before, first = pool(self.ramp(), 0.4)[:6].tolist()
        assert pooled == -1.0
        assert mean == 49.5
        assert last == np.mean(range(95, 100))
        assert speech == np.mean(range(75, 80))
        assert before == np.mean(range(65, 75))
        assert first == np.mean(range(80, 85))

    def test_clock_and_own_score(self) -> None:
        clock, logit = pool(self.ramp(score=0.8), 0.4)[-2:].tolist()
        assert clock == pytest.approx(math.log(0.4))
        assert logit == pytest.approx(math.log(0.8 / 0.2), rel=1e-5)

    @given(st.integers(1, 100), st.floats(0, 30), st.floats(0, 1))
    def test_always_finite(self, total: int, silence_s: float, score: float) -> None:
        vector = pool(self.ramp(total, score), silence_s)
        assert vector.shape == (8,)
        assert vector.dtype == np.float32
        assert np.isfinite(vector).all()
        assert (vector[1:6] <= total - 1).all()
        assert (vector[1:6] >= 0).all()
