"""What a network does to packets: settings, and the networks that come with the package."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from turnkit.errors import ConfigError
from turnkit.lab.network.telephone import TelephoneLine
from turnkit.settings_file import apply_override, build, load_yaml

PROFILES = Path(__file__).parent / "profiles"
"""Folder of the profiles that come with the package."""

_RANGES = {
    "delay_ms": (0.0, 10_000.0),
    "jitter_ms": (0.0, 5_000.0),
    "loss": (0.0, 1.0),
    "burst": (1.0, 1_000.0),
    "reorder": (0.0, 1.0),
    "queue_ms": (0.0, 10_000.0),
}
_RATES_KBPS = (1.0, 1e7)
_ROUND_TRIPS_MS = (0.0, 20_000.0)


@dataclass(frozen=True, slots=True)
class Way:
    """What happens to packets on their way in one direction.

    Attributes
    ----------
    delay_ms : float
        What every packet takes, one way.
    jitter_ms : float
        Standard deviation of what a packet takes on top of that: see
        `turnkit.lab.network.link.Link`.
    loss : float
        Share of packets that are lost, 0 .. 1.
    burst : float
        Mean number of packets lost in a row, 1 or more. Losses that know nothing of each
        other have ``1 / (1 - loss)``.
    reorder : float
        Share of packets that are overtaken by later ones, 0 .. 1.
    rate_kbps : float or None
        Kilobits a second, headers of IP and UDP included; None means no limit.
    queue_ms : float
        Longest wait for one's turn where there is a rate; packets that would wait longer
        are lost.

    Raises
    ------
    ConfigError
        If a value does not fit.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    burst: float = 1.0
    reorder: float = 0.0
    rate_kbps: float | None = None
    queue_ms: float = 200.0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            _check(name, getattr(self, name), low, high)
        if self.rate_kbps is not None:
            _check("rate_kbps", self.rate_kbps, *_RATES_KBPS)
        # Between two bursts at least one packet must come through.
        if self.loss < 1.0 and self.loss > self.burst / (self.burst + 1.0) + 1e-9:
            least = self.loss / (1.0 - self.loss)
            raise ConfigError(
                f"burst {self.burst:g}: expected {least:g} or more where loss is {self.loss:g}"
            )


@dataclass(frozen=True, slots=True)
class LineSettings:
    """A telephone line between the caller and the network.

    Attributes
    ----------
    round_trip_ms : float
        Round trip of the whole call: the telephone line takes what the two ways and the
        line's filters leave of it, half of it in each direction.

    Raises
    ------
    ConfigError
        If it does not fit.
    """

    round_trip_ms: float = 300.0

    def __post_init__(self) -> None:
        _check("round_trip_ms", self.round_trip_ms, *_ROUND_TRIPS_MS)


@dataclass(frozen=True, slots=True)
class NetworkProfile:
    """A network between caller and agent.

    Attributes
    ----------
    name, about : str
    up, down : Way
        From the caller to the agent, and back.
    line : LineSettings or None
        A telephone line, if the caller is at a telephone.

    Raises
    ------
    ConfigError
        If the ways take longer than the telephone line's round trip.
    """

    name: str
    about: str = ""
    up: Way = field(default_factory=Way)
    down: Way = field(default_factory=Way)
    line: LineSettings | None = None

    def __post_init__(self) -> None:
        least = self.up.delay_ms + self.down.delay_ms + TelephoneLine.delay_s * 1e3
        if self.line is not None and self.line.round_trip_ms < least:
            raise ConfigError(
                f"line.round_trip_ms {self.line.round_trip_ms:g}: expected {least:g} or more: "
                "the delays of both ways and of the line's filters"
            )

    def open_line(self) -> TelephoneLine | None:
        """Telephone line for one call, or None where there is none."""
        return None if self.line is None else TelephoneLine()

    def ways(self) -> tuple[Way, Way]:
        """Return both ways with the delay that the telephone line adds to them.

        Returns
        -------
        up, down : Way
        """
        if self.line is None:
            return self.up, self.down
        filters = TelephoneLine.delay_s * 1e3
        rest = self.line.round_trip_ms - self.up.delay_ms - self.down.delay_ms - filters
        return (
            replace(self.up, delay_ms=self.up.delay_ms + rest / 2),
            replace(self.down, delay_ms=self.down.delay_ms + rest / 2),
        )


def network_names() -> list[str]:
    """Names of the profiles that come with the package."""
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def load_network(name_or_path: str | Path) -> NetworkProfile:
    """Read a network profile.

    Parameters
    ----------
    name_or_path : str or path
        A name out of `network_names`, or a YAML file with the keys of `NetworkProfile`;
        its name is the file's if it gives none. Behind it may stand changes:
        ``phone,line.round_trip_ms=700``.

    Raises
    ------
    ConfigError
        If there is none of this name, or a value does not fit.
    """
    text, *changes = str(name_or_path).split(",")
    names = network_names()
    path = PROFILES / f"{text}.yaml" if text in names else Path(text)
    if not path.is_file():
        raise ConfigError(f"network {text!r}: expected {', '.join(names)}, or a YAML file")
    content = load_yaml(path, "network")
    for change in changes:
        apply_override(content, change)
    try:
        return build(NetworkProfile, {"name": path.stem, **content}, "")
    except ConfigError as error:
        raise ConfigError(f"network {text}: {error}") from error


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} {value!r}: expected {low:g} .. {high:g}")
