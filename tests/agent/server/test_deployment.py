"""Files of serve/ name only presets, options, keys and variables that exist."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from turnkit.agent.preset import Preset, read_preset, shipped_presets
from turnkit.agent.server.access import check_exposure
from turnkit.agent.server.ice import check_ice
from turnkit.agent.telemetry.metrics import Metrics
from turnkit.cli import main as cli
from turnkit.cli.serve import _values

REPOSITORY = Path(__file__).resolve().parents[3]
SERVE = REPOSITORY / "serve"
TEXTS = [SERVE / name for name in ("README.md", "Dockerfile", "compose.yaml", "Caddyfile")]
ENVIRON = {
    "AGENT_NAME": "agent.example.net",
    "PUBLIC_ADDRESS": "203.0.113.5",
    "TURNKIT_TOKEN": "a-token-of-the-tests-0123456789",
    "TURN_SECRET": "north-wind",
}


@pytest.fixture
def compose() -> dict[str, Any]:
    text = (SERVE / "compose.yaml").read_text()
    filled = re.sub(r"\$\{(\w+)(:\?[^}]*)?\}", lambda found: ENVIRON[found[1]], text)
    content: dict[str, Any] = yaml.safe_load(filled)
    return content


def presets_open(words: list[str]) -> Preset:
    args = cli.build_parser().parse_args(["serve", *words])
    name = args.preset
    if name is not None:
        name = SERVE / Path(name).name
        assert name.is_file(), name
    return read_preset(name, args.overrides, _values(args))


def test_the_composed_agent_is_one_that_may_be_exposed(compose: dict[str, Any]) -> None:
    agent, proxy, turn = (compose["services"][name] for name in ("agent", "proxy", "turn"))
    preset = presets_open(agent["command"])
    settings = preset.server
    assert check_exposure(settings, agent["environment"]["TURNKIT_TOKEN"]) == []
    check_ice(settings.ice_servers, agent["environment"])
    assert settings.hosts == (ENVIRON["AGENT_NAME"],)
    assert settings.trusted_proxies == (proxy["networks"]["inside"]["ipv4_address"],)
    address = agent["networks"]["inside"]["ipv4_address"]
    assert f"reverse_proxy {address}:{settings.port}" in (SERVE / "Caddyfile").read_text()
    assert f"--allowed-peer-ip={address}" in turn["command"]
    assert f"--static-auth-secret={ENVIRON['TURN_SECRET']}" in turn["command"]
    assert {url.split(":")[1] for url in settings.ice_servers[0].urls} == set(settings.hosts)
    assert "ports" not in agent
    assert (SERVE / agent["build"]["context"]).resolve() == REPOSITORY


def test_the_image_copies_and_starts_what_exists() -> None:
    lines = (SERVE / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    copied = [shlex.split(line)[1:-1] for line in lines if line.startswith("COPY")]
    for names in copied:
        for name in names:
            if not name.startswith(("--from", "/opt")):
                assert list(REPOSITORY.glob(name)), name
    command = next(line for line in lines if line.startswith("CMD"))
    assert presets_open(yaml.safe_load(command.removeprefix("CMD "))).name == "public"
    users = [line for line in lines if line.startswith("USER")]
    assert users
    assert users[-1] != "USER root"


def mentioned_commands() -> list[str]:
    found = []
    for path in [*TEXTS, *SERVE.glob("*.yaml")]:
        for line in path.read_text().replace("\\\n", " ").splitlines():
            text = line.strip().removeprefix("#").strip().partition("  #")[0]
            match = re.search(r"^(?:[A-Z_]+=\S+ )*turnkit serve(?P<rest>( .*)?)$", text)
            if match is not None and "PRESET" not in text:
                found.append(match["rest"])
    return found


@pytest.mark.parametrize("rest", mentioned_commands())
def test_commands_of_the_guide_are_understood(
    rest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()
    assert isinstance(presets_open(shlex.split(rest)), Preset)


def test_there_are_commands_in_the_guide() -> None:
    assert len(mentioned_commands()) >= 6


def known_keys(kind: Any, where: str = "") -> set[str]:
    keys = set()
    for field in dataclasses.fields(kind):
        name = f"{where}{field.name}"
        keys.add(name)
        factory: Any = field.default_factory
        if dataclasses.is_dataclass(factory):
            keys |= known_keys(factory, f"{name}.")
    return keys


def test_keys_and_metrics_of_the_guide_exist() -> None:
    keys = known_keys(Preset)
    tops = {key.partition(".")[0] for key in keys}
    text = (SERVE / "README.md").read_text()
    for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", text):
        if name.partition(".")[0] in tops - {"stt", "llm", "tts"}:
            assert name in keys, name
    told = Metrics().render().decode()
    for name in re.findall(r"`(turnkit_[a-z0-9_]+)`", text):
        assert re.search(rf"^# TYPE {name} ", told, re.M), name


def test_every_key_of_the_server_is_in_the_guide() -> None:
    text = (SERVE / "README.md").read_text()
    for key in known_keys(Preset):
        if not key.startswith(("server.webrtc", "server.websocket")):
            assert re.search(rf"\b{re.escape(key.rpartition('.')[2])}\b", text), key


def test_shipped_presets_are_where_the_wheel_takes_them_from() -> None:
    assert "embedded" in shipped_presets()
