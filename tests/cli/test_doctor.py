from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from turnkit.cli import doctor
from turnkit.cli.main import main
from turnkit.errors import MissingAssetError


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, and torch is not imported."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(doctor, "_IMPORTED", {"numpy"})


def report(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, dict[str, str | None]]]:
    main(["doctor", "--json"])
    document = json.loads(capsys.readouterr().out)
    return {
        section: {item["name"]: item for item in document[section]}
        for section in ("packages", "assets")
    }


def test_it_lists_every_requirement_with_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    packages = report(capsys)["packages"]
    for name in ("numpy", "onnxruntime", "soundfile", "datasets", "torch", "pytest"):
        assert packages[name]["found"] == importlib.metadata.version(name)
        assert packages[name]["problem"] is None
    assert packages["numpy"]["required"]
    assert not packages["torch"]["required"]


def test_what_is_missing_comes_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    version = importlib.metadata.version

    def without(name: str) -> str:
        if name in {"torch", "datasets", "ten-vad", "pytest"}:
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    packages = report(capsys)["packages"]
    told = {name: packages[name]["problem"] for name in ("torch", "datasets", "ten-vad", "pytest")}
    assert told == {
        "torch": "pip install 'turnkit[train]'",
        "datasets": "pip install 'turnkit[data]'",
        "ten-vad": "pip install 'turnkit[ten]'",
        "pytest": "pip install 'turnkit[dev]'",
    }


def test_a_version_outside_the_tested_range(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "2.15.0" if name == "torch" else version(name)
    )
    torch = report(capsys)["packages"]["torch"]
    assert torch["found"] == "2.15.0"
    assert "<2.15" in str(torch["problem"])


def test_a_package_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "brokenlib.py").write_text("raise OSError('libx.so.13: cannot open\\nmore')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(doctor, "_IMPORTED", {"brokenlib"})
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "1.0")
    item = doctor._package(Requirement("brokenlib>=1"), None)
    assert item == doctor.Item(
        "brokenlib", "1.0", "cannot be imported: libx.so.13: cannot open", True
    )
    assert "BROKEN" in doctor._text({}, {"packages": [item]}, [item])


def test_assets_resolve_to_files_or_say_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TURNKIT_CACHE", str(tmp_path))
    assets = report(capsys)["assets"]
    assert "turnkit peers get smart-turn" in str(assets["Smart Turn v3.2 (peer)"]["problem"])
    assert "turnkit peers get smollm2" in str(assets["SmolLM2 (agent)"]["problem"])
    assert str(assets["Silero VAD"]["found"]).endswith(".onnx")
    for item in assets.values():
        assert bool(item["found"]) != bool(item["problem"])
        assert item["found"] is None or Path(item["found"]).exists()


@pytest.mark.parametrize(
    ("required", "there", "status"), [(True, True, 0), (True, False, 1), (False, False, 0)]
)
def test_only_what_is_required_decides_the_status(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    required: bool,
    there: bool,
    status: int,
) -> None:
    def find() -> Path:
        if there:
            return tmp_path
        raise MissingAssetError("it is not here")

    asset = doctor._asset("thing", find, required)
    monkeypatch.setattr(doctor, "_assets", lambda: iter([asset]))
    assert main(["doctor"]) == status
    text = capsys.readouterr().out
    assert ("required and broken: nothing" in text) is (status == 0)
    assert ("it is not here" in text) is not there
    assert main(["doctor", "--json"]) == status
    assert json.loads(capsys.readouterr().out)["ok"] is (status == 0)


def test_an_asset_whose_file_is_gone(tmp_path: Path) -> None:
    item = doctor._asset("thing", lambda: tmp_path / "gone.onnx")
    assert item.found is None
    assert "gone.onnx does not exist" in str(item.problem)
