"""What lies between a mouth and a detector: room, noise, microphone, line and codec.

`draw_channel` draws one way of hearing a speaker, `transmit` sends a turn through it::

    speech -> slow level changes -> room ----+
    others -> echo of the agent's voice -----+-> microphone, band of the line -> clipping
    floor: coloured noise, hum, babble ------+       -> level -> mu-law or Opus -> what is heard

One floor runs from the first sample to the last. Nothing here depends on where the turn
holds or ends (the echo's first burst, and what its loudness is measured over, on where it
speaks), so that no level tells the two apart. Of a share of the turns (`clean`) only levels and a
coloured floor are left.
"""

from turnkit.corpus.synthesis.channel.channel import Channel, Echo, OpusLine, draw_channel
from turnkit.corpus.synthesis.channel.noise import Talk
from turnkit.corpus.synthesis.channel.settings import ChannelSettings
from turnkit.corpus.synthesis.channel.transmission import transmit

__all__ = [
    "Channel",
    "ChannelSettings",
    "Echo",
    "OpusLine",
    "Talk",
    "draw_channel",
    "transmit",
]
