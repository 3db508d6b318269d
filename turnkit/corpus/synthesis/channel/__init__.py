"""What lies between a mouth and a detector: room, noise, microphone, line and codec.

`draw_channel` draws one way of hearing a speaker, `transmit` sends a turn through it::

    speech -> slow level changes -> room ----+
    others -> echo of the agent's voice -----+-> microphone, band of the line -> clipping
    floor: coloured noise, hum, babble ------+       -> level -> mu-law or Opus -> what is heard

One floor runs from the first sample to the last. Nothing here but the echo's first burst
and the loudness of speech depends on where the turn holds or ends, so that no level tells.
"""

from turnkit.corpus.synthesis.channel.drawing import Channel, Echo, OpusLine, draw_channel
from turnkit.corpus.synthesis.channel.noise import Talk
from turnkit.corpus.synthesis.channel.sending import transmit
from turnkit.corpus.synthesis.channel.settings import ChannelSettings

__all__ = [
    "Channel",
    "ChannelSettings",
    "Echo",
    "OpusLine",
    "Talk",
    "draw_channel",
    "transmit",
]
