"""Every tag that synthesis can give a row has a meaning."""

from __future__ import annotations

import numpy as np
import pytest

from turnkit.corpus.pseudo_speakers import pseudo_speaker
from turnkit.corpus.synthesis.channel import Channel, ChannelSettings, Echo, OpusLine, draw_channel
from turnkit.corpus.synthesis.channel.rooms import draw_room
from turnkit.corpus.synthesis.text.grammar import kinds, load_grammar
from turnkit.corpus.synthesis.text.settings import TextSettings
from turnkit.corpus.synthesis.text.writer import ScriptWriter
from turnkit.corpus.synthesis.voices.piper import accent_of
from turnkit.corpus.synthesis.voices.settings import ESPEAK_VOICES
from turnkit.corpus.tags import SNR_BANDS, meaning

OF_CHANNELS = {"clean", "telephone", "opus", "loss", "room", "babble", "hum", "clipped", "echo"}
OF_SCRIPTS = {
    "short", "digits", "spelling", "list", "question", "correction", "trailing", "filler-hold",
}  # fmt: skip


def spoilt(snr_db: float = 12.0) -> Channel:
    """All that can be wrong at once; no call is like that."""
    room = draw_room((0.3, 0.4), (0.5, 1.0), np.random.default_rng(0))
    return Channel(
        level_db=-26.0, snr_db=snr_db, hum_hz=50.0, talkers=4, room=room, clip_db=6.0,
        echo=Echo(-20.0, 2_000.0), telephone=True, opus=OpusLine(16_000, 0.05, 2.0),
    )  # fmt: skip


def test_tags_of_channels() -> None:
    sound = pseudo_speaker("train", 0, 0)
    settings = ChannelSettings(hum=0.5, babble=0.5, clipped=0.5, echo=0.5)
    rng = np.random.default_rng(0)
    drawn = frozenset[str]().union(
        *(draw_channel(settings, sound, rng).tags for _ in range(100)), spoilt().tags
    )
    assert {tag for tag in drawn if ":" not in tag} == OF_CHANNELS
    assert not [tag for tag in drawn if not meaning(tag)]


@pytest.mark.parametrize("snr_db", [-5.0, *SNR_BANDS, 60.0])
def test_every_ratio_has_a_band(snr_db: float) -> None:
    bands = {tag for tag in spoilt(snr_db).tags if tag.startswith("snr:")}
    assert len(bands) == 1
    assert bands < {f"snr:{band}" for band in SNR_BANDS}


def test_tags_of_scripts() -> None:
    writer = ScriptWriter(TextSettings(), ("all",), seed=0)
    written = frozenset[str]().union(*(writer.write("all", i).tags for i in range(400)))
    declared = frozenset[str]().union(*(load_grammar(kind).tags for kind in kinds()))
    assert written == OF_SCRIPTS
    assert declared <= OF_SCRIPTS
    assert not [tag for tag in written if not meaning(tag)]


def test_tags_of_accents() -> None:
    accents = {accent_of(name.partition("+")[0]) for name in ESPEAK_VOICES} | {"us"}
    assert len(accents) > 5
    assert all(meaning(f"accent:{accent}") for accent in accents)
