"""Errors travel from worker processes: they are pickled there and must come out the same."""

from __future__ import annotations

import pickle

import pytest

from turnkit import errors
from turnkit.errors import MissingDependencyError, SchemaError, StageError, TurnkitError

EXAMPLES: list[TurnkitError] = [
    SchemaError("a-001", "audio", "is missing"),
    MissingDependencyError("onnx", "train", "export"),
    StageError("llm", "does not answer"),
    *(
        kind("what happened")
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, TurnkitError)
        and kind not in (SchemaError, MissingDependencyError, StageError)
    ),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_survives_pickling(error: TurnkitError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    public = {name: value for name, value in vars(error).items() if not name.startswith("_")}
    assert public.items() <= vars(copy).items()
