from __future__ import annotations

import numpy as np
import pytest

from turnkit.errors import ConfigError
from turnkit.stages.scripting import Delay


def drawn(spec: str | float, n: int = 4000, seed: int = 0) -> np.ndarray:
    delay = Delay(spec, seed)
    return np.array([delay.draw_ms() for _ in range(n)])


@pytest.mark.parametrize("spec", [75, 75.0, "75", "constant:75", "uniform:75:75", "lognormal:75:0"])
def test_a_constant_is_that(spec: str | float) -> None:
    assert set(drawn(spec, 10)) == {75.0}


def test_a_lognormal_has_its_median_and_its_sigma() -> None:
    logs = np.log(drawn("lognormal:180:0.4"))
    assert np.median(logs) == pytest.approx(np.log(180), abs=0.03)
    assert logs.std() == pytest.approx(0.4, abs=0.02)


def test_a_tail_is_a_lognormal_and_now_and_then_more() -> None:
    values = drawn("tail:120:0.3:0.05:1500")
    slow = values > 1500
    assert slow.mean() == pytest.approx(0.05, abs=0.012)
    usual = np.log(np.where(slow, values - 1500, values))
    assert np.median(usual) == pytest.approx(np.log(120), abs=0.03)
    assert usual.std() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("spec", ["lognormal:180:0.4", "tail:120:0.3:0.05:1500", "uniform:1:2"])
def test_a_seed_gives_the_same_again(spec: str) -> None:
    assert np.array_equal(drawn(spec, 20, 5), drawn(spec, 20, 5))
    assert not np.array_equal(drawn(spec, 20, 5), drawn(spec, 20, 6))


@pytest.mark.parametrize(
    "spec",
    ["", "x", -1, "inf", "uniform:2:1", "uniform:1", "lognormal:1:2:3", "tail:1:1:1", "normal:1:1",
     "lognormal:180:99", "tail:120:5.1:0.1:10", "lognormal:3600001:1", "tail:1:1:0.1:1e9",
     "1e300", "uniform:1:1e9", "tail:120:0.3:1.5:10", "tail:120:0.3:-0.1:10"],
)  # fmt: skip
def test_specs_that_do_not_fit(spec: str | float) -> None:
    with pytest.raises(ConfigError, match="delay"):
        Delay(spec)
