from __future__ import annotations

import argparse
import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import turnkit
from turnkit.cli import main as cli
from turnkit.errors import ConfigError, CorpusError, MissingDependencyError

SCRIPT = Path(sys.executable).with_name("turnkit")


def turnkit_command(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "turnkit", *args],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


@pytest.fixture
def run_that(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int]], int]:
    """Run a command whose body is the given function."""

    def run(body: Callable[[], int]) -> int:
        parser = argparse.ArgumentParser()
        parser.set_defaults(run=lambda _: body())
        monkeypatch.setattr(cli, "build_parser", lambda: parser)
        return cli.main([])

    return run


def raising(error: BaseException) -> Callable[[], int]:
    def body() -> int:
        raise error

    return body


def test_help_answers_in_half_a_second_and_lists_every_command() -> None:
    def timed() -> tuple[float, str]:
        started = time.perf_counter()
        done = turnkit_command("--help")
        assert done.returncode == 0
        return time.perf_counter() - started, done.stdout

    # The quickest of a few: the others say how busy the machine was.
    seconds, text = min(timed() for _ in range(5))
    assert seconds < 0.5
    for command in cli.COMMANDS:
        assert re.search(rf"^    {command}\s", text, re.M), command


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_its_own_help(command: str) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0


def test_nothing_heavy_is_imported_for_the_help() -> None:
    script = (
        "import sys, contextlib\n"
        "from turnkit.cli.main import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "heavy = {'torch', 'datasets', 'onnxruntime', 'matplotlib', 'soundfile', 'pandas'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_importing_turnkit_imports_nothing_else() -> None:
    script = "import sys, turnkit; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_installed_command_is_the_module() -> None:
    if not SCRIPT.exists():
        pytest.skip("turnkit is not installed in this environment, only importable")
    done = subprocess.run([SCRIPT, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == turnkit_command("--version").stdout == f"turnkit {turnkit.__version__}\n"


@pytest.mark.parametrize("args", [[], ["nonsense"], ["data"], ["data", "describe"], ["--nope"]])
def test_bad_usage_is_status_2(args: list[str]) -> None:
    done = turnkit_command(*args)
    assert done.returncode == 2
    assert "usage: turnkit" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CorpusError("corpus x: cannot be read"), 1),
        (MissingDependencyError("torch", "train", "training"), 1),
        (ConfigError("recipe x: key y"), 2),
        (OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), "/runs/x"), 1),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/runs/x"), 1),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/runs/x"), 1),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/runs/x"), 1),
    ],
)
def test_errors_become_one_line_and_a_status(
    run_that: Callable[[Callable[[], int]], int],
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    status: int,
) -> None:
    assert run_that(raising(error)) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("turnkit: error: ")
    assert printed.err.count("\n") == 1
    told = "/runs/x: " if isinstance(error, OSError) and error.errno else str(error)
    assert told in printed.err


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), KeyError("a bug"), OSError(errno.EBADF, "a bug")]
)
def test_bugs_keep_their_traceback(
    run_that: Callable[[Callable[[], int]], int], error: Exception
) -> None:
    with pytest.raises(type(error), match="a bug"):
        run_that(raising(error))


def test_the_status_of_a_command_is_passed_on(
    run_that: Callable[[Callable[[], int]], int],
) -> None:
    assert [run_that(lambda: 0), run_that(lambda: 1)] == [0, 1]


def test_ctrl_c_is_status_130_without_a_traceback() -> None:
    script = (
        "import argparse, sys, time\n"
        "from turnkit.cli import main as cli\n"
        "parser = argparse.ArgumentParser()\n"
        "def run(args):\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "parser.set_defaults(run=run)\n"
        "cli.build_parser = lambda: parser\n"
        "sys.exit(cli.main([]))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert error == "turnkit: error: interrupted\n"


def test_a_reader_that_goes_away_is_no_bug() -> None:
    script = (
        "import argparse, sys\n"
        "from turnkit.cli import main as cli\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.set_defaults(run=lambda args: print('x' * 1_000_000) or 0)\n"
        "cli.build_parser = lambda: parser\n"
        "sys.exit(cli.main([]))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        error = process.stderr.read()
        process.wait(timeout=30)
    assert (process.returncode, error) == (cli.PIPE_CLOSED, b"")
