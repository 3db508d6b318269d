"""Samples: checks, decoding faults, the streaming resampler, the noise floor."""

from __future__ import annotations

import io
import math
import resource
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from turnkit.audio import Resampler, Samples, as_audio, continue_floor, decode_audio, resample
from turnkit.errors import InputError
from turnkit.timing import check_rate, to_samples, to_seconds

RATES = (8_000, 16_000, 22_050, 44_100, 48_000)
PAIRS = [(source, target) for source in RATES for target in (8_000, 16_000) if source != target]


def noise(n: int, seed: int = 0, level: float = 0.1) -> Samples:
    return (level * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def pushed(resampler: Resampler, samples: Samples, chunk: int) -> Samples:
    parts = [resampler.push(samples[i : i + chunk]) for i in range(0, len(samples), chunk)]
    return np.concatenate(parts)


def encoded(
    samples: NDArray[Any], rate: int = 16_000, format: str = "WAV", subtype: str | None = None
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format=format)
    return file.getvalue()


class TestAsAudio:
    def test_float_stays(self) -> None:
        x = noise(10)
        assert as_audio(x).dtype == np.float32
        np.testing.assert_array_equal(as_audio(x.astype(np.float64)), x)

    def test_int16_is_scaled(self) -> None:
        x = np.array([-32768, 0, 16384, 32767], dtype=np.int16)
        np.testing.assert_allclose(as_audio(x), [-1.0, 0.0, 0.5, 32767 / 32768])

    @pytest.mark.parametrize("empty", [[], np.zeros(0, np.int16), np.zeros(0, np.int64)])
    def test_empty(self, empty: Any) -> None:
        assert as_audio(empty).shape == (0,)

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("where", [0, 7, 99])
    def test_names_the_first_bad_sample(self, bad: float, where: int) -> None:
        x = noise(100)
        x[where:] = bad
        with pytest.raises(InputError, match=rf"sample {where} is -?(nan|inf)"):
            as_audio(x)

    def test_stereo_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"\(100, 2\).*one dimension"):
            as_audio(np.zeros((100, 2), dtype=np.float32))

    def test_rows_of_different_lengths(self) -> None:
        with pytest.raises(InputError, match="one dimension"):
            as_audio([[0.0], [0.0, 1.0]])

    def test_beyond_float32(self) -> None:
        with pytest.raises(InputError, match="sample 1 is inf"):
            as_audio(np.array([0.0, 1e300]))

    @pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.bool_, np.complex64])
    def test_other_types_are_refused(self, dtype: type) -> None:
        with pytest.raises(InputError, match="expected floats in"):
            as_audio(np.zeros(4, dtype=dtype))


class TestRates:
    @pytest.mark.parametrize("rate", [8_000, 22_050, np.int64(48_000), 16_000.0])
    def test_accepted(self, rate: Any) -> None:
        assert check_rate(rate) == rate

    @pytest.mark.parametrize(
        "rate", [0, -8_000, 3_999, 384_001, 16_000.5, math.nan, math.inf, True, "16000", None]
    )
    def test_refused(self, rate: Any) -> None:
        with pytest.raises(InputError, match="sample rate"):
            check_rate(rate)

    @given(st.integers(0, 10**9), st.sampled_from(RATES))
    def test_samples_survive_seconds(self, n: int, rate: int) -> None:
        assert to_samples(to_seconds(n, rate), rate) == n


