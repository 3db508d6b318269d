"""The network between caller and agent: profiles, a relay for a call, a telephone line."""

from turnkit.lab.network.link import Link
from turnkit.lab.network.profile import (
    LineSettings,
    NetworkProfile,
    Way,
    load_network,
    network_names,
)
from turnkit.lab.network.relay import Relay
from turnkit.lab.network.tcp import TcpRelay
from turnkit.lab.network.telephone import TelephoneLine

__all__ = [
    "LineSettings",
    "Link",
    "NetworkProfile",
    "Relay",
    "TcpRelay",
    "TelephoneLine",
    "Way",
    "load_network",
    "network_names",
]
