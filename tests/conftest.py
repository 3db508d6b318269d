"""What every test module shares: few threads, private caches, the corpora beside the clone."""

from __future__ import annotations

import io
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Before numpy, torch and datasets are imported: they read these once. Test processes run
# side by side, and more threads than cores make all of them slower.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "agg")
# A shell that starts the tests in the background has them ignore Ctrl-C, which tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)
_scratch = tempfile.mkdtemp(prefix="turnkit-tests-")
# Copies of throw-away parquet files do not belong in the user's cache.
os.environ["HF_DATASETS_CACHE"] = str(Path(_scratch) / "datasets")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

import numpy as np
import pytest
import soundfile
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent

# A shared runner may stall for any length of time: that is no failure.
settings.register_profile("turnkit", deadline=None)
settings.load_profile("turnkit")


def pytest_unconfigure() -> None:
    shutil.rmtree(_scratch, ignore_errors=True)


@pytest.fixture(scope="session")
def phone_turns() -> Path:
    """Folder of the real telephone turns that lie beside the repository on some machines."""
    folder = REPOSITORY.parent / "shared" / "corpora" / "phone_turns"
    if not (folder / "dev.parquet").is_file():
        pytest.skip("the phone_turns corpus is not beside this clone (../shared/corpora)")
    return folder


@pytest.fixture(scope="session")
def make_row() -> Callable[..., dict[str, Any]]:
    """Make a corpus row: a hum between the given silences, over a noise floor."""

    def make(
        name: str = "a-001",
        spans: Sequence[tuple[float, float]] = ((0.8, 1.3), (2.0, 3.0)),
        seconds: float = 3.0,
        rate: int = 16_000,
        sound_format: str = "FLAC",
        **fields: Any,
    ) -> dict[str, Any]:
        time = np.arange(round(seconds * rate)) / rate
        seed = int.from_bytes(name.encode(), "little") % 2**32
        voiced = np.ones(len(time), dtype=bool)
        for start, end in spans:
            voiced &= (time < start) | (time >= end)
        samples = 0.001 * np.random.default_rng(seed).standard_normal(len(time))
        samples += 0.1 * voiced * np.sin(2 * np.pi * 150.0 * time)
        encoded = io.BytesIO()
        soundfile.write(encoded, samples, rate, format=sound_format)
        row = {
            "id": name,
            "language": "en",
            "audio": {"bytes": encoded.getvalue(), "path": None},
            "silence_spans": [{"start": start, "end": end} for start, end in spans],
        }
        return row | fields

    return make


@pytest.fixture(scope="session")
def write_parquet() -> Callable[[Path, Iterable[Mapping[str, Any]]], Path]:
    """Write rows to a parquet file as the hub stores them and return its path."""
    import pyarrow
    import pyarrow.parquet

    def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([dict(row) for row in rows]), path)
        return path

    return write
