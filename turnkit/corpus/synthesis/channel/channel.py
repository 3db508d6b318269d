"""One channel, drawn for one turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from turnkit.corpus.pseudo_speakers import PseudoSpeaker
from turnkit.corpus.synthesis.channel.rooms import Room, draw_room
from turnkit.corpus.synthesis.channel.settings import QUIET_SNR_DB, ChannelSettings
from turnkit.corpus.tags import SNR_BANDS

WIDE_RATE = 16_000
TELEPHONE_RATE = 8_000

_LOWEST_SNR_DB = 12.0
"""A speaker's usual place is no noisier than this: `noisy` is for the others."""

_PLAIN_SNR_DB = 40.0
_PLAIN_LEVEL_DB = -26.0
_TELEPHONE_EDGES_HZ = ((250.0, 320.0), (3_300.0, 3_500.0))


@dataclass(frozen=True, slots=True)
class Echo:
    """The agent's voice coming back: `level_db` relative to the speech, dull above `cut_hz`."""

    level_db: float
    cut_hz: float


@dataclass(frozen=True, slots=True)
class OpusLine:
    """Opus packets of 20 ms.

    Attributes
    ----------
    bit_rate : int
        In bit/s.
    loss : float
        Share of the packets that are lost.
    burst : float
        Mean number lost in a row.
    """

    bit_rate: int
    loss: float
    burst: float


@dataclass(frozen=True, slots=True)
class Channel:
    """How one turn is heard.

    Attributes
    ----------
    level_db : float
        Of the active speech, in dBFS.
    snr_db : float
        Active speech to floor, in the band that gets through.
    colour : float
        The floor's power falls with frequency to this power.
    floor_drift_db, level_drift_db : float
        Amplitude of the slow changes of floor and speech.
    hum_hz : float
        Of the mains; 0 for none.
    talkers : int
        That babble is made of; 0 for none.
    room : Room or None
        None if the microphone is close to the mouth.
    tilt_db : float
        Of the spectrum, in dB per octave from 1 kHz.
    band_hz : (float, float)
        What gets through.
    clip_db : float
        How far the highest peak lies above what gets through; 0 for no clipping.
    echo : Echo or None
    telephone : bool
        Whether it goes through mu-law at 8 kHz.
    opus : OpusLine or None
    """

    level_db: float
    snr_db: float
    colour: float = 0.0
    floor_drift_db: float = 0.0
    level_drift_db: float = 0.0
    hum_hz: float = 0.0
    talkers: int = 0
    room: Room | None = None
    tilt_db: float = 0.0
    band_hz: tuple[float, float] = (0.0, 8_000.0)
    clip_db: float = 0.0
    echo: Echo | None = None
    telephone: bool = False
    opus: OpusLine | None = None

    @property
    def sample_rate(self) -> int:
        """Of what comes out, in Hz: 8000 on the telephone, else 16000."""
        return TELEPHONE_RATE if self.telephone else WIDE_RATE

    @property
    def tags(self) -> frozenset[str]:
        """What it is, in the words of `turnkit.corpus.tags`."""
        nearest = min(SNR_BANDS, key=lambda middle: abs(middle - self.snr_db))
        there = {
            "clean": self.snr_db >= QUIET_SNR_DB and self == _clean(self, self.snr_db),
            "telephone": self.telephone,
            "opus": self.opus is not None,
            "loss": self.opus is not None and self.opus.loss > 0.0,
            "room": self.room is not None,
            "babble": self.talkers > 0,
            "hum": self.hum_hz > 0.0,
            "clipped": self.clip_db > 0.0,
            "echo": self.echo is not None,
            f"snr:{nearest}": True,
        }
        return frozenset(name for name, holds in there.items() if holds)


