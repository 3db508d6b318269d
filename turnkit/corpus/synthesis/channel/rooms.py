"""Rooms: shoe boxes by the image-source method (Allen & Berkley 1979)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turnkit.audio import Samples
from turnkit.errors import MissingDependencyError

ROOM_RATE = 16_000
"""Rate of all responses in Hz."""

LEAD = 8
"""Samples that a response has before the direct sound: the foot of its interpolation."""

_FEWEST_M, _MOST_M = (2.2, 2.2, 2.3), (6.5, 5.0, 3.2)
_FROM_WALL_M = 0.3
_MAX_ORDER = 40
"""Reflections followed; later ones are more than 40 dB down in the rooms drawn here."""

_TRIES = 200


@dataclass(frozen=True, slots=True)
class Room:
    """One place to talk in; all lengths in metres.

    Attributes
    ----------
    size, mouth, microphone : (float, float, float)
    rt60_s : float
        Seconds in which reverberation falls by 60 dB, by Sabine's formula.
    """

    size: tuple[float, float, float]
    mouth: tuple[float, float, float]
    microphone: tuple[float, float, float]
    rt60_s: float


def draw_room(
    rt60_s: tuple[float, float], distance_m: tuple[float, float], rng: np.random.Generator
) -> Room:
    """Draw a room of a usual size, and where mouth and microphone are in it."""
    size = rng.uniform(_FEWEST_M, _MOST_M)
    low, high = np.full(3, _FROM_WALL_M), size - _FROM_WALL_M
    mouth = rng.uniform(low, high)
    microphone = np.clip(mouth + distance_m[0] * np.array([1.0, 0.0, 0.0]), low, high)
    for _ in range(_TRIES):
        way = rng.standard_normal(3)
        there = mouth + way / np.linalg.norm(way) * rng.uniform(*distance_m)
        if bool(np.all((there >= low) & (there <= high))):
            microphone = there
            break
    # Sabine cannot have a big room dryer than its walls would be open windows.
    volume = float(np.prod(size))
    surface = 2.0 * float(size[0] * size[1] + size[1] * size[2] + size[0] * size[2])
    driest = 0.161 * volume / surface / 0.9
    rt60 = max(float(rng.uniform(*rt60_s)), driest)
    return Room(_point(size), _point(mouth), _point(microphone), rt60)


def _point(place: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (round(float(each), 4) for each in place)
    return x, y, z


@lru_cache(maxsize=256)
def room_response(room: Room) -> Samples:
    """Impulse response of a room, of unit energy, its direct sound at sample `LEAD`.

    Returns
    -------
    ndarray of float32, shape (n,)
        At `ROOM_RATE`; read only.

    Raises
    ------
    MissingDependencyError
        If ``pyroomacoustics`` is not installed.
    """
    try:
        import pyroomacoustics as pra
    except ImportError as error:
        raise MissingDependencyError("pyroomacoustics", "synthesis", "a room") from error

    # Sums of several threads are rounded in any order.
    pra.constants.set("num_threads", 1)
    absorption, order = pra.inverse_sabine(room.rt60_s, room.size)
    box = pra.ShoeBox(
        room.size,
        fs=ROOM_RATE,
        materials=pra.Material(absorption),
        max_order=min(order, _MAX_ORDER),
    )
    box.add_source(room.mouth)
    box.add_microphone(room.microphone)
    box.compute_rir()
    responses: Any = box.rir
    whole = np.asarray(responses[0][0], dtype=np.float64)
    distance = float(np.linalg.norm(np.subtract(room.mouth, room.microphone)))
    delay = distance / float(pra.constants.get("c")) * ROOM_RATE
    direct = round(delay + int(pra.constants.get("frac_delay_length")) // 2)
    kept = whole[direct - LEAD :]
    response: Samples = (kept / np.sqrt(np.sum(kept**2))).astype(np.float32)
    response.setflags(write=False)
    return response


def in_room(samples: Samples, room: Room) -> Samples:
    """Hear dry sound in a room; the direct sound keeps its time.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
        At `ROOM_RATE`.
    room : Room

    Returns
    -------
    ndarray of float32, shape (n,)

    Raises
    ------
    MissingDependencyError
        If ``pyroomacoustics`` is not installed.
    """
    from scipy.signal import oaconvolve

    wet = oaconvolve(samples, room_response(room))
    return np.asarray(wet[LEAD : LEAD + len(samples)], dtype=np.float32)
