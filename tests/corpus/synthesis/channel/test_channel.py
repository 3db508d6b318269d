"""What is drawn: shares, ranges, tags."""

from __future__ import annotations

import numpy as np
import pytest

from tests.corpus.synthesis.channel.sounds import someone
from turnkit.corpus.synthesis.channel import Channel, ChannelSettings, OpusLine, draw_channel

DRAWS = 1_500


def draw(settings: ChannelSettings) -> list[Channel]:
    return [
        draw_channel(settings, someone(i % 40), np.random.default_rng([2, i])) for i in range(DRAWS)
    ]


@pytest.fixture(scope="module")
def drawn() -> list[Channel]:
    return draw(ChannelSettings(clean=0.0))


@pytest.mark.parametrize(
    ("tag", "key"),
    [
        ("telephone", "telephone"),
        ("opus", "opus"),
        ("room", "rooms"),
        ("babble", "babble"),
        ("hum", "hum"),
        ("clipped", "clipped"),
        ("echo", "echo"),
    ],
)
def test_shares_are_those_asked_for(drawn: list[Channel], tag: str, key: str) -> None:
    share = getattr(ChannelSettings(), key)
    found = np.mean([tag in channel.tags for channel in drawn])
    assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / DRAWS)
    assert not any("clean" in channel.tags for channel in drawn)


def test_clean_turns_keep_their_levels_and_nothing_else(drawn: list[Channel]) -> None:
    mixed = draw(ChannelSettings(clean=0.4))
    cleaned = [(a, b) for a, b in zip(drawn, mixed, strict=True) if a != b]
    assert abs(len(cleaned) / DRAWS - 0.4) < 4 * np.sqrt(0.24 / DRAWS)
    low, high = ChannelSettings().clean_snr_db
    for before, after in cleaned:
        assert low <= after.snr_db <= high
        assert {tag.partition(":")[0] for tag in after.tags} == {"snr", "clean"}
        assert (after.colour, after.floor_drift_db) == (before.colour, before.floor_drift_db)
        assert after.level_db == before.level_db
        assert (after.band_hz, after.tilt_db) == ((0.0, 8_000.0), 0.0)
        assert after.sample_rate == 16_000


def test_every_turn_is_clean_if_asked_for() -> None:
    assert all("clean" in channel.tags for channel in draw(ChannelSettings(clean=1.0)))


def test_ranges_hold(drawn: list[Channel]) -> None:
    s = ChannelSettings()
    for channel in drawn:
        assert channel.telephone == (channel.sample_rate == 8_000)
        assert not (channel.telephone and channel.opus)
        assert channel.band_hz[1] + 300 <= channel.sample_rate / 2 or not channel.telephone
        assert channel.snr_db >= s.noisy_snr_db[0]
        if channel.opus:
            assert s.bit_rate[0] <= channel.opus.bit_rate <= s.bit_rate[1]
            assert ("loss" in channel.tags) == (channel.opus.loss > 0)
        if channel.room:
            way = np.subtract(channel.room.mouth, channel.room.microphone)
            assert s.distance_m[0] - 1e-3 <= np.linalg.norm(way) <= s.distance_m[1] + 1e-3
            assert min(channel.room.microphone) > 0.2
            assert np.all(np.subtract(channel.room.size, channel.room.microphone) > 0.2)
            assert s.rt60_s[0] <= channel.room.rt60_s <= s.rt60_s[1]


def test_rooms_are_those_of_a_bank() -> None:
    def rooms(seed: int) -> set[object]:
        settings = ChannelSettings(clean=0.0, rooms=1.0, room_count=5, room_seed=seed)
        draws = (draw_channel(settings, someone(), np.random.default_rng(i)) for i in range(100))
        return {channel.room for channel in draws}

    assert len(rooms(0)) == 5
    assert not rooms(0) & rooms(1)


def test_the_same_draw_is_the_same_channel() -> None:
    one, other, third = (
        draw_channel(ChannelSettings(), someone(3), np.random.default_rng(seed))
        for seed in (7, 7, 8)
    )
    assert one == other
    assert hash(one) == hash(other)
    assert one != third


def test_plain_is_a_quiet_white_floor_whoever_speaks() -> None:
    settings = ChannelSettings(plain=True)
    channels = {draw_channel(settings, someone(i), np.random.default_rng(i)) for i in range(20)}
    assert channels == {Channel(level_db=-26.0, snr_db=40.0)}


@pytest.mark.parametrize(
    ("snr", "band"), [(4, 5), (7.4, 5), (7.6, 10), (17, 15), (24, 20), (50, 30)]
)
def test_tags_name_the_nearest_band(snr: float, band: int) -> None:
    assert Channel(-20.0, snr, telephone=True).tags == {"telephone", f"snr:{band}"}


def test_clean_is_a_quiet_place_and_nothing_else() -> None:
    assert Channel(-20.0, 20.0, colour=1.0, floor_drift_db=2.0).tags == {"clean", "snr:20"}
    assert Channel(-20.0, 19.9).tags == {"snr:20"}
    assert Channel(-20.0, 40.0, tilt_db=0.5).tags == {"snr:30"}


def test_tags_tell_lossy_lines() -> None:
    assert Channel(-20, 20, opus=OpusLine(20_000, 0.0, 1.0)).tags == {"opus", "snr:20"}
    assert Channel(-20, 20, opus=OpusLine(20_000, 0.1, 1.0)).tags == {"opus", "loss", "snr:20"}