def draw_channel(
    settings: ChannelSettings, sound: PseudoSpeaker, rng: np.random.Generator
) -> Channel:
    """Draw how one turn of a speaker is heard.

    Parameters
    ----------
    settings : ChannelSettings
    sound : PseudoSpeaker
        Whose usual level, noise and timbre the channel is drawn around; of a clean one
        only the level and the colour of the noise.
    rng : numpy Generator

    Returns
    -------
    Channel
    """
    if settings.plain:
        return Channel(level_db=_PLAIN_LEVEL_DB, snr_db=_PLAIN_SNR_DB)
    channel = _spoilt(settings, sound, rng)
    # Last, so that the turns that are not clean are the same for any share of those that are.
    if rng.random() < settings.clean:
        return _clean(channel, float(rng.uniform(*settings.clean_snr_db)))
    return channel


def _clean(channel: Channel, snr_db: float) -> Channel:
    """Leave nothing of a channel but its levels and the colour of its floor."""
    return Channel(
        level_db=channel.level_db,
        snr_db=snr_db,
        colour=channel.colour,
        floor_drift_db=channel.floor_drift_db,
        level_drift_db=channel.level_drift_db,
    )


def _spoilt(settings: ChannelSettings, sound: PseudoSpeaker, rng: np.random.Generator) -> Channel:
    telephone, opus = _line(settings, rng)
    return Channel(
        level_db=sound.level_db + float(rng.normal(0.0, settings.level_spread_db)),
        snr_db=_snr(settings, sound, rng),
        colour=float(np.clip(sound.noise_colour + rng.normal(0.0, 0.2), 0.0, 2.0)),
        floor_drift_db=float(rng.uniform(*settings.floor_drift_db)),
        level_drift_db=float(rng.uniform(*settings.level_drift_db)),
        hum_hz=float(rng.choice([50.0, 60.0])) if rng.random() < settings.hum else 0.0,
        talkers=_talkers(settings, rng),
        room=_room(settings, rng) if rng.random() < settings.rooms else None,
        tilt_db=sound.tilt_db + float(rng.uniform(*settings.tilt_db)),
        band_hz=_band(settings, telephone, rng),
        clip_db=float(rng.uniform(*settings.clip_db)) if rng.random() < settings.clipped else 0.0,
        echo=_echo(settings, rng) if rng.random() < settings.echo else None,
        telephone=telephone,
        opus=opus,
    )


def _snr(settings: ChannelSettings, sound: PseudoSpeaker, rng: np.random.Generator) -> float:
    if rng.random() < settings.noisy:
        return float(rng.uniform(*settings.noisy_snr_db))
    usual = sound.snr_db + rng.normal(0.0, settings.usual_snr_spread_db)
    return max(_LOWEST_SNR_DB, float(usual))


def _talkers(settings: ChannelSettings, rng: np.random.Generator) -> int:
    fewest, most = settings.talkers
    return int(rng.integers(fewest, most + 1)) if rng.random() < settings.babble else 0


def _room(settings: ChannelSettings, rng: np.random.Generator) -> Room:
    """Pick a room of the bank; what is in the bank does not depend on `rng`."""
    index = int(rng.integers(settings.room_count))
    own = np.random.default_rng([settings.room_seed, index, 17])
    return draw_room(settings.rt60_s, settings.distance_m, own)


def _line(settings: ChannelSettings, rng: np.random.Generator) -> tuple[bool, OpusLine | None]:
    way = rng.random()
    if way < settings.telephone:
        return True, None
    if way >= settings.telephone + settings.opus:
        return False, None
    lossy = rng.random() < settings.lossy
    return False, OpusLine(
        bit_rate=round(float(rng.uniform(*settings.bit_rate))),
        loss=float(rng.uniform(*settings.loss)) if lossy else 0.0,
        burst=float(rng.uniform(*settings.loss_burst)),
    )


def _band(
    settings: ChannelSettings, telephone: bool, rng: np.random.Generator
) -> tuple[float, float]:
    """Band of the line, or of the microphone where the line has a wider one."""
    below, above = _TELEPHONE_EDGES_HZ if telephone else (settings.low_cut_hz, settings.high_cut_hz)
    return float(rng.uniform(*below)), float(rng.uniform(*above))


def _echo(settings: ChannelSettings, rng: np.random.Generator) -> Echo:
    return Echo(float(rng.uniform(*settings.echo_db)), float(rng.uniform(1_500.0, 4_000.0)))
