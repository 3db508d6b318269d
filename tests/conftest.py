"""What every test module shares: few threads, private caches, the corpora beside the clone."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

# Before numpy, torch and datasets are imported: they read these once. Test processes run
# side by side, and more threads than cores make all of them slower.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "agg")
_scratch = tempfile.mkdtemp(prefix="turnkit-tests-")
# Copies of throw-away parquet files do not belong in the user's cache.
os.environ["HF_DATASETS_CACHE"] = str(Path(_scratch) / "datasets")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

import pytest
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
