"""A bundle runs with numpy and ONNX Runtime alone, and importing turnkit costs nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import turnkit
from tests.models import write_run
from tests.speech import talk
from turnkit.export import export_run

ROOT = Path(turnkit.__file__).parents[1]
PLAN = (-0.4, 1.0, -0.45, 0.8, -1.5, 0.6, -1.0)

HEAVY = (
    "torch", "torchaudio", "lightning", "transformers", "soundfile", "datasets", "yaml", "onnx",
    "safetensors", "scipy", "librosa", "matplotlib", "pyarrow", "silero_vad", "webrtcvad",
    "platformdirs", "packaging",
)  # fmt: skip
"""What a bundle has no need of."""

USE = """
import json, sys
import turnkit
bundle, audio = sys.argv[1:3]
detector = turnkit.load(bundle, 8_000)
import numpy
samples = numpy.load(audio)
events = []
for start in range(0, len(samples), 160):
    events += detector.push(samples[start : start + 160])
print(json.dumps({
    "events": [[e.kind, e.at, e.since, e.reason] for e in events],
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    "where": turnkit.__file__,
}))
"""

REFUSE = """
import sys
class Refuse:
    allowed = {*sys.stdlib_module_names, "numpy", "onnxruntime", "turnkit"}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.allowed:
            raise ModuleNotFoundError(f"refused: {name}", name=name)
sys.meta_path.insert(0, Refuse())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("light")
    for kind in ("streaming", "encoder-head"):
        export_run(write_run(folder / kind, kind), folder / f"{kind}.turnkit")
    np.save(folder / "audio.npy", talk(*PLAN, rate=8_000))
    return folder


def run(*command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        env=kept | env,
        timeout=900,
    )


def used(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def expected(bundle: Path) -> list[list[Any]]:
    detector = turnkit.load(str(bundle), 8_000)
    return [[e.kind, e.at, e.since, e.reason] for e in detector.push(talk(*PLAN, rate=8_000))]


@pytest.mark.parametrize("kind", ["streaming", "encoder-head"])
def test_everything_else_refused(folder: Path, kind: str) -> None:
    bundle = folder / f"{kind}.turnkit"
    code = REFUSE + USE
    found = used(run(sys.executable, "-c", code, bundle, folder / "audio.npy"))
    assert not set(HEAVY) & set(found["modules"])
    assert found["events"] == expected(bundle)
    assert len(found["events"]) > 3


def test_the_refusal_refuses() -> None:
    for name in ("yaml", "torch", "soundfile"):
        done = run(sys.executable, "-c", f"{REFUSE}\nimport {name}")
        assert f"refused: {name}" in done.stderr


def test_resampled_input_too(folder: Path) -> None:
    code = REFUSE + USE.replace("8_000", "44_100")
    found = used(
        run(sys.executable, "-c", code, folder / "streaming.turnkit", folder / "audio.npy")
    )
    assert not set(HEAVY) & set(found["modules"])


@pytest.mark.parametrize("name", ["default", "encoder"])
def test_shipped_bundle_imports_no_torch(name: str) -> None:
    code = (
        f"{REFUSE}\nimport turnkit, numpy, sys\n"
        "from turnkit.errors import BundleError, ConfigError, MissingAssetError\n"
        "try:\n"
        f"    detector = turnkit.load({name!r}, 8_000)\n"
        "except (MissingAssetError, BundleError, ConfigError) as error:\n"
        "    sys.exit(f'not here: {error}')\n"
        "detector.push(numpy.zeros(8_000, dtype=numpy.float32))\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = run(sys.executable, "-c", code, **_peers())
    if "not here:" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the XDG folders are Linux's")
@pytest.mark.parametrize("env", [{}, {"XDG_CACHE_HOME": "/elsewhere"}, {"TURNKIT_CACHE": "/here"}])
def test_cache_is_the_same_without_platformdirs(env: dict[str, str]) -> None:
    code = "import turnkit.files; print(turnkit.files.cache_dir())"
    env = {"TURNKIT_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/home/somebody"} | env
    plain, refused = (run(sys.executable, "-c", before + code, **env) for before in ("", REFUSE))
    assert refused.stdout == plain.stdout != ""


def _peers() -> dict[str, str]:
    names = ("TURNKIT_CACHE", "TURNKIT_SMART_TURN")
    return {name: os.environ[name] for name in names if name in os.environ}


def imported(code: str) -> set[str]:
    done = run(sys.executable, "-X", "importtime", "-c", code)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines[1:]}


def test_importing_turnkit_imports_nothing() -> None:
    found = imported("import turnkit")
    assert "turnkit" in found
    assert not {"numpy", "onnxruntime", *HEAVY} & found


def test_importing_the_path_of_load_imports_numpy_alone() -> None:
    found = imported("import turnkit.detector.opening")
    assert "numpy" in found
    assert not {"onnxruntime", *HEAVY} & found


@pytest.mark.slow
def test_in_an_environment_of_its_own(folder: Path, tmp_path: Path) -> None:
    """A real one: numpy and onnxruntime from the registry, and nothing that they do not need."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    wanted = (f"numpy=={np.__version__}", f"onnxruntime=={onnxruntime.__version__}")
    installed = run(python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", *wanted)
    if installed.returncode != 0 and _offline(installed.stderr):
        pytest.skip(f"pip reaches no registry: {installed.stderr.strip().splitlines()[-1]}")
    assert installed.returncode == 0, installed.stderr
    for name in ("torch", "soundfile", "datasets", "yaml", "onnx", "silero_vad"):
        done = run(python, "-c", f"import {name}")
        assert "ModuleNotFoundError" in done.stderr, name
    for kind in ("streaming", "encoder-head"):
        bundle, audio = folder / f"{kind}.turnkit", folder / "audio.npy"
        found = used(run(python, "-c", USE, bundle, audio, PYTHONPATH=str(ROOT)))
        assert Path(found["where"]).parents[1] == ROOT
        assert found["events"] == expected(bundle)
        assert not set(HEAVY) - {"packaging"} & set(found["modules"])


def _offline(message: str) -> bool:
    signs = ("Could not find a version", "NewConnectionError", "ConnectTimeout", "timed out",
             "Max retries", "NameResolutionError")  # fmt: skip
    return any(sign in message for sign in signs)
