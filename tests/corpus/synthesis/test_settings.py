from __future__ import annotations

from pathlib import Path

import pytest

from turnkit.corpus.synthesis.settings import Spec, SplitSettings, read_spec
from turnkit.errors import ConfigError

TEXT = """
name: small
splits:
  train: {turns: 4, speakers: 2}
  test: {turns: 2, speakers: 1}
channel: {telephone: 1.0, opus: 0.0}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(TEXT)
    return path


def test_a_spec_is_read_and_overridden(file: Path) -> None:
    spec = read_spec(file, ["splits.train.turns=8", "channel.telephone=0.5", "seed=3"])
    assert spec.splits == {"train": SplitSettings(8, 2), "test": SplitSettings(2, 1)}
    assert (spec.channel.telephone, spec.channel.opus, spec.seed) == (0.5, 0.0, 3)
    assert spec.turns == 10


def test_the_shipped_spec_is_one() -> None:
    folder = Path(__file__).parents[3] / "data" / "synthetic"
    spec = read_spec(folder / "calls.yaml")
    assert spec.turns == 5_000
    assert spec.splits["test"] == SplitSettings(1_000, 60)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("name=a b", "name 'a b': expected letters"),
        ("seed=-1", "seed=-1: expected 0 or more"),
        ("language=de", "language 'de': expected en"),
        ("shard_turns=0", "shard_turns=0: expected 1 or more"),
        ("splits=3", "splits 3: expected the name of each split"),
        ("splits={}", "splits: expected one or more"),
        ("splits.all={turns: 1, speakers: 1}", "splits.all: expected a word"),
        ("splits.train.turns=0", "splits.train.turns=0: expected 1 or more"),
        ("splits.train.speakers=5", "splits.train.speakers=5: expected 1 to 4"),
        ("splits.train.rows=5", "splits.train.rows: unknown"),
        ("channel.telephone=2", "telephone 2.0: expected 0 .. 1"),
        ("chanel.telephone=1", "chanel: unknown; did you mean 'channel'?"),
        ("splits.test.turns=", "splits.test.turns None: expected a whole number"),
    ],
)
def test_what_does_not_fit_is_named(file: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_spec(file, [override])
    assert message in str(caught.value)


def test_a_spec_without_splits_is_refused() -> None:
    with pytest.raises(ConfigError, match="splits: expected one or more"):
        Spec("x", {})
