"""End-of-turn detection: whether a speaker has finished, or only paused.

Importing turnkit imports nothing else of it; `load` gives a ready detector and needs
numpy and onnxruntime alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from turnkit.detector.protocol import TurnDetector

__all__ = ["__version__", "load"]

__version__ = "0.1.0"


def load(name: str = "default", sample_rate: int = 16_000) -> TurnDetector:
    """Open a detector that is ready for samples.

    Parameters
    ----------
    name : str
        ``"default"`` or ``"encoder"`` (the bundles that come with the package), the
        path of a bundle or of a training run, or a rival: ``"vad:silero"``,
        ``"vad:600"`` (milliseconds), ``"smart-turn"``.
    sample_rate : int
        Rate in Hz of the samples it will be given.

    Returns
    -------
    TurnDetector
        See `turnkit.detector.protocol.TurnDetector`: ``push(samples)`` gives events.

    Raises
    ------
    BundleError
        If there is no such bundle, or it cannot be read.
    InputError
        If the rate cannot be used.
    """
    from turnkit.detector.opening import open_detector

    return open_detector(name, sample_rate)
