from __future__ import annotations

from pathlib import Path

import pytest

from turnkit.errors import ConfigError
from turnkit.lab.network import (
    LineSettings,
    NetworkProfile,
    TelephoneLine,
    Way,
    load_network,
    network_names,
)


def test_the_networks_that_come_with_the_package() -> None:
    assert network_names() == ["far", "good", "mobile", "phone"]
    profiles = {name: load_network(name) for name in network_names()}
    assert all(profile.name == name and profile.about for name, profile in profiles.items())
    round_trips = {
        name: sum(way.delay_ms for way in profile.ways()) for name, profile in profiles.items()
    }
    assert round_trips["good"] < round_trips["mobile"] < round_trips["far"] == 250.0
    assert profiles["mobile"].up.loss == pytest.approx(0.01)
    assert [name for name, profile in profiles.items() if profile.open_line()] == ["phone"]


def test_a_telephone_line_takes_the_rest_of_the_round_trip() -> None:
    phone = load_network("phone")
    up, down = phone.ways()
    whole = up.delay_ms + down.delay_ms + TelephoneLine.delay_s * 1e3
    assert whole == pytest.approx(300.0)
    assert up.delay_ms - phone.up.delay_ms == pytest.approx(down.delay_ms - phone.down.delay_ms)
    assert up.jitter_ms == phone.up.jitter_ms
    good = load_network("good")
    assert good.ways() == (good.up, good.down)
    with pytest.raises(ConfigError, match=r"line\.round_trip_ms 20: expected 23\.[0-9]+ or more"):
        NetworkProfile("x", up=Way(delay_ms=20), line=LineSettings(20.0))


def test_each_call_gets_a_line_of_its_own() -> None:
    phone = load_network("phone")
    assert phone.open_line() is not phone.open_line()


def test_a_file_is_a_network_too(tmp_path: Path) -> None:
    path = tmp_path / "cellar.yaml"
    path.write_text("up: {delay_ms: 7, rate_kbps: 64}\nline: {round_trip_ms: 700}\n")
    profile = load_network(path)
    assert profile.name == "cellar"
    assert profile.up == Way(delay_ms=7.0, rate_kbps=64.0)
    assert profile.down == Way()
    assert profile.line == LineSettings(700.0)
    path.write_text("name: attic\n")
    assert load_network(str(path)) == NetworkProfile("attic")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("up: {delay_ms: -1}", r"cellar\.yaml: up\.delay_ms -1\.0: expected 0 \.\. 10000"),
        ("down: {jitter_ms: .nan}", r"down\.jitter_ms nan: expected 0 \.\. 5000"),
        ("up: {loss: 1.5}", r"up\.loss 1\.5: expected 0 \.\. 1"),
        ("up: {loss: 0.9}", r"up\.burst 1: expected 9 or more where loss is 0\.9"),
        ("up: {burst: 0.5}", r"up\.burst 0\.5: expected 1 \.\. 1000"),
        ("up: {reorder: -0.1}", r"up\.reorder -0\.1: expected 0 \.\. 1"),
        ("up: {rate_kbps: 0}", r"up\.rate_kbps 0\.0: expected 1 \.\. 1e\+07"),
        ("up: {queue_ms: -1}", r"up\.queue_ms -1\.0: expected 0 \.\. 10000"),
        ("up: {delay: 3}", r"up\.delay: unknown; did you mean 'delay_ms'"),
        ("line: {round_trip_ms: -1}", r"line\.round_trip_ms -1\.0: expected 0 \.\. 20000"),
        ("line: {round_trip_ms: 2}", r"line\.round_trip_ms 2: expected 3\.[0-9]+ or more"),
        ("- 1", r"expected keys and values"),
    ],
)
def test_what_does_not_fit_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "cellar.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_network(path)


@pytest.mark.parametrize("name", ["moon", "", "../good", "."])
def test_unknown_names_tell_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError, match="expected far, good, mobile, phone, or a YAML file"):
        load_network(name)


def test_a_name_can_be_followed_by_changes() -> None:
    changed = load_network("phone,line.round_trip_ms=700,up.loss=0.05,up.burst=2")
    assert changed.line is not None
    assert changed.line.round_trip_ms == 700
    assert changed.up.loss == 0.05
    assert changed.down == load_network("phone").down
    with pytest.raises(ConfigError, match="expected key=value"):
        load_network("phone,fast")
