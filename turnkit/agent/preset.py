"""A preset: everything that decides how the agent hears, thinks, speaks and is served."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from turnkit.agent.server_settings import ServerSettings, check_variable
from turnkit.agent.session.settings import (
    ConversationSettings,
    InterruptionSettings,
    LimitSettings,
    Mode,
    Rules,
    TurnSettings,
)
from turnkit.detector.policy import Policy
from turnkit.errors import ConfigError
from turnkit.settings_file import apply_override, build, check_keys, load_yaml

DEFAULT = "embedded"
"""Name of the preset that is used if none is named."""

PRESETS = Path(__file__).parent / "presets"
"""Folder of the presets that come with the package."""

STAGES = ("stt", "llm", "tts")

_SECRET_KEY = re.compile(
    r"^(key|token)s?$|(^|_)((api|access|auth|bearer|secret|private)_?(key|token)|secret|password"
    r"|passwd|credential)s?$",
    re.I,
)
_SECRET_VALUE = re.compile(
    r"(?<![A-Za-z0-9])(sk-[\w-]{8,}|(sk|pk|rk)_(live|test)_\w+|hf_\w{16,}|gh[pousr]_\w{20,}|xox[a-z]-[\w-]+"
    r"|AKIA[0-9A-Z]{12,}|AIza[\w-]{20,}|gsk_\w{16,}|eyJ[\w-]{10,}\.[\w.-]+)|Bearer\s+\S+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----",
)
_URL_WITH_PASSWORD = re.compile(r"\w+://[^/\s:@]*:[^/\s@]+@")
_RANDOM = re.compile(r"^(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{28,}$")
_SECRETS = (_SECRET_VALUE, _URL_WITH_PASSWORD, _RANDOM)
_FILES = frozenset({"server.tls.key"})
"""Keys that hold the path of a key, not the key."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Everything that decides how the agent behaves.

    Attributes
    ----------
    name : str
    bundle : str
        Any detector spec that `turnkit.detector.opening` takes.
    policy : str, Policy or None
        An operating point of the bundle (``FC@300``, ``L@5%``), numbers of one's own, or
        the bundle's default.
    shadow : tuple of str
        Detector specs that hear the same audio and decide nothing.
    mode : {"batch", "streaming", "speculative"}
    stt, llm, tts : dict
        Settings of the stages; ``kind`` says which. Checked when they are opened.
    conversation, turn, interruption, limits
        Rules of a call.
    server : ServerSettings
    """

    name: str = DEFAULT
    bundle: str = "default"
    policy: str | Policy | None = None
    shadow: tuple[str, ...] = ()
    mode: Mode = "speculative"
    stt: dict[str, Any] = field(default_factory=lambda: {"kind": "whisper"})
    llm: dict[str, Any] = field(default_factory=lambda: {"kind": "smollm2"})
    tts: dict[str, Any] = field(default_factory=lambda: {"kind": "piper"})
    conversation: ConversationSettings = field(default_factory=ConversationSettings)
    turn: TurnSettings = field(default_factory=TurnSettings)
    interruption: InterruptionSettings = field(default_factory=InterruptionSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    server: ServerSettings = field(default_factory=ServerSettings)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", self.name):
            raise ConfigError(f"name {self.name!r}: expected letters, digits, '-', '_' and '.'")
        for stage in STAGES:
            if not isinstance(getattr(self, stage).get("kind"), str):
                raise ConfigError(f"{stage}.kind: missing; expected the name of an engine")

    @property
    def rules(self) -> Rules:
        """What the session goes by."""
        return Rules(self.mode, self.conversation, self.turn, self.interruption, self.limits)


def shipped_presets() -> tuple[str, ...]:
    """Names of the presets that come with the package."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def preset_path(path_or_name: str | Path | None) -> Path:
    """File of a preset, given by its path or by the name of a shipped one."""
    if path_or_name is None:
        path_or_name = DEFAULT
    if str(path_or_name) in shipped_presets():
        return PRESETS / f"{path_or_name}.yaml"
    path = Path(path_or_name)
    if path.suffix not in {".yaml", ".yml"} and not path.exists():
        raise ConfigError(
            f"preset {str(path_or_name)!r}: expected a YAML file or one of "
            f"{', '.join(shipped_presets())}"
        )
    return path


def read_preset(
    path_or_name: str | Path | None = None,
    overrides: Sequence[str] = (),
    values: Mapping[str, Any] | None = None,
) -> Preset:
    """Read a preset and change it.

    Parameters
    ----------
    path_or_name : str or Path, optional
        A YAML file, or the name of a shipped preset; the embedded one if None.
    overrides : sequence of str
        ``key=value`` with dotted keys, as a command line has them.
    values : mapping, optional
        Dotted keys and values that are taken as they are; they win.

    Raises
    ------
    ConfigError
        If it cannot be read, a key is unknown, a value does not fit, or something
        looks like a key or a password, which belongs into the environment.
    """
    path = preset_path(path_or_name)
    content = load_yaml(path, "preset")
    for override in overrides:
        apply_override(content, override)
    for key, value in (values or {}).items():
        _place(content, key, value)
    refuse_secrets(content)
    content.setdefault("name", path.stem)
    check_keys(content, (each.name for each in dataclasses.fields(Preset)), "")
    policy = content.get("policy")
    if isinstance(policy, Mapping):
        numbers = build(Policy, content.pop("policy"), "policy")
        return dataclasses.replace(build(Preset, content, ""), policy=numbers)
    return build(Preset, content, "")


def _place(content: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    place = content
    for part in parents:
        below = place.get(part)
        place[part] = below if isinstance(below, dict) else {}
        place = place[part]
    place[last] = value


def refuse_secrets(content: Mapping[str, Any]) -> None:
    """Refuse keys, tokens and passwords in plain sight; messages do not repeat them.

    Raises
    ------
    ConfigError
        Naming the dotted key.
    """
    for key, value in _leaves(content, ""):
        name = key.rpartition(".")[2]
        secret = isinstance(value, str) and any(each.search(value) for each in _SECRETS)
        if name.endswith("_env"):
            check_variable(key, value if isinstance(value, str | None) and not secret else "")
        elif key in _FILES or value is None:
            continue
        elif _SECRET_KEY.search(name):
            raise ConfigError(
                f"{key}: keys and passwords do not belong into a preset: put it into the "
                f"environment and write {key}_env: NAME_OF_THE_VARIABLE"
            )
        elif secret:
            raise ConfigError(
                f"{key}: looks like a key or a password, which belongs into the environment"
            )


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _leaves(below, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for position, below in enumerate(value):
            yield from _leaves(below, f"{key}.{position}")
    else:
        yield key, value