class TestDecode:
    @pytest.mark.parametrize("how", [{"format": "WAV"}, {"format": "FLAC"}, {"format": "AIFF"}])
    def test_lossless(self, how: dict[str, str], tmp_path: Path) -> None:
        x = (noise(1_000) * 32768).round() / np.float32(32768)
        path = tmp_path / "sound"
        path.write_bytes(encoded(x, 22_050, **how))
        for source in (path.read_bytes(), path, str(path)):
            samples, rate = decode_audio(source)
            assert rate == 22_050
            assert samples.dtype == np.float32
            np.testing.assert_array_equal(samples, x)

    def test_channels_are_averaged(self) -> None:
        both = np.stack([noise(500, 1), noise(500, 2)], axis=1)
        samples, _ = decode_audio(encoded(both, subtype="FLOAT"))
        np.testing.assert_allclose(samples, both.mean(axis=1), atol=1e-7)

    def test_nan_names_the_sample(self) -> None:
        x = noise(100)
        x[42] = np.nan
        with pytest.raises(InputError, match="sample 42 is nan"):
            decode_audio(encoded(x, subtype="FLOAT"))

    def test_infinities_that_cancel(self) -> None:
        both = np.zeros((100, 2), dtype=np.float32)
        both[7] = np.inf, -np.inf
        with pytest.raises(InputError, match="sample 7 is nan"):
            decode_audio(encoded(both, subtype="FLOAT"))

    @pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
    @pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
    def test_truncated(self, form: str, share: float) -> None:
        whole = encoded(noise(16_000), format=form)
        assert len(decode_audio(whole)[0]) == 16_000
        with pytest.raises(InputError, match=r"truncated|cannot be decoded|no samples"):
            decode_audio(whole[: int(share * len(whole))])

    def test_length_unknown_is_no_truncation(self) -> None:
        # As ffmpeg writes to a pipe: the sizes of RIFF and data are all ones.
        whole = bytearray(encoded(noise(1_000)))
        whole[4:8] = whole[40:44] = b"\xff\xff\xff\xff"
        assert len(decode_audio(bytes(whole))[0]) == 1_000

    def test_no_samples(self) -> None:
        with pytest.raises(InputError, match="holds no samples"):
            decode_audio(encoded(np.zeros(0, np.float32)))

    @pytest.mark.parametrize("junk", [b"", b"RIFF", b"not audio at all " * 50, bytes(4_096)])
    def test_not_audio(self, junk: bytes) -> None:
        with pytest.raises(InputError, match=r"^audio bytes: cannot be decoded") as caught:
            decode_audio(junk)
        assert "object at" not in str(caught.value)

    def test_missing_file_and_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"none\.wav: no such file"):
            decode_audio(tmp_path / "none.wav")
        with pytest.raises(InputError, match="cannot be decoded"):
            decode_audio(tmp_path)

    def test_raw_suffix(self, tmp_path: Path) -> None:
        (tmp_path / "x.raw").write_bytes(bytes(100))
        with pytest.raises(InputError, match="cannot be decoded"):
            decode_audio(tmp_path / "x.raw")

    def test_rate_out_of_range(self) -> None:
        with pytest.raises(InputError, match="sample rate 1000"):
            decode_audio(encoded(noise(100), 1_000))


