from __future__ import annotations

from pathlib import Path

import pytest

from turnkit.errors import ConfigError
from turnkit.settings_file import apply_override, load_yaml

BROKEN = {
    "a: [1\nb: 2": "line 2, column 2: expected ',' or ']', but got ':'",
    "a: 1\n\tb: 2": "line 2, column 1: found character '\\t' that cannot start any token",
    "a: 1\nb: \x00": "line 2, column 4: special characters are not allowed",
    "a: 2020-13-45": "a value that cannot be: month must be in 1..12",
    "a: !!int x": "a value that cannot be: invalid literal",
    "a: " + "[" * 5_000: "nested too deep",
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_yaml_is_told_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, "recipe")
    assert str(caught.value).startswith(f"recipe {path}: not YAML ({BROKEN[text]}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["2020-13-45", "[", "[" * 5_000, "!!bool x"])
def test_a_value_that_is_no_yaml(value: str) -> None:
    with pytest.raises(ConfigError, match=r"override 'a.b=.*the value is not YAML") as caught:
        apply_override({}, f"a.b={value}")
    assert len(str(caught.value)) < 400


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a: caf\xe9")
    with pytest.raises(ConfigError, match=r"cannot be read .*can't decode byte 0xe9"):
        load_yaml(tmp_path / "x", "mix")
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        load_yaml(tmp_path, "mix")
