from __future__ import annotations

from typing import Any

import pytest

from turnkit.corpus.synthesis.prosody.settings import ProsodySettings
from turnkit.errors import ConfigError
from turnkit.settings_file import build


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("strength", 2.1),
        ("strength", -0.1),
        ("ambiguous", 1.1),
        ("creak", -0.1),
        ("breath_out", 2.0),
        ("hold_stretch", [1.5, 1.2]),
        ("end_stretch", [0.1, 1.2]),
        ("breath_db", [-30.0, 0.0]),
    ],
)
def test_a_value_out_of_range_is_named(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=key):
        build(ProsodySettings, {key: value}, "prosody")


def test_settings_come_from_yaml() -> None:
    built = build(ProsodySettings, {"strength": 0.5, "breath_db": [-40, -30]}, "prosody")
    assert built == ProsodySettings(strength=0.5, breath_db=(-40.0, -30.0))
