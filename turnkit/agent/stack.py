"""An opened preset: engines and detectors that all calls share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from turnkit.agent.preset import Preset
from turnkit.agent.session.settings import Rules
from turnkit.agent.transport.protocol import HEARD_RATE
from turnkit.detector.base import StreamingDetector
from turnkit.detector.opening import SemanticDetector, open_detector
from turnkit.detector.policy import Policy
from turnkit.errors import ConfigError
from turnkit.stages.llm.opening import open_llm
from turnkit.stages.llm.protocol import LanguageModel
from turnkit.stages.stt.opening import open_stt
from turnkit.stages.stt.protocol import SpeechToText
from turnkit.stages.tts.opening import open_tts
from turnkit.stages.tts.stream import StreamingTts

DETECTOR_THREADS = 2
"""Threads that all calls' detectors share; one decision costs less than a millisecond."""

_WARM_UP_S = 3.0


class Detectors:
    """The detectors of one call: the one that decides, and its shadows."""

    def __init__(self, main: StreamingDetector, shadows: list[StreamingDetector]) -> None:
        self.main, self.shadows = main, shadows

    def reset(self) -> None:
        """Forget everything heard."""
        for detector in (self.main, *self.shadows):
            detector.reset()
            detector.trace = None


class Stack:
    """Engines, detectors and threads of a preset.

    Attributes
    ----------
    preset : Preset
    rules : Rules
    stt, llm, tts
        The engines.
    ears, shadows, voices : ThreadPoolExecutor
        Where detectors, shadow detectors and resampling run.
    """

    def __init__(
        self, preset: Preset, stt: SpeechToText, llm: LanguageModel, tts: StreamingTts
    ) -> None:
        self.preset, self.rules = preset, preset.rules
        self.stt, self.llm, self.tts = stt, llm, tts
        self._idle: list[Detectors] = []
        self.ears = ThreadPoolExecutor(DETECTOR_THREADS, "turnkit-detector")
        self.shadows = ThreadPoolExecutor(1, "turnkit-shadow")
        self.voices = ThreadPoolExecutor(1, "turnkit-resampler")

    @classmethod
    def open(cls, preset: Preset) -> Stack:
        """Open what a preset names; models are loaded by `warm`.

        Raises
        ------
        ConfigError
            If settings of a stage or the detector do not fit.
        """
        conversation = preset.conversation
        fixed = tuple(text for text in (conversation.greeting, conversation.apology) if text)
        return cls(
            preset,
            open_stt(preset.stt),
            open_llm(preset.llm),
            open_tts(preset.tts, phrases=fixed),
        )

    def with_rules(self, rules: Rules) -> Stack:
        """Make a view of this stack with other rules: the same engines and threads."""
        other = object.__new__(Stack)
        other.__dict__.update(self.__dict__)
        other.rules = rules
        other.preset = replace(self.preset, mode=rules.mode)
        return other

    async def warm(self, report: Callable[[str], None] = lambda _: None) -> None:
        """Load everything and run it once.

        Parameters
        ----------
        report : callable
            Told in a line what is ready and how long it took.

        Raises
        ------
        TurnkitError
            If an engine or detector cannot work; the message says what is missing.
        """
        started = time.perf_counter()
        self._idle.append(await asyncio.to_thread(self._open_detectors, warm=True))
        names = ", ".join((self.preset.bundle, *self.preset.shadow))
        report(f"detector  {names} ({time.perf_counter() - started:.1f} s)")
        for stage, engine in (("stt", self.stt), ("llm", self.llm), ("tts", self.tts)):
            started = time.perf_counter()
            await engine.warm()
            note = ", simulated" if engine.simulated else ""
            report(f"{stage:<9} {engine.name}{note} ({time.perf_counter() - started:.1f} s)")

    def _open_detectors(self, *, warm: bool = False) -> Detectors:
        main = open_detector(self.preset.bundle, HEARD_RATE)
        policy = self._policy(main)
        if policy is not None:
            main.policy = policy
        shadows = [open_detector(spec, HEARD_RATE) for spec in self.preset.shadow]
        for spec, shadow in zip(self.preset.shadow, shadows, strict=True):
            shadow.name = spec
        detectors = Detectors(main, shadows)
        if warm:
            noise = np.random.default_rng(0).standard_normal(round(_WARM_UP_S * HEARD_RATE))
            for detector in (main, *shadows):
                detector.push((0.1 * noise).astype(np.float32))
            detectors.reset()
        return detectors

    def _policy(self, detector: StreamingDetector) -> Policy | None:
        chosen = self.preset.policy
        if chosen is None or isinstance(chosen, Policy):
            return chosen
        fitted = detector.frozen_policies if isinstance(detector, SemanticDetector) else {}
        if chosen not in fitted:
            known = ", ".join(fitted) or "none"
            raise ConfigError(f"policy {chosen!r}: {self.preset.bundle} has {known}")
        return fitted[chosen]

    async def lend_detectors(self) -> Detectors:
        """Take detectors for a call; give them back with `return_detectors`."""
        if self._idle:
            return self._idle.pop()
        return await asyncio.to_thread(self._open_detectors)

    def return_detectors(self, detectors: Detectors) -> None:
        """Keep a call's detectors for the next one."""
        detectors.reset()
        self._idle.append(detectors)

    def describe(self) -> dict[str, Any]:
        """Names of the stages, for the client."""
        return {
            "stt": {"name": self.stt.name, "simulated": self.stt.simulated},
            "llm": {"name": self.llm.name, "simulated": self.llm.simulated},
            "tts": {"name": self.tts.name, "simulated": self.tts.simulated},
        }

    async def aclose(self) -> None:
        """Free everything."""
        for engine in (self.stt, self.llm, self.tts):
            await engine.aclose()
        for pool in (self.ears, self.shadows, self.voices):
            pool.shutdown(wait=True, cancel_futures=True)
        self._idle.clear()
