from __future__ import annotations

import pytest

from tests.corpus.synthesis.tiny import tiny
from turnkit.corpus.synthesis.making import Made, make_corpus


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_corpus(tiny(), tmp_path_factory.mktemp("made") / "tiny", workers=1)
