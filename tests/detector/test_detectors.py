"""Every detector keeps the promises of the protocol: chunks, causality, the decision sample."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.models import FEATURES, TIMES_S, tiny_encoder, tiny_head, tiny_network
from tests.speech import talk
from turnkit.audio import Samples, decode_audio
from turnkit.detector.base import StreamingDetector
from turnkit.detector.opening import encoder_detector, streaming_detector
from turnkit.detector.policy import Policy
from turnkit.detector.protocol import EventKind, Reason, Trace, TurnDetector, TurnEvent, TurnInput
from turnkit.detector.replay import replay
from turnkit.detector.smart_turn import smart_turn
from turnkit.detector.vad_timeout import vad_timeout
from turnkit.errors import ConfigError, InputError, MissingAssetError
from turnkit.model.encoder import SpeechEncoder
from turnkit.model.torch_models import TorchFrameModel, TorchHead
from turnkit.peers import smart_turn_path
from turnkit.vad import Gate

PLAN = (-0.4, 1.0, -0.45, 0.8, -1.5, 0.6, -1.0)
POLICY = Policy(0.6, 0.3, 1.0)


@lru_cache
def _smart_turn_encoder() -> SpeechEncoder:
    return SpeechEncoder(smart_turn_path().read_bytes(), memory=64)


def make_smart_turn(rate: int) -> StreamingDetector:
    try:
        return smart_turn(_smart_turn_encoder(), rate, Policy(0.5, 0.2, 1.0), repeat=True)
    except MissingAssetError as error:
        pytest.skip(str(error))


def make_streaming(rate: int) -> StreamingDetector:
    model = TorchFrameModel(tiny_network())
    return streaming_detector(model, FEATURES, Gate(), POLICY, rate)


def make_encoder(rate: int) -> StreamingDetector:
    encoder, head = SpeechEncoder(tiny_encoder()), TorchHead(tiny_head())
    return encoder_detector(encoder, head, TIMES_S, Gate(), POLICY, rate)


Maker = Callable[[int], StreamingDetector]
MAKERS: dict[str, Maker] = {
    "vad:silero": lambda rate: vad_timeout("silero", rate),
    "vad:webrtc": lambda rate: vad_timeout("webrtc", rate, Policy.timeout_only(0.3)),
    "streaming": make_streaming,
    "encoder": make_encoder,
    "smart-turn": make_smart_turn,
}
CASES = [(name, rate) for name in MAKERS for rate in (8_000, 16_000)]
CASES += [("streaming", 44_100), ("vad:silero", 22_050)]
cases = pytest.mark.parametrize(("name", "rate"), CASES)


def push_all(detector: TurnDetector, samples: NDArray[Any], chunk: int) -> list[TurnEvent]:
    events: list[TurnEvent] = []
    for start in range(0, max(len(samples), 1), chunk):
        events += detector.push(samples[start : start + chunk])
    return events


@lru_cache
def whole(name: str, rate: int) -> tuple[TurnEvent, ...]:
    return tuple(MAKERS[name](rate).push(talk(*PLAN, rate=rate)))


class TestPromises:
    @cases
    def test_there_is_something_to_test(self, name: str, rate: int) -> None:
        kinds = [event.kind for event in whole(name, rate)]
        assert kinds[0] is EventKind.SPEECH_STARTED
        assert EventKind.SPEECH_PAUSED in kinds
        assert EventKind.TURN_ENDED in kinds
        for event in whole(name, rate):
            assert 0 <= event.since <= event.at <= len(talk(*PLAN, rate=rate))
        scored = any(event.score is not None for event in whole(name, rate))
        assert scored == (not name.startswith("vad"))

    @cases
    @pytest.mark.parametrize("chunk", [160, 513])
    def test_chunks_change_nothing(self, name: str, rate: int, chunk: int) -> None:
        got = push_all(MAKERS[name](rate), talk(*PLAN, rate=rate), chunk)
        assert tuple(got) == whole(name, rate)

    @pytest.mark.parametrize("name", MAKERS)
    def test_sample_by_sample(self, name: str) -> None:
        first = talk(*PLAN, rate=8_000)[: round(2.5 * 8_000)]
        expected = [event for event in whole(name, 8_000) if event.at <= len(first)]
        assert len(expected) >= 2
        assert push_all(MAKERS[name](8_000), first, 1) == expected

    @cases
    def test_the_decision_sample(self, name: str, rate: int) -> None:
        x, detector = talk(*PLAN, rate=rate), MAKERS[name](rate)
        events = whole(name, rate)
        for index, event in enumerate(events):
            upto = [other for other in events if other.at <= event.at]
            detector.reset()
            assert detector.push(x[: event.at]) == upto
            detector.reset()
            before = detector.push(x[: event.at - 1])
            assert before == [other for other in events if other.at < event.at]
            assert event not in before, index
            # And the very next sample brings it.
            assert detector.push(x[event.at - 1 : event.at]) == upto[len(before) :]

    @cases
    def test_future_changes_nothing(self, name: str, rate: int) -> None:
        x, detector = talk(*PLAN, rate=rate), MAKERS[name](rate)
        for seconds in (1.0, 1.9, 3.3):
            now = round(seconds * rate)
            future = talk(2.0, rate=rate, seed=7)
            detector.reset()
            got = detector.push(np.concatenate([x[:now], future]))
            past = [event for event in got if event.at <= now]
            assert past == [event for event in whole(name, rate) if event.at <= now]

    @pytest.mark.parametrize("name", MAKERS)
    def test_reset_is_fresh(self, name: str) -> None:
        x, detector = talk(*PLAN, rate=8_000), MAKERS[name](8_000)
        for seconds in (0.01, 1.3, 2.2):
            detector.push(x[: round(seconds * 8_000)])
            detector.reset()
            assert tuple(detector.push(x)) == whole(name, 8_000)
            detector.reset()

    @pytest.mark.parametrize("name", MAKERS)
    def test_int16_is_the_same(self, name: str) -> None:
        pcm = np.round(talk(*PLAN, rate=8_000) * 32_768).astype(np.int16)
        detector = MAKERS[name](8_000)
        as_int = detector.push(pcm)
        detector.reset()
        assert detector.push(pcm / np.float64(32_768)) == as_int
        assert as_int

    @pytest.mark.parametrize("name", MAKERS)
    def test_caller_may_reuse_its_buffer(self, name: str) -> None:
        x, detector = talk(*PLAN, rate=8_000), MAKERS[name](8_000)
        buffer, events = np.zeros(200, dtype=np.float32), list[TurnEvent]()
        for start in range(0, len(x) - 199, 200):
            buffer[:] = x[start : start + 200]
            events += detector.push(buffer)
            buffer[:] = np.nan
        assert tuple(events) == whole(name, 8_000)

    @pytest.mark.parametrize("name", MAKERS)
    def test_trace_tells_what_happened(self, name: str) -> None:
        detector = MAKERS[name](8_000)
        x, detector.trace = talk(*PLAN, rate=8_000), Trace()
        events = detector.push(x)
        at, silence_s, score = detector.trace.arrays()
        assert len(at) == len(silence_s) == len(score) == len(detector.trace.speech) > 100
        assert (np.diff(at) >= 0).all()
        assert {event.at for event in events} <= set(at.tolist())
        assert np.isfinite(detector.trace.speech).all()
        assert (np.diff(silence_s)[silence_s[1:] > 0] > 0).mean() > 0.95
        paused = at[silence_s > 0]
        inside = [e.at for e in events if e.kind in (EventKind.SPEECH_PAUSED, EventKind.TURN_ENDED)]
        assert set(inside) <= set(paused.tolist())
        known = score[~np.isnan(score)]
        assert ((known >= 0) & (known <= 1)).all()
        assert (len(known) == 0) == name.startswith("vad")

    @settings(
        max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
    )
    @given(sizes=st.lists(st.integers(0, 9_000), max_size=8))
    def test_any_chunks_with_any_pauses(self, sizes: list[int]) -> None:
        x, detector = talk(*PLAN, rate=16_000), STREAMING
        detector.reset()
        events, edges = list[TurnEvent](), np.cumsum([0, *sizes, len(x)]).tolist()
        for start, end in pairwise(edges):
            events += detector.push(x[start:end])
        assert tuple(events) == whole("streaming", 16_000)


STREAMING = make_streaming(16_000)


class TestInputs:
    @pytest.fixture
    def detector(self) -> StreamingDetector:
        return make_streaming(8_000)

    def test_from_the_future(self, detector: StreamingDetector) -> None:
        x = talk(*PLAN, rate=8_000)
        detector.push(x[:4_000])
        with pytest.raises(InputError, match=r"'words' at sample 4161: expected 0 \.\. 4160"):
            detector.push(x[4_000:4_160], [TurnInput(4_161, "words", "well")])
        with pytest.raises(InputError, match="sample -1"):
            detector.push(x[4_000:4_160], [TurnInput(-1, "words", "well")])
        given = [TurnInput(4_160, "words", "well"), TurnInput(10, "expectation", "digits")]
        rest = detector.push(x[4_000:4_160], given) + detector.push(x[4_160:])
        assert rest == [event for event in whole("streaming", 8_000) if event.at > 4_000]

    @pytest.mark.parametrize(
        "bad",
        [
            np.array([0.0, np.nan]), np.array([np.inf]), np.zeros((10, 2)), np.zeros(3, np.int32),
            np.array(0.0),
        ],
        ids=["nan", "inf", "stereo", "int32", "scalar"],
    )  # fmt: skip
    def test_bad_samples_are_not_consumed(self, detector: StreamingDetector, bad: Any) -> None:
        x = talk(*PLAN, rate=8_000)
        events = detector.push(x[:9_000])
        with pytest.raises(InputError, match="sample"):
            detector.push(bad)
        assert tuple(events + detector.push(x[9_000:])) == whole("streaming", 8_000)

    def test_nothing_is_fine(self, detector: StreamingDetector) -> None:
        assert detector.push([]) == []
        assert detector.push(np.zeros(0, np.int16), [TurnInput(0, "words", "")]) == []

    @pytest.mark.parametrize("rate", [0, 3_999, 16_000.5, True])
    def test_bad_rate(self, rate: Any) -> None:
        with pytest.raises(InputError, match="sample rate"):
            make_streaming(rate)


class TestReplay:
    @pytest.mark.parametrize("chunk", [None, 160, 513, 10**6])
    def test_is_a_loop_over_push(self, chunk: int | None) -> None:
        x, detector = talk(*PLAN, rate=8_000), make_streaming(8_000)
        detector.push(x[:5_000])  # is reset first
        assert tuple(replay(detector, x, chunk=chunk)) == whole("streaming", 8_000)

    @pytest.mark.parametrize("chunk", [None, 100, 160])
    def test_inputs_come_with_the_chunk_that_reaches_them(self, chunk: int | None) -> None:
        x, seen = talk(*PLAN, rate=8_000), list[tuple[int, int]]()

        class Spy(StreamingDetector):
            def push(self, samples: Any, inputs: Any = ()) -> list[TurnEvent]:
                events = super().push(samples, inputs)
                seen.extend((item.at, self._consumed) for item in inputs)
                return events

        inner = make_streaming(8_000)
        spy = Spy("spy", inner._scorer, Gate(), POLICY, 8_000)
        inputs = [TurnInput(at, "words", str(at)) for at in (len(x), 0, 250, 101, 320)]
        replay(spy, x, inputs, chunk)
        step = chunk or len(x)
        due = [
            (at, min(max(-(-at // step), 1) * step, len(x))) for at in (0, 101, 250, 320, len(x))
        ]
        assert seen == due

    def test_no_input_is_lost(self) -> None:
        x, detector = talk(*PLAN, rate=8_000), make_streaming(8_000)
        for chunk in (None, 160):
            with pytest.raises(InputError, match=rf"sample {len(x) + 1}: there are {len(x)}"):
                replay(detector, x, [TurnInput(len(x) + 1, "words", "late")], chunk)
            with pytest.raises(InputError, match="sample -5"):
                replay(detector, x, [TurnInput(-5, "words", "early")], chunk)

    @pytest.mark.parametrize("chunk", [0, -160])
    def test_bad_chunk(self, chunk: int) -> None:
        with pytest.raises(InputError, match="chunk"):
            replay(make_streaming(8_000), talk(*PLAN, rate=8_000), chunk=chunk)

    def test_empty(self) -> None:
        assert replay(make_streaming(8_000), []) == []


class TestTiming:
    @pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
    @pytest.mark.parametrize("name", ["vad:silero", "streaming"])
    def test_speech_and_silence_begin_where_they_do(self, name: str, rate: int) -> None:
        events = MAKERS[name](rate).push(talk(-0.4, 1.0, -2.0, rate=rate))
        started = next(e for e in events if e.kind is EventKind.SPEECH_STARTED)
        assert started.since / rate == pytest.approx(0.4, abs=0.1)
        ended = next(e for e in events if e.kind is EventKind.TURN_ENDED)
        # Either network lets speech ring on for a little.
        assert 1.35 < ended.since / rate < 1.75

    @pytest.mark.parametrize("delay_s", [0.3, 0.6, 1.0])
    def test_a_timeout_waits_as_long_as_it_says(self, delay_s: float) -> None:
        detector = vad_timeout("webrtc", 16_000, Policy.timeout_only(delay_s))
        events = detector.push(talk(-0.4, 1.0, -2.0))
        ended = next(e for e in events if e.kind is EventKind.TURN_ENDED)
        assert ended.reason is Reason.TIMEOUT
        waited = (ended.at - ended.since) / 16_000
        # On a clock that began half a frame before the first silent one.
        assert delay_s - 0.011 <= waited <= delay_s + 0.02

    def test_policy_may_be_replaced_at_any_time(self) -> None:
        x = talk(-0.4, 1.0, -2.0)
        detector = vad_timeout("webrtc", 16_000, Policy.timeout_only(2.0))
        events = detector.push(x[: round(2.2 * 16_000)])
        assert EventKind.TURN_ENDED not in [e.kind for e in events]
        detector.policy = Policy.timeout_only(0.3)
        assert detector.push(x[round(2.2 * 16_000) :])[0].kind is EventKind.TURN_ENDED


class TestQueries:
    """An encoder is asked at set times of a silence, and not again after a click."""

    class Spy:
        def __init__(self) -> None:
            self.asked: list[float] = []
            self.heard: list[Samples] = []

        def __call__(self, audio: Samples, silence_s: float) -> float:
            self.asked.append(round(silence_s, 3))
            self.heard.append(audio)
            return 0.1

    class Script:
        """A VAD that hears what it was told to."""

        sample_rate = 16_000
        hop = 320

        def __init__(self, *runs: tuple[float, int]) -> None:
            self.frames = [p for p, n in runs for _ in range(n)]
            self.reset()

        def reset(self) -> None:
            self.done = 0
            self.samples = 0

        def push(self, samples: Samples) -> NDArray[np.float32]:
            self.samples += len(samples)
            upto = self.samples // self.hop
            out = np.array(self.frames[self.done : upto], dtype=np.float32)
            self.done = upto
            return out

    def run(self, *runs: tuple[float, int], times: tuple[float, ...] = TIMES_S) -> Spy:
        from turnkit.detector.semantic import QueryScorer

        spy, vad = self.Spy(), self.Script(*runs)
        scorer = QueryScorer(vad, spy, times, window_s=0.5)
        detector = StreamingDetector("spy", scorer, Gate(), Policy(1.0, 0.2, 5.0), 16_000)
        counted = np.arange(len(vad.frames) * vad.hop, dtype=np.float32) / 2**20
        detector.push(counted)
        whole_heard = spy.asked, [x.tolist() for x in spy.heard]
        spy.asked, spy.heard = [], []
        detector.reset()
        push_all(detector, counted, 513)
        assert (spy.asked, [x.tolist() for x in spy.heard]) == whole_heard
        return spy

    def test_at_the_first_frame_past_each_time(self) -> None:
        spy = self.run((1.0, 30), (0.0, 60))
        assert spy.asked == [0.21, 0.41, 0.71]

    def test_hears_what_came_before_and_nothing_else(self) -> None:
        spy = self.run((1.0, 30), (0.0, 60))
        for asked, heard in zip(spy.asked, spy.heard, strict=True):
            end = 30 * 320 + round((asked - 0.01) / 0.02) * 320
            assert len(heard) == 8_000
            assert heard[-1] * 2**20 == end - 1
            assert heard[0] * 2**20 == end - 8_000

    def test_a_click_is_no_reason_to_ask_again(self) -> None:
        spy = self.run((1.0, 30), (0.0, 25), (1.0, 3), (0.0, 40))
        assert spy.asked == [0.21, 0.41, 0.71]

    def test_a_new_silence_is(self) -> None:
        spy = self.run((1.0, 30), (0.0, 25), (1.0, 10), (0.0, 30))
        assert spy.asked == [0.21, 0.41, 0.21, 0.41]

    @pytest.mark.parametrize("frames", [5, 6, 10, 11, 12, 20, 21])
    def test_a_new_silence_after_one_of_any_length(self, frames: int) -> None:
        spy = self.run((1.0, 30), (0.0, frames), (1.0, 10), (0.0, 40))
        assert spy.asked[-3:] == [0.21, 0.41, 0.71]

    def test_times_that_one_frame_spans_are_asked_once(self) -> None:
        assert self.run((1.0, 30), (0.0, 30), times=(0.2, 0.205, 0.21)).asked == [0.21]

    def test_smart_turns_own_schedule_asks_once(self) -> None:
        assert self.run((1.0, 30), (0.0, 20), (1.0, 2), (0.0, 60), times=(0.2,)).asked == [0.21]


def test_a_real_row(phone_turns: Path) -> None:
    """A real row: the promises hold on what nobody made up."""
    from turnkit.corpus.reader import load_corpus

    turn = load_corpus(str(phone_turns / "dev.parquet"))[0]
    x, rate = turn.samples[: 5 * turn.sample_rate], turn.sample_rate
    for name in ("vad:silero", "vad:webrtc", "streaming", "encoder"):
        detector = MAKERS[name](rate)
        events = detector.push(x)
        assert events, name
        for chunk in (160, 513):
            detector.reset()
            assert push_all(detector, x, chunk) == events, name
        for event in events[:3]:
            detector.reset()
            assert event in detector.push(x[: event.at])
            detector.reset()
            assert event not in detector.push(x[: event.at - 1])


def test_unknown_vad() -> None:
    with pytest.raises(ConfigError, match="VAD 'none'"):
        vad_timeout("none", 8_000)


def test_is_a_turn_detector() -> None:
    assert isinstance(make_streaming(8_000), TurnDetector)


def test_decoded_file_gives_the_same(tmp_path: Path) -> None:
    import soundfile

    pcm = np.round(talk(*PLAN, rate=8_000) * 32_767).astype(np.int16)
    soundfile.write(tmp_path / "x.flac", pcm, 8_000)
    samples, rate = decode_audio(tmp_path / "x.flac")
    assert replay(make_streaming(rate), samples) == replay(make_streaming(rate), pcm)
