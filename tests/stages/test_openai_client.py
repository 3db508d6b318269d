from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkit.errors import ConfigError
from turnkit.stages.openai_client import (
    NO_KEY,
    PROBLEM_CHARACTERS,
    harmless,
    open_client,
    read_key,
)

KEY = "sk-0123456789abcdef"


@given(before=st.text("xyz ", max_size=300), after=st.text("xyz ", max_size=300))
def test_no_part_of_a_key_passes_wherever_it_stands(before: str, after: str) -> None:
    told = harmless(before + KEY + after, KEY)
    assert len(told) <= PROBLEM_CHARACTERS
    assert told == f"{before}***{after}"[:PROBLEM_CHARACTERS]
    assert "sk-" not in told


def test_the_word_none_is_no_secret() -> None:
    assert harmless("none of this", NO_KEY) == "none of this"


@pytest.mark.parametrize("value", ["sk-first\nsk-second", "sk-\x07", "sk-\u00e9"])
def test_keys_that_cannot_be_sent(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("A_KEY", value)
    with pytest.raises(ConfigError, match=r"^llm\.api_key_env: .* A_KEY holds") as caught:
        read_key("llm", "A_KEY")
    assert "sk-" not in str(caught.value)
    monkeypatch.setenv("A_KEY", f" {KEY}\n")
    assert read_key("llm", "A_KEY") == KEY
    assert read_key("llm", None) == NO_KEY


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_files_that_hold_no_certificates(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"ca_file '.*ca\.pem': not a file of PEM certificates"):
        open_client(
            "http://x/v1",
            NO_KEY,
            timeout_s=1.0,
            connect_timeout_s=1.0,
            retries=0,
            purpose="a test",
            ca_file=str(path),
        )
