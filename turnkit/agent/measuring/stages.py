"""The stages of a preset, measured one by one: what ``turnkit bench stages`` prints."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from turnkit.agent.measuring.stages_figures import STAGES, Stage, StageFigures, StagesReport
from turnkit.agent.measuring.stages_llm import measure_llm
from turnkit.agent.measuring.stages_speech import Speech, corpus_turns, speak_sentences
from turnkit.agent.measuring.stages_stt import measure_stt
from turnkit.agent.measuring.stages_tts import measure_tts
from turnkit.agent.measuring.stages_words import check_scoring
from turnkit.agent.preset import Preset
from turnkit.errors import ConfigError
from turnkit.evaluate.machine import Machine, StealClock
from turnkit.stages.llm.opening import open_llm
from turnkit.stages.stt.opening import open_stt
from turnkit.stages.tts.opening import open_tts

CORPUS = "embedded:test"
"""Corpus whose turns recognisers hear, beside the sentences."""

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StageBenchSettings:
    """What is measured, and how often.

    Attributes
    ----------
    stages : tuple of {"stt", "llm", "tts"}
    recognisers : tuple of str
        Kinds of recognisers, with their default settings, that are measured beside the
        preset's.
    corpus : str or None
        None leaves the sentences alone.
    sentences : int
        Of our own, and most turns of the corpus.
    paced : int
        Utterances of each of the two in a round that are pushed in real time.
    rounds : int
        Times each engine is loaded anew.
    seed : int

    Raises
    ------
    ConfigError
        If a number is below 1, or `seed` below 0.
    """

    stages: tuple[Stage, ...] = STAGES
    recognisers: tuple[str, ...] = ()
    corpus: str | None = CORPUS
    sentences: int = 20
    paced: int = 3
    rounds: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("sentences", "paced", "rounds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)}: expected at least 1")
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed}: expected 0 or more")


async def measure_stages(
    preset: Preset,
    settings: StageBenchSettings | None = None,
    told: Told = lambda _: None,
) -> StagesReport:
    """Measure the stages of a preset, each alone on the machine.

    Parameters
    ----------
    preset : Preset
    settings : StageBenchSettings, optional
    told : callable
        Gets a line on what is being done.

    Returns
    -------
    StagesReport
        Stages in the order of a turn.

    Raises
    ------
    ConfigError
        If settings of a stage do not fit.
    CorpusError
        If the corpus cannot be read.
    StageError, MissingAssetError, MissingDependencyError, OfflineError
        If an engine cannot work; the message says what is missing.
    """
    chosen = settings or StageBenchSettings()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    steal = StealClock()
    speech: tuple[Speech, ...] = ()
    figures: list[StageFigures] = []
    await _check(preset, chosen)
    # Recognisers take longest: what is missing of the others shows before them.
    if "llm" in chosen.stages:
        system = preset.conversation.system
        figures.append(
            await measure_llm(
                partial(open_llm, preset.llm), system, chosen.rounds, chosen.seed, told
            )
        )
    if "tts" in chosen.stages:
        figures.append(
            await measure_tts(partial(open_tts, preset.tts), chosen.rounds, chosen.seed, told)
        )
    if "stt" in chosen.stages:
        speech = await asyncio.to_thread(_gather_speech, chosen, told)
        figures[:0] = await _measure_recognisers(preset, chosen, speech, told)
    return StagesReport(
        Machine.read(),
        load,
        steal.share(),
        preset.name,
        chosen.seed,
        chosen.rounds,
        {each.name: each.origin for each in speech},
        tuple(figures),
    )


def _gather_speech(chosen: StageBenchSettings, told: Told) -> tuple[Speech, ...]:
    told("stt  speaking the sentences")
    speech = [speak_sentences(chosen.sentences, chosen.seed)]
    if chosen.corpus is not None:
        told(f"stt  reading {chosen.corpus}")
        speech.append(corpus_turns(chosen.corpus, chosen.sentences, chosen.seed))
    return tuple(speech)


async def _measure_recognisers(
    preset: Preset, chosen: StageBenchSettings, speech: tuple[Speech, ...], told: Told
) -> list[StageFigures]:
    return [
        await measure_stt(partial(open_stt, one), speech, chosen.rounds, chosen.paced, told)
        for one in _recognisers(preset, chosen)
    ]


def _recognisers(preset: Preset, chosen: StageBenchSettings) -> list[dict[str, Any]]:
    return [preset.stt, *({"kind": kind} for kind in chosen.recognisers)]


async def _check(preset: Preset, chosen: StageBenchSettings) -> None:
    """Raise at once what would only be found after minutes."""
    if "stt" in chosen.stages:
        for each in _recognisers(preset, chosen):
            engine = open_stt(each)
            await engine.aclose()
            if not engine.simulated:
                check_scoring()
    if "llm" in chosen.stages:
        await open_llm(preset.llm).aclose()
    if "tts" in chosen.stages:
        await open_tts(preset.tts).aclose()
