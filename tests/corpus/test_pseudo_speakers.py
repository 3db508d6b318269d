from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from turnkit.corpus.embedded_text import Split
from turnkit.corpus.pseudo_speakers import PITCH_RATIO, pseudo_speaker

SPLITS: tuple[Split, ...] = ("train", "test")


@given(st.integers(0, 1_000), st.integers(1, 40), st.integers(1, 40))
def test_no_two_speakers_sound_alike(seed: int, train: int, test: int) -> None:
    counts = dict(zip(SPLITS, (train, test), strict=True))
    everybody = [pseudo_speaker(s, i, seed) for s in SPLITS for i in range(counts[s])]
    assert len({person.name for person in everybody}) == len(everybody)
    points = np.array([(np.log2(p.pitch), 4 * p.formants) for p in everybody])
    apart = np.abs(points[:, None] - points[None, :]).max(axis=2)
    np.fill_diagonal(apart, 1.0)
    # n points spread evenly over about 1.3 by 0.7 are no closer than this
    assert apart.min() > 0.2 / (2 * max(train, test))


@given(st.integers(0, 2**31), st.integers(0, 10_000), st.sampled_from(SPLITS))
def test_every_speaker_could_be_a_person(seed: int, index: int, split: Split) -> None:
    person = pseudo_speaker(split, index, seed)
    assert person == pseudo_speaker(split, index, seed)
    assert person.name.startswith(f"synthetic-{split}-")
    assert PITCH_RATIO[0] <= person.pitch <= PITCH_RATIO[1]
    assert 0.85 < person.formants < 1.25


def test_pitch_spans_the_range_and_goes_with_the_vocal_tract() -> None:
    people = [pseudo_speaker("train", i, 0) for i in range(40)]
    pitches = np.array([p.pitch for p in people])
    assert pitches.min() < 1.0
    assert pitches.max() > 2.0
    assert np.corrcoef(np.log(pitches), [p.formants for p in people])[0, 1] > 0.4