class TestResampler:
    @pytest.mark.parametrize(("source", "target"), [*PAIRS, (16_000, 48_000), (8_000, 8_000)])
    def test_chunks_change_no_bit(self, source: int, target: int) -> None:
        x = noise(6_000)
        whole = Resampler(source, target).push(x)
        assert len(whole) > 500
        resampler = Resampler(source, target)
        for chunk in (1, 160, 513):
            resampler.reset()
            np.testing.assert_array_equal(pushed(resampler, x, chunk), whole)

    @given(
        st.sampled_from(PAIRS),
        st.lists(st.integers(0, 700), max_size=12),
    )
    def test_any_chunks(self, rates: tuple[int, int], sizes: list[int]) -> None:
        x = noise(sum(sizes), seed=len(sizes))
        resampler, edges = Resampler(*rates), np.cumsum([0, *sizes]).tolist()
        parts = [resampler.push(x[a:b]) for a, b in pairwise(edges)]
        whole = Resampler(*rates).push(x)
        np.testing.assert_array_equal(np.concatenate([np.zeros(0, np.float32), *parts]), whole)

    @given(st.sampled_from([*PAIRS, (16_000, 16_000)]), st.integers(1, 400))
    def test_inputs_needed_is_exact(self, rates: tuple[int, int], outputs: int) -> None:
        needed = Resampler(*rates).inputs_needed(outputs)
        x = noise(needed)
        assert len(Resampler(*rates).push(x)) >= outputs
        assert len(Resampler(*rates).push(x[:-1])) < outputs
        # Exact also for a stream that has been going on.
        resampler = Resampler(*rates)
        assert len(resampler.push(x[:-1])) + len(resampler.push(x[-1:])) >= outputs

    def test_nothing_needs_nothing(self) -> None:
        assert Resampler(44_100, 16_000).inputs_needed(0) == 0
        assert len(Resampler(44_100, 16_000).push(noise(0))) == 0

    @pytest.mark.parametrize(("source", "target"), PAIRS)
    def test_future_changes_nothing(self, source: int, target: int) -> None:
        resampler = Resampler(source, target)
        x, y = noise(3_000, 1), noise(3_000, 2)
        for outputs in (1, 50, 313):
            now = resampler.inputs_needed(outputs)
            mixed = np.concatenate([x[:now], y[now:]])
            np.testing.assert_array_equal(
                Resampler(source, target).push(mixed)[:outputs],
                Resampler(source, target).push(x)[:outputs],
            )

    @pytest.mark.parametrize(("source", "target"), [*PAIRS, (8_000, 44_100)])
    def test_sine_keeps_time_and_level(self, source: int, target: int) -> None:
        hz = 0.37 * min(source, target)  # 0.74 of the lower Nyquist frequency
        x = np.sin(2 * np.pi * hz * np.arange(source) / source + 0.3).astype(np.float32)
        got = resample(x, source, target)
        assert len(got) == target
        wanted = np.sin(2 * np.pi * hz * np.arange(target) / target + 0.3)
        middle = slice(200, -200)
        np.testing.assert_allclose(got[middle], wanted[middle], atol=1e-3)

    @pytest.mark.parametrize(("source", "target"), PAIRS)
    def test_like_scipy(self, source: int, target: int) -> None:
        low: Any = scipy.signal.firwin(401, 0.35 * min(source, target), fs=source)
        x = np.convolve(noise(source), low, mode="same").astype(np.float32)
        divisor = math.gcd(source, target)
        oracle = scipy.signal.resample_poly(
            x.astype(np.float64), target // divisor, source // divisor, window=("kaiser", 9.0)
        )
        got = resample(x, source, target)
        assert len(got) == len(oracle)
        middle = slice(100, -100)
        error = np.abs(got[middle] - oracle[middle]).max()
        assert error < 3e-3 * np.abs(oracle).max()

    @pytest.mark.parametrize(("source", "target"), [(16_000, 8_000), (48_000, 16_000)])
    def test_aliases_are_gone(self, source: int, target: int) -> None:
        tone = np.sin(2 * np.pi * 0.62 * target * np.arange(source) / source).astype(np.float32)
        level = np.sqrt(np.mean(resample(tone, source, target)[200:-200] ** 2))
        assert 20 * np.log10(level / np.sqrt(0.5)) < -70

    @pytest.mark.parametrize("n", [0, 1, 2, 159, 4_411])
    @pytest.mark.parametrize(("source", "target"), PAIRS)
    def test_length_of_a_whole(self, n: int, source: int, target: int) -> None:
        assert len(resample(noise(n), source, target)) == math.ceil(n * target / source)

    def test_bad_rate(self) -> None:
        with pytest.raises(InputError, match="sample rate 100"):
            Resampler(100, 16_000)

    def test_long_audio_fits_into_memory(self) -> None:
        # Ten minutes of 44.1 kHz at once: 106 MB of samples. All windows would be 2.6 GB.
        limit = resource.RLIMIT_AS
        code = (
            "import resource, numpy as np\n"
            f"resource.setrlimit({limit}, (1_500_000_000,) * 2)\n"
            "from turnkit.audio import Resampler\n"
            "n = 600 * 44_100\n"
            "print(len(Resampler(44_100, 16_000).push(np.zeros(n, np.float32))))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) == pytest.approx(600 * 16_000, abs=20)


def spectrum_db(x: NDArray[Any]) -> NDArray[np.float64]:
    _, power = scipy.signal.welch(x.astype(np.float64), nperseg=256)
    return np.asarray(10 * np.log10(power[2:-2]))


class TestContinueFloor:
    @staticmethod
    def floor(m: int, offset: float = 0.0) -> Samples:
        coloured: Any = scipy.signal.lfilter([1.0], [1.0, -0.8], noise(m + 500, 3, 0.003))[500:]
        return np.asarray(coloured + offset, dtype=np.float32)

    @pytest.mark.parametrize("m", [700, 2_048, 8_000])
    @pytest.mark.parametrize("offset", [0.0, 0.02])
    def test_level_spectrum_and_offset(self, m: int, offset: float) -> None:
        silence = self.floor(m, offset)
        more = continue_floor(silence, 64_000)
        assert more.dtype == np.float32
        assert len(more) == 64_000
        # The 95 % band of the mean of so much noise; a swelling offset would leave it.
        assert more.mean() == pytest.approx(silence.mean(), abs=1e-3)
        assert more.std() == pytest.approx(silence.std(), rel=0.15)
        assert np.abs(spectrum_db(more) - spectrum_db(silence)).mean() < 2.5
        levels = more.reshape(-1, 2_000).std(axis=1) / silence.std()
        assert levels.min() > 0.5
        assert levels.max() < 1.8

    def test_deterministic(self) -> None:
        silence = self.floor(4_000)
        np.testing.assert_array_equal(
            continue_floor(silence, 5_000), continue_floor(silence, 5_000)
        )
        other = continue_floor(silence, 5_000, seed=1)
        assert not np.array_equal(continue_floor(silence, 5_000), other)

    def test_prefix_of_a_longer_one(self) -> None:
        silence = self.floor(4_000)
        np.testing.assert_array_equal(
            continue_floor(silence, 9_000)[:2_500], continue_floor(silence, 2_500)
        )

    def test_no_zeros_and_no_step(self) -> None:
        for seed in range(5):
            silence = np.roll(self.floor(4_000), 100 * seed)
            more = continue_floor(silence, 16_000)
            assert np.count_nonzero(more == 0) < 3
            steps = np.abs(np.diff(silence))
            joint = abs(more[0] - silence[-1])
            assert joint <= steps.max()
            assert np.abs(np.diff(more)).max() <= 1.5 * steps.max()

    @pytest.mark.parametrize("m", [0, 5, 15])
    def test_too_short_to_go_on(self, m: int) -> None:
        np.testing.assert_array_equal(continue_floor(noise(m), 7), np.zeros(7))

    @given(st.integers(16, 3_000), st.integers(0, 5_000))
    def test_any_lengths(self, m: int, n: int) -> None:
        more = continue_floor(noise(m), n)
        assert len(more) == n
        assert np.isfinite(more).all()
        assert n < 100 or more.std() > 0.01
