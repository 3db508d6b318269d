# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Three end-of-turn detectors, side by side
#
# Somebody pauses. Have they finished, or do they only look for a word? A detector that
# answers early cuts people off in their *holds*; one that answers late leaves dead air
# after their *ends of turn*. This notebook measures three detectors on the same turns,
# draws what each buys for its latency, and then takes one turn apart: see it, hear it,
# change something, look again.
#
# Everything runs on the **embedded corpus, which is synthetic**: one machine voice, turned
# into many pseudo-speakers, reads sentences with pauses laid on by rule. Its figures show
# how things work. They say nothing about how well a detector does with people; for that,
# put a corpus of real turns into `CORPUS`.

# %% [markdown]
# ## What to compare
#
# `ROWS` takes that many rows, spread over all speakers; `None` takes them all. The
# environment variable `TURNKIT_NOTEBOOK_ROWS` sets it from outside, which is how the tests
# keep this short. All 64 rows take a minute or two on two cores, and the corpus itself is
# made at the first use, which takes about as long.

# %%
# %matplotlib inline
# %config InlineBackend.figure_format = "retina"
import os
from dataclasses import replace

import numpy as np
from IPython.display import Audio, Markdown, display

from turnkit.corpus.reader import load_corpus
from turnkit.corpus.split import split_by_speaker
from turnkit.detector.opening import open_detector
from turnkit.detector.policy import Policy
from turnkit.detector.protocol import EventKind, Trace
from turnkit.detector.replay import replay
from turnkit.evaluate import evaluate, to_markdown
from turnkit.evaluate.machine import available_cores
from turnkit.peers import SMART_TURN, locate
from turnkit.plot import plot_durations, plot_frontier, plot_reliability, plot_turn
from turnkit.report import frontier_curves

# %%
CORPUS = "embedded:test"
ROWS = int(os.environ.get("TURNKIT_NOTEBOOK_ROWS", "0")) or None
SEED = 0

# The shipped streaming network, a public peer, and silence alone. The peer is fetched by
# `turnkit peers get smart-turn`; without it a second VAD stands in. A spec can also be the
# path of a bundle or of a training run: see `turnkit.detector.opening`.
peer = "smart-turn" if locate(SMART_TURN) else "vad:webrtc"
DETECTORS = ["default", peer, "vad:silero"]

# %% [markdown]
# ## The turns
#
# A row is one turn: samples, and the silence spans that somebody (here: the generator)
# annotated. The last span is the end of turn, each earlier one a hold. A detector never
# sees the spans.

# %%
corpus = load_corpus(CORPUS, default_split="test")
rows = min(ROWS or len(corpus), len(corpus))
corpus = corpus.subset(np.linspace(0, len(corpus) - 1, rows, dtype=int))
turns = list(corpus)
label = f"{corpus.name} (synthetic)" if corpus.synthetic else corpus.name
print(f"{label}: {len(turns)} turns of {len(set(corpus.speakers))} speakers")

plot_durations(
    {
        "holds": np.array([span.duration for turn in turns for span in turn.holds]),
        "ends of turn": np.array([turn.end.duration for turn in turns]),
    },
    f"How long silences last in {label}",
)

# %% [markdown]
# The holds are what makes this hard: a timeout that outlasts most of them makes everybody
# wait that long at every end.
#
# ## Measuring
#
# Scores alone decide nothing: a *policy* (threshold, action delay, timeout) turns them into
# decisions. A policy chosen on the rows it is reported on flatters itself, so half of the
# speakers choose and the other half report. (`embedded:train` would not do for choosing:
# those pseudo-speakers trained the weights of `default`, and `evaluate` leaves such rows
# out. With `fit_on=None` each detector keeps the policies it comes with.)

# %%
parts = split_by_speaker(corpus, {"choose": 0.5, "report": 0.5}, SEED)
evaluation = evaluate(
    parts["report"], DETECTORS, fit_on=parts["choose"], workers=available_cores(), seed=SEED
)
print(f"{evaluation.facts.label}: {evaluation.facts.rows} turns, {evaluation.facts.holds} holds")

