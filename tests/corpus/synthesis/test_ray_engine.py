from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.corpus.synthesis.tiny import hashes, tiny
from turnkit.corpus.synthesis import ray_engine
from turnkit.corpus.synthesis.making import RECORD, Made, make_corpus
from turnkit.corpus.synthesis.shards import plan_shards
from turnkit.errors import ConfigError, RunError


@pytest.mark.slow
def test_ray_makes_the_same_bytes(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.delenv(ray_engine.ADDRESS, raising=False)
    monkeypatch.setenv("RAY_worker_niceness", "0")  # or else other tests hold it up
    out = tmp_path / "x"
    for name in sorted(hashes(made.folder))[2:]:  # two are left to be made
        (out / "data").mkdir(parents=True, exist_ok=True)
        (out / "data" / name).write_bytes((made.folder / "data" / name).read_bytes())
    begun = made.record | {"complete": False}
    (out / RECORD).write_text(json.dumps(begun))
    again = make_corpus(tiny(), out, workers=2, engine="ray")
    assert again.record["run"]["engine"] == "ray"
    assert again.fresh == 4
    assert hashes(out) == hashes(made.folder)


def written(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ray_engine.ADDRESS, address)
    next(ray_engine.written_by_ray("nowhere", {}, [], 1), None)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("127.0.0.1:{port}", "refused"),
        ("ray://localhost:{port}", "refused"),
        ("localhost:ten", "Port could not be cast"),
        ("nobody.invalid:6379", r"\("),
        ("nonsense", "Invalid address format"),
    ],
)
def test_a_cluster_that_is_not_there(
    address: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(ConfigError, match=f"RAY_ADDRESS=.*no Ray cluster there.*{problem}"):
            written(address.format(port=port), monkeypatch)


class FakeRay:
    """Of Ray, what `written_by_ray` calls; the tasks fail."""

    def __init__(self, error: Exception, starts: bool = True) -> None:
        self._error, self._starts = error, starts
        self.stopped = False

    def is_initialized(self) -> bool:
        return False

    def init(self, **_: object) -> None:
        if not self._starts:
            raise self._error

    def remote(self, **_: object) -> Any:
        return lambda function: SimpleNamespace(remote=lambda *_: function)

    def wait(self, pending: list[Any], **_: object) -> tuple[list[Any], list[Any]]:
        return pending[:1], pending[1:]

    def get(self, _: object) -> None:
        raise self._error

    def shutdown(self) -> None:
        self.stopped = True


def failing(fake: FakeRay, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ray_engine.ADDRESS, raising=False)
    fake.exceptions = sys.modules["ray.exceptions"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", fake)
    list(ray_engine.written_by_ray("", {}, plan_shards(tiny(), made.record["voices"]), 1))


def test_what_fails_in_a_task_is_said_as_here(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = pytest.importorskip("ray.exceptions")
    task = errors.RayTaskError("f", "a page of traceback", ConfigError("voice 'x'"))
    fake = FakeRay(task.as_instanceof_cause())
    with pytest.raises(ConfigError, match=r"^voice 'x'$"):
        failing(fake, made, monkeypatch)
    assert fake.stopped


def test_tasks_that_are_lost_are_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = pytest.importorskip("ray.exceptions")
    fake = FakeRay(errors.WorkerCrashedError())
    with pytest.raises(RunError, match=r"a task was lost \(.*died.*the same command"):
        failing(fake, made, monkeypatch)
    assert fake.stopped


def test_ray_that_does_not_start_is_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray.exceptions")
    with pytest.raises(ConfigError, match=r"does not start on this machine \(no room\)"):
        failing(FakeRay(RuntimeError("no room\nat all"), starts=False), made, monkeypatch)
