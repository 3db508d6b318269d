"""Every error that turnkit raises on purpose.

::

    TurnkitError
    |-- InputError          samples, rates or arguments that cannot be used
    |-- CorpusError         a corpus that cannot be read
    |   `-- SchemaError     a row or field that breaks the row schema
    |-- ConfigError         a recipe, preset or override that does not fit
    |-- RunError            a training run that cannot be read, resumed or written
    |-- BundleError         an exported bundle that cannot be read or written
    |-- MissingAssetError   a model file that is not on this machine, and how to get it
    |-- MissingDependencyError   an optional package, and the extra that brings it
    |-- OfflineError        something that lives on the network, and none answered
    |-- StageError          a stage of the agent (stt, llm, tts) that failed in a call
    `-- CallError           a call that cannot be set up, or ended in trouble

Messages name the offender and say what would have been accepted.
"""

from __future__ import annotations


class TurnkitError(Exception):
    """Root of all errors that turnkit raises on purpose."""


class InputError(TurnkitError, ValueError):
    """Samples, rates or arguments that cannot be used."""


class CorpusError(TurnkitError):
    """A corpus that cannot be read."""


class SchemaError(CorpusError, ValueError):
    """A row or field that breaks the row schema."""

    def __init__(self, row: str, field: str, problem: str) -> None:
        super().__init__(f"row {row}: field {field!r}: {problem}")
        self.row = row
        self.field = field
        self._problem = problem

    # Errors of worker processes are pickled, which calls the class with `args` otherwise.
    def __reduce__(self) -> tuple[type[SchemaError], tuple[str, str, str]]:
        return type(self), (self.row, self.field, self._problem)


class ConfigError(TurnkitError, ValueError):
    """A recipe, preset or override that does not fit."""


class RunError(TurnkitError):
    """A training run that cannot be read, resumed or written."""


class BundleError(TurnkitError):
    """An exported bundle that cannot be read or written."""


class MissingAssetError(TurnkitError):
    """A model file that is not on this machine; the message says how to get it."""


class MissingDependencyError(TurnkitError, ImportError):
    """An optional package that is not installed; the message names the extra."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}: pip install 'turnkit[{extra}]'")
        self._parts = package, extra, purpose

    def __reduce__(self) -> tuple[type[MissingDependencyError], tuple[str, str, str]]:
        return type(self), self._parts


class OfflineError(TurnkitError):
    """Something that lives on the network, where no network answered."""


class StageError(TurnkitError):
    """A stage of the agent that failed in a call; other calls and stages go on."""

    def __init__(self, stage: str, problem: str) -> None:
        super().__init__(f"{stage}: {problem}")
        self.stage = stage
        self.problem = problem

    def __reduce__(self) -> tuple[type[StageError], tuple[str, str]]:
        return type(self), (self.stage, self.problem)


class CallError(TurnkitError):
    """A call that cannot be set up, or that ended in trouble."""
