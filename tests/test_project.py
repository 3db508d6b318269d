"""What the code imports and what pyproject.toml declares are one and the same."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import turnkit

ROOT = Path(turnkit.__file__).resolve().parent
PYPROJECT = ROOT.parent / "pyproject.toml"

if not PYPROJECT.is_file():
    pytest.skip("installed without its source tree", allow_module_level=True)

PROJECT = tomllib.loads(PYPROJECT.read_text())["project"]

OUTSIDE = {"ten-vad", "wandb"}
"""Distributions that are optional and not in the test environment."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None
    return normal(found.group())


def extra_closure(extra: str) -> set[str]:
    """Distributions of an extra, those of the extras it includes among them."""
    found: set[str] = set()
    for requirement in PROJECT["optional-dependencies"][extra]:
        if requirement.startswith("turnkit["):
            for inner in requirement.removeprefix("turnkit[").rstrip("]").split(","):
                found |= extra_closure(inner)
        else:
            found.add(requirement_name(requirement))
    return found


def declared() -> set[str]:
    extras = (extra_closure(extra) for extra in PROJECT["optional-dependencies"])
    return {requirement_name(r) for r in PROJECT["dependencies"]}.union(*extras)


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield path, ast.parse(path.read_text(), str(path))


def third_party_imports() -> dict[str, Path]:
    """Top-level packages that turnkit imports, and a module that does."""
    found: dict[str, Path] = {}
    for path, tree in modules():
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in (name.split(".")[0] for name in names):
                if name != "turnkit" and name not in sys.stdlib_module_names:
                    found.setdefault(name, path)
    return found


def test_every_import_is_declared() -> None:
    providers = importlib.metadata.packages_distributions()
    known = declared()
    missing = {
        package: str(path.relative_to(ROOT))
        for package, path in third_party_imports().items()
        if not {normal(name) for name in providers.get(package, [package])} & known
    }
    assert missing == {}


def test_an_error_about_a_missing_package_names_an_extra_that_brings_it() -> None:
    seen = 0
    base = {requirement_name(r) for r in PROJECT["dependencies"]}
    for path, tree in modules():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            where = f"{path.name}:{node.lineno}"
            if node.func.id == "needing":  # raises the error for whatever is missing
                package, extra = None, node.args[0]
            elif node.func.id == "MissingDependencyError" and path.name != "extras.py":
                package, extra = node.args[:2]
            else:
                continue
            assert isinstance(extra, ast.Constant), where
            assert extra.value in PROJECT["optional-dependencies"], where
            if isinstance(package, ast.Constant):
                brought = extra_closure(str(extra.value)) | base
                assert normal(str(package.value)) in brought, where
                seen += 1
    assert seen >= 5


def test_every_range_has_both_ends_and_holds_what_the_tests_run_with() -> None:
    from packaging.requirements import Requirement

    texts = [*PROJECT["dependencies"]]
    for extra in PROJECT["optional-dependencies"].values():
        texts += [text for text in extra if not text.startswith("turnkit[")]
    for requirement in map(Requirement, texts):
        assert {s.operator for s in requirement.specifier} == {">=", "<"}, str(requirement)
        if requirement.name not in OUTSIDE:
            installed = importlib.metadata.version(requirement.name)
            assert requirement.specifier.contains(installed), f"{requirement}: {installed}"


def test_the_version_is_one() -> None:
    assert importlib.metadata.version("turnkit") == turnkit.__version__


def test_types_are_shipped() -> None:
    assert (ROOT / "py.typed").is_file()