# %% [markdown]
# ## Latency against false cutoffs
#
# Left and low is good. A line is what the best policies of a sweep reach on the reported
# rows themselves, read from score traces: optimistic. A filled marker is a policy chosen on
# the other speakers and then *replayed*, its decisions read from the events that `push`
# gave, with the 95 % interval over speakers; it may lie beside its line, because the sweep
# reads scores every 0.1 s and a detector decides at its own frames. "Pure delay" waits a
# fixed time after the annotated end of speech, which is what an ideal VAD would do.

# %%
plot_frontier(frontier_curves(evaluation), f"Latency and cutoffs on {evaluation.facts.label}")

# %% [markdown]
# ## Are the scores probabilities?
#
# If they are, then of all pauses that score 0.7, seven in ten are ends of turn. Policies do
# not need that, people who read scores do. Here each pause counts with its first score; a
# VAD gives none and is not drawn.

# %%
plot_reliability(
    {
        result.spec: result.diagnostics["first score"].reliability
        for result in evaluation.detectors
        if result.diagnostics
    },
    f"First score of a pause, {evaluation.facts.label}",
)

# %% [markdown]
# ## The table
#
# The same as `turnkit eval` prints, synthetic rows and all.

# %%
Markdown(to_markdown(evaluation))

# %% [markdown]
# ## One turn
#
# The one with the most holds; set `ROW` to look at another. First how it sounds, then what
# each detector makes of it under the policy that was chosen for `POINT`: `FC@600` cuts
# fewest holds at a mean latency of at most 600 ms. At `FC@300` everybody is more nervous.

# %%
ROW = int(np.argmax([len(turn.holds) for turn in parts["report"]]))
POINT = "FC@600"

turn = parts["report"][ROW]
print(f"{turn.id}: {turn.transcript}")
Audio(turn.samples, rate=turn.sample_rate)

# %% [markdown]
# Shaded: holds, and the end of turn. Below: the running score, with dots where the detector
# itself hears a pause that is long enough to act on, and the threshold. `replay` is a loop
# over `push`, the same path that runs live: a decision depends on nothing that comes after
# it. After a false cutoff the detector listens on, as it would in a call.

# %%
for result in evaluation.detectors:
    policy = (result.frozen or {}).get(POINT, result.own).policy
    detector = open_detector(result.spec, turn.sample_rate, policy)
    detector.trace = Trace()
    events = replay(detector, turn.samples)
    display(plot_turn(turn, detector.trace, events, policy, f"{result.spec}: {turn.id}"))
    for event in events:
        if event.kind is EventKind.TURN_ENDED:
            score = "" if event.score is None else f", score {event.score:.2f}"
            print(f"{event.at / turn.sample_rate:.2f} s: turn ended ({event.reason}{score})")

# %% [markdown]
# ## Change something
#
# Another policy, and noise that was not there before. Listen to what the detector had heard
# when it first decided: would *you* have known?

# %%
POLICY = Policy(threshold=0.5, action_delay_s=0.2, timeout_s=1.5)
NOISE = 0.003  # standard deviation; samples lie in -1 .. 1

noise = NOISE * np.random.default_rng(SEED).standard_normal(len(turn.samples))
changed = replace(turn, samples=(turn.samples + noise).astype(np.float32))
detector = open_detector(DETECTORS[0], turn.sample_rate, POLICY)
detector.trace = Trace()
events = replay(detector, changed.samples)
display(plot_turn(changed, detector.trace, events, POLICY, f"{DETECTORS[0]}, changed: {turn.id}"))

ends = [event.at for event in events if event.kind is EventKind.TURN_ENDED]
Audio(changed.samples[: ends[0] if ends else None], rate=turn.sample_rate)

# %% [markdown]
# ## Where to go from here
#
# - `CORPUS = "turns.parquet"`, a folder or a hub id: turns of people. `turnkit data describe`
#   says what is in them and what looks wrong.
# - `DETECTORS = ["runs/mine", ...]`: your own, trained by `turnkit train`.
# - `turnkit.evaluate.worst_cutoffs(evaluation.detectors[0])`: the false cutoffs that a
#   detector was surest of; `turnkit eval --out DIR` puts ten of them into a page, with sound.
