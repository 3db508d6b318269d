"""How often and how much a channel spoils what it carries."""

from __future__ import annotations

from dataclasses import dataclass

from turnkit.errors import ConfigError

Range = tuple[float, float]

QUIET_SNR_DB = 20.0
"""Active speech to floor, in dB, from which on a place is called quiet."""

_SHARES = (
    "clean",
    "rooms",
    "noisy",
    "hum",
    "babble",
    "telephone",
    "opus",
    "lossy",
    "clipped",
    "echo",
)

_LIMITS: dict[str, Range] = {
    "clean_snr_db": (QUIET_SNR_DB, 60.0),
    "rt60_s": (0.1, 1.0),
    "distance_m": (0.1, 3.0),
    "usual_snr_spread_db": (0.0, 10.0),
    "noisy_snr_db": (-5.0, 60.0),
    "level_spread_db": (0.0, 10.0),
    "floor_drift_db": (0.0, 6.0),
    "level_drift_db": (0.0, 12.0),
    "tilt_db": (-6.0, 6.0),
    "low_cut_hz": (20.0, 300.0),
    "high_cut_hz": (3_400.0, 8_000.0),
    "bit_rate": (6_000.0, 64_000.0),
    "loss": (0.0, 0.3),
    "loss_burst": (1.0, 10.0),
    "clip_db": (0.0, 20.0),
    "echo_db": (-60.0, 0.0),
}


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """What channels are drawn from; ranges are drawn evenly, shares are of turns not `clean`.

    Attributes
    ----------
    plain : bool
        An even white floor 40 dB below the speech and nothing else: what everything
        below is compared with.
    clean : float
        Share, of all turns, that a good microphone hears close to the mouth and in a
        quiet place: of all that follows, only the levels and their drift. Without them,
        less of what is learned carries over to clean recordings (docs/corpora.md).
    clean_snr_db : (float, float)
        Active speech to floor of those.
    rooms : float
        Share heard in a room; the rest is close to the mouth.
    room_count, room_seed : int
        Size of the bank of rooms, and what it is drawn from. Splits with other seeds
        have other rooms.
    rt60_s : (float, float)
        Seconds in which a room's reverberation falls by 60 dB.
    distance_m : (float, float)
        From mouth to microphone in a room.
    noisy : float
        Share whose noise is drawn from `noisy_snr_db`; the rest has the speaker's usual
        one, give or take `usual_snr_spread_db` (standard deviation).
    noisy_snr_db : (float, float)
        Active speech to floor, as heard after the line's band.
    hum, babble : float
        Shares in whose floor there is hum of the mains, or others talking.
    talkers : (int, int)
        Fewest and most that babble is made of.
    floor_drift_db : (float, float)
        Amplitude of the slow changes of the floor's level.
    level_spread_db : float
        Standard deviation of the speech level about the speaker's usual one.
    level_drift_db : (float, float)
        Amplitude of the slow changes of the speech level.
    tilt_db : (float, float)
        The microphone's, in dB per octave, on top of the speaker's own.
    low_cut_hz, high_cut_hz : (float, float)
        Where the microphone begins and ends to hear.
    telephone : float
        Share sent over a telephone line and stored at 8 kHz.
    opus : float
        Share sent as Opus packets at 16 kHz; `telephone` and `opus` are 1 at most.
    lossy : float
        Share of the Opus calls that lose packets.
    bit_rate : (float, float)
        Of Opus, in bit/s.
    loss : (float, float)
        Share of the packets that are lost.
    loss_burst : (float, float)
        Mean number of packets lost in a row.
    clipped : float
        Share that is clipped.
    clip_db : (float, float)
        How far the highest peak lies above what gets through.
    echo : float
        Share in which the agent's own voice comes back.
    echo_db : (float, float)
        Its level relative to the speech.

    Raises
    ------
    ConfigError
        If a value does not fit.
    """

    plain: bool = False
    clean: float = 0.5
    clean_snr_db: Range = (30.0, 45.0)
    rooms: float = 0.45
    room_count: int = 60
    room_seed: int = 0
    rt60_s: Range = (0.15, 0.6)
    distance_m: Range = (0.25, 1.2)
    noisy: float = 0.35
    usual_snr_spread_db: float = 3.0
    noisy_snr_db: Range = (4.0, 20.0)
    hum: float = 0.15
    babble: float = 0.15
    talkers: tuple[int, int] = (4, 7)
    floor_drift_db: Range = (0.3, 1.5)
    level_spread_db: float = 2.0
    level_drift_db: Range = (0.0, 3.0)
    tilt_db: Range = (-2.5, 2.5)
    low_cut_hz: Range = (40.0, 180.0)
    high_cut_hz: Range = (5_000.0, 8_000.0)
    telephone: float = 0.4
    opus: float = 0.3
    lossy: float = 0.5
    bit_rate: Range = (12_000.0, 32_000.0)
    loss: Range = (0.01, 0.08)
    loss_burst: Range = (1.0, 3.0)
    clipped: float = 0.08
    clip_db: Range = (3.0, 12.0)
    echo: float = 0.15
    echo_db: Range = (-35.0, -15.0)

    def __post_init__(self) -> None:
        for name in _SHARES:
            share = getattr(self, name)
            if not 0.0 <= share <= 1.0:
                raise ConfigError(f"{name} {share!r}: expected 0 .. 1")
        for name, (lowest, highest) in _LIMITS.items():
            value = getattr(self, name)
            low, high = value if isinstance(value, tuple) else (value, value)
            if not lowest <= low <= high <= highest:
                expected = "[low, high] in" if isinstance(value, tuple) else "a number in"
                raise ConfigError(
                    f"{name} {value!r}: expected {expected} {lowest:g} .. {highest:g}"
                )
        if not 3 <= self.talkers[0] <= self.talkers[1] <= 20:
            raise ConfigError(f"talkers {self.talkers!r}: expected [fewest, most] in 3 .. 20")
        if not 1 <= self.room_count <= 10_000:
            raise ConfigError(f"room_count {self.room_count!r}: expected 1 .. 10000")
        if self.room_seed < 0:
            raise ConfigError(f"room_seed {self.room_seed!r}: expected 0 or more")
        if self.telephone + self.opus > 1.0:
            raise ConfigError(
                f"telephone {self.telephone!r} and opus {self.opus!r}: expected 1 together at most"
            )
