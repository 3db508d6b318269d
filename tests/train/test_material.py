from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from turnkit.audio import resample
from turnkit.augment import Augmentation, augment
from turnkit.corpus.reader import Corpus, load_corpus
from turnkit.detector.opening import encoder_detector
from turnkit.detector.policy import Policy
from turnkit.evaluate.tracing import trace_turn
from turnkit.features import FeatureConfig, FeatureState, extract
from turnkit.files import sha256_file
from turnkit.model.acoustic import EncoderHead, HeadConfig
from turnkit.model.encoder import pool, read_encoder
from turnkit.model.torch_models import TorchHead
from turnkit.train.filling import fill
from turnkit.train.material import (
    LATE_S,
    FrameJob,
    HiddenJob,
    QueryJob,
    VectorJob,
    pooled_width,
    scored_spans,
    to_encoder_rate,
)
from turnkit.train.validation import HeadReplayer
from turnkit.vad import Gate
from turnkit.whisper import SAMPLE_RATE

TIMES = (0.2, 0.4, 0.7)


@pytest.fixture(scope="module")
def corpus(tiny_corpus: Path) -> Corpus:
    return load_corpus(str(tiny_corpus))


def test_vectors_are_what_a_detector_would_ask_for(corpus: Corpus, tiny_encoder: Path) -> None:
    job = VectorJob(tiny_encoder, sha256_file(tiny_encoder), TIMES)
    encoder = read_encoder(tiny_encoder)
    for turn in (corpus[0], corpus[5]):
        found = job.compute(turn)
        asked = [
            (number, time, is_end)
            for number, span, is_end in scored_spans(turn)
            for time in TIMES
            if time <= span.duration + 1e-6
        ]
        assert found["span"].tolist() == [number for number, _, _ in asked]
        assert found["is_end"].tolist() == [is_end for _, _, is_end in asked]
        late = found["tau"] - np.array([time for _, time, _ in asked])
        assert (late > -1e-5).all()
        assert (late < LATE_S + 1e-5).all()
        audio = to_encoder_rate(turn)
        for number, tau, vector in zip(found["span"], found["tau"], found["vectors"], strict=True):
            heard = audio[: round((turn.spans[number].start + float(tau)) * SAMPLE_RATE)]
            np.testing.assert_allclose(vector, pool(encoder.encode(heard), float(tau)), atol=1e-4)


def test_no_vector_hears_beyond_its_silence(corpus: Corpus, tiny_encoder: Path) -> None:
    found = VectorJob(tiny_encoder, "", TIMES).compute(corpus[1])
    spans = corpus[1].spans
    for number, tau in zip(found["span"], found["tau"], strict=True):
        assert tau <= spans[number].duration + 1e-5


def test_a_row_without_a_silence_to_ask_in_has_no_vectors(
    corpus: Corpus, tiny_encoder: Path
) -> None:
    found = VectorJob(tiny_encoder, "", (4.0,)).compute(corpus[0])
    assert found["vectors"].shape == (0, pooled_width(tiny_encoder))


def test_hidden_frames_cover_the_row_and_end_with_the_latest_window(
    corpus: Corpus, tiny_encoder: Path
) -> None:
    turn = corpus[2]
    audio = to_encoder_rate(turn)
    hidden = HiddenJob(tiny_encoder, "").compute(turn)["hidden"]
    assert len(hidden) == len(audio) // 320
    whole = read_encoder(tiny_encoder).encode(audio[: len(hidden) * 320]).frames
    np.testing.assert_allclose(hidden[-10:], whole[-10:], atol=2e-3)


def test_frames_are_the_detectors_own_features(corpus: Corpus) -> None:
    turn, config = corpus[3], FeatureConfig()
    job = FrameJob(config, Augmentation(), copies=3, seed=4)
    found = job.compute(turn)
    assert found["speeds"][0] == 1.0
    assert found["lengths"].sum() == len(found["frames"])
    begin = 0
    for copy, (length, speed) in enumerate(zip(found["lengths"], found["speeds"], strict=True)):
        changed = augment(turn.samples, turn.sample_rate, Augmentation(), 4, turn.id, copy)
        audio = resample(changed.samples, turn.sample_rate, config.sample_rate)
        expected, _ = extract(audio, FeatureState(), config)
        part = found["frames"][begin : begin + length]
        np.testing.assert_allclose(part, expected, atol=5e-3)
        assert speed == changed.speed
        assert length * speed == pytest.approx(turn.duration / 0.02, abs=2)
        begin += length
    np.testing.assert_allclose(found["spans"], [(s.start, s.end) for s in turn.spans])


def test_a_head_replayed_from_a_cache_is_the_detector(corpus: Corpus, tiny_encoder: Path) -> None:
    import torch

    torch.manual_seed(0)
    head = EncoderHead(HeadConfig(dropout=0.0), pooled_width(tiny_encoder)).eval()
    few, gate = corpus.subset([0, 1, 2]), Gate()
    job = QueryJob(tiny_encoder, sha256_file(tiny_encoder), TIMES, gate)
    queries = fill(job, few, 1).open()
    encoder = read_encoder(tiny_encoder)
    replayer = HeadReplayer(head, TIMES, gate, encoder.window_s, [few], [queries])
    detector = encoder_detector(encoder, TorchHead(head), TIMES, gate, Policy(), 8_000)
    asked = 0
    for number, turn in enumerate(few):
        replayer.trace(number)
        # A second replay asks the same questions again.
        ours = replayer.trace(number)
        theirs = trace_turn(detector, turn)
        for mine, other in zip(ours.arrays(), theirs.arrays(), strict=True):
            np.testing.assert_array_equal(mine, other)
        asked += int(np.sum(~np.isnan(ours.score)))
    assert asked == sum(queries.length(row, "silence") for row in range(3))
