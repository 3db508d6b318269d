"""Settings of channels: what fits, and what is said of what does not."""

from __future__ import annotations

from typing import Any

import pytest

from turnkit.corpus.synthesis.channel import ChannelSettings
from turnkit.errors import ConfigError
from turnkit.settings_file import build


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("clean", 1.5),
        ("clean_snr_db", (45.0, 30.0)),
        ("clean_snr_db", (10.0, 30.0)),
        ("rooms", 1.5),
        ("echo", -0.1),
        ("rt60_s", (0.5, 0.2)),
        ("rt60_s", (0.01, 0.2)),
        ("noisy_snr_db", (0.0, 90.0)),
        ("high_cut_hz", (5_000.0, 9_000.0)),
        ("level_spread_db", -1.0),
        ("loss", (0.0, 0.9)),
        ("talkers", (1, 2)),
        ("talkers", (6, 4)),
        ("room_count", 0),
        ("room_seed", -1),
    ],
)
def test_a_value_that_does_not_fit_is_named(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{key} .*expected"):
        ChannelSettings(**{key: value})


def test_lines_cannot_be_more_than_all() -> None:
    with pytest.raises(ConfigError, match=r"telephone 0\.7 and opus 0\.4"):
        ChannelSettings(telephone=0.7, opus=0.4)


def test_it_is_built_from_a_file() -> None:
    content = {"telephone": 1, "opus": 0, "rt60_s": [0.2, 0.3], "talkers": [4, 5]}
    built = build(ChannelSettings, content, "channel")
    assert built == ChannelSettings(telephone=1.0, opus=0.0, rt60_s=(0.2, 0.3), talkers=(4, 5))
    with pytest.raises(ConfigError, match=r"channel\.telefone.*telephone"):
        build(ChannelSettings, {"telefone": 1}, "channel")
