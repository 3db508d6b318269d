"""Settings out of files: YAML and dotted overrides into checked dataclasses."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml

from turnkit.errors import ConfigError

T = TypeVar("T")

_LONGEST_TOLD = 200
"""Characters of an override that a message repeats."""


def load_yaml(path: Path, what: str) -> dict[str, Any]:
    """Content of a YAML file that holds a mapping.

    Parameters
    ----------
    path : Path
    what : str
        What the file is, for messages: ``"recipe"`` or ``"preset"``.

    Raises
    ------
    ConfigError
        If it cannot be read or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{what} {path}: no such file") from error
    except OSError as error:
        raise ConfigError(f"{what} {path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what} {path}: cannot be read ({error})") from error
    content = _parse(text, f"{what} {path}:")
    if not isinstance(content, dict):
        raise ConfigError(f"{what} {path}: expected keys and values")
    return content


def apply_override(content: dict[str, Any], override: str) -> None:
    """Put ``key=value`` into nested content, in place.

    Raises
    ------
    ConfigError
        If it has no ``=``, the value is no YAML, or the key leads nowhere.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {override!r}: expected key=value")
    shown = override if len(override) <= _LONGEST_TOLD else f"{override[:_LONGEST_TOLD]}..."
    value = _parse(text, f"override {shown!r}: the value is") if text else None
    *parents, last = key.split(".")
    place: Any = content
    for part, below in pairwise([*parents, last]):
        place = _enter(place, part, key, [] if below.isdigit() else {})
    if isinstance(place, list):
        place[_position(place, last, key)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise ConfigError(f"override {key}: {parents[-1]} holds no keys")


def _parse(text: str, what: str) -> Any:
    """Read YAML, or say in one line what is wrong with it."""
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = _where(text, mark.index) if mark else ""
        problem = f"{where}{error.problem or error.context}"
    except yaml.reader.ReaderError as error:
        problem = f"{_where(text, error.position)}{error.reason}"
    except RecursionError:
        problem = "nested too deep"
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        # such as the date 2020-13-45: PyYAML makes values without a look at them
        problem = f"a value that cannot be: {error}"
    raise ConfigError(f"{what} not YAML ({problem})")


def _where(text: str, index: int) -> str:
    before = text[:index]
    line, column = before.count("\n") + 1, index - before.rfind("\n")
    return f"line {line}, column {column}: "


def _enter(place: Any, part: str, key: str, empty: Any) -> Any:
    if isinstance(place, list):
        return place[_position(place, part, key)]
    if not isinstance(place, dict):
        raise ConfigError(f"override {key}: nothing below {part!r} can be set")
    if place.get(part) is None:
        place[part] = empty
    return place[part]


def _position(place: list[Any], part: str, key: str) -> int:
    if not part.isdigit() or int(part) > len(place):
        raise ConfigError(f"override {key}: {part!r}: expected 0 .. {len(place)}")
    if int(part) == len(place):
        place.append({})
    return int(part)


def build(kind: type[T], content: Any, where: str) -> T:
    """Build a settings dataclass out of plain content.

    Parameters
    ----------
    kind : type
        A dataclass whose fields are plain, tuples or dataclasses.
    content : mapping
    where : str
        Dotted key of the content, for messages.

    Raises
    ------
    ConfigError
        If a key is unknown or missing, or a value does not fit.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where or 'settings'}: {content!r}: expected keys and values")
    hints = typing.get_type_hints(kind)
    fields = {each.name: each for each in dataclasses.fields(kind)}  # type: ignore[arg-type]
    check_keys(content, fields, where)
    values = {
        name: _convert(content[name], hints[name], _join(where, name))
        for name in fields
        if name in content
    }
    missing = [
        name
        for name, each in fields.items()
        if name not in values
        and each.default is dataclasses.MISSING
        and each.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{_join(where, missing[0])}: missing")
    try:
        return kind(**values)
    except ConfigError as error:
        message = str(error)
        known = not where or message.startswith((where, where.rpartition(".")[2] + "."))
        raise ConfigError(message if known else f"{where}.{message}") from error


def check_keys(content: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Refuse keys that nobody knows, and name the nearest that somebody does."""
    names = list(known)
    for key in content:
        if key not in names:
            near = difflib.get_close_matches(str(key), names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(names)}"
            raise ConfigError(f"{_join(where, str(key))}: unknown; {hint}")


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _convert(value: Any, hint: Any, key: str) -> Any:
    """Bring a YAML value to the type of a field, or say what was expected."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _convert(value, next(a for a in arguments if a is not type(None)), key)
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{key} {value!r}: expected one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        return _sequence(value, arguments, key)
    if dataclasses.is_dataclass(hint):
        return build(hint, value or {}, key)  # type: ignore[arg-type]
    if origin is dict:
        if not isinstance(value, Mapping | None):
            raise ConfigError(f"{key} {value!r}: expected keys and values")
        return dict(value or {})
    return _scalar(value, hint, key)


def _sequence(value: Any, arguments: tuple[Any, ...], key: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{key} {value!r}: expected a list")
    if arguments[-1] is Ellipsis:
        hints: list[Any] = [arguments[0]] * len(value)
    else:
        hints = list(arguments)
    if len(hints) != len(value):
        raise ConfigError(f"{key} {value!r}: expected {len(hints)} values")
    parts = zip(value, hints, strict=True)
    return tuple(_convert(each, hint, f"{key}.{i}") for i, (each, hint) in enumerate(parts))


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _scalar(value: Any, hint: Any, key: str) -> Any:
    if hint is float and isinstance(value, str):
        # YAML 1.1 reads 1e-3 as text.
        try:
            return float(value)
        except ValueError:
            pass
    accepted = (int, float) if hint is float else (hint,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{key} {value!r}: expected {_NAMES.get(hint, hint)}")
    return float(value) if hint is float else value


def plain(value: Any) -> Any:
    """Tuples as lists: YAML has no tuples."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
