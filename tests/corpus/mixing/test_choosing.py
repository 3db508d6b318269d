from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from turnkit.corpus.mixing.choosing import Candidate, Ledger, Pools, choose
from turnkit.corpus.mixing.settings import MixSettings, MixSource
from turnkit.errors import ConfigError, CorpusError

DOMAINS = ("a", "b")


def candidate(number: int, source: int = 0, speaker: str | None = "s", **fields: Any) -> Candidate:
    given: dict[str, Any] = {"id": f"r{number}", "domain": "a", "digest": f"d{number}"} | fields
    return Candidate(source=source, row=number, speaker=speaker, **given)


def settings(*sources: dict[str, Any], **fields: Any) -> MixSettings:
    each = tuple(MixSource(f"corpus{i}", **one) for i, one in enumerate(sources or ({},)))
    return MixSettings(each, **fields)


def left_out(ledger: Ledger) -> dict[tuple[str, int, str], int]:
    return dict(ledger.rows)


@st.composite
def pools(draw: st.DrawFn) -> Pools:
    """Two splits of two sources, some recordings and speakers in both."""
    found: Pools = {"train": [], "test": []}
    for number in range(draw(st.integers(4, 40))):
        split = draw(st.sampled_from(sorted(found)))
        source = draw(st.integers(0, 1))
        speaker = draw(st.none() | st.integers(0, 6).map(str))
        digest = f"d{draw(st.integers(0, 60))}"
        domain = draw(st.sampled_from(DOMAINS))
        row = candidate(number, source, speaker, digest=digest, domain=domain)
        found[split].append(row)
    return found


limits = st.fixed_dictionaries(
    {},
    optional={
        "speaker_cap": st.integers(1, 5),
        "turns": st.integers(1, 20),
    },
)


@given(
    pools=pools(),
    own=st.tuples(limits, limits),
    cap=st.none() | st.integers(1, 6),
    seed=st.integers(0, 3),
)
def test_all_limits_hold_and_every_row_is_accounted_for(
    pools: Pools, own: tuple[dict[str, int], dict[str, int]], cap: int | None, seed: int
) -> None:
    later = {name for row in pools["test"] for name in (row.speaker, row.digest)} - {None}
    assume(
        pools["test"] and any({row.speaker, row.digest}.isdisjoint(later) for row in pools["train"])
    )
    mixed = settings(*own, speaker_cap=cap, seed=seed, shared="drop")
    found, ledger = choose(mixed, pools)
    again, _ = choose(mixed, pools)
    assert again == found
    for split, rows in found.items():
        assert set(rows) <= set(pools[split])
        lost = sum(n for (at, _, _), n in ledger.rows.items() if at == split)
        assert len(rows) + lost == len(pools[split])
        assert max(Counter(row.digest for row in rows).values()) == 1
        by_speaker = Counter(row.speaker or row.id for row in rows)
        assert cap is None or max(by_speaker.values()) <= cap
        for number, one in enumerate(own):
            mine = [row for row in rows if row.source == number]
            assert len(mine) <= one.get("turns", len(mine))
            per_speaker = Counter(row.speaker or row.id for row in mine)
            assert max(per_speaker.values(), default=0) <= one.get("speaker_cap", 99)
    for kind in ("speaker", "digest"):
        train, test = ({getattr(row, kind) for row in found[split]} for split in found)
        assert train & test <= {None}


def test_without_limits_all_rows_are_kept_in_another_order() -> None:
    rows = [candidate(i) for i in range(50)]
    found, ledger = choose(settings(), {"train": rows})
    assert sorted(found["train"], key=lambda row: row.row) == rows
    assert found["train"] != rows
    assert not left_out(ledger)
    other, _ = choose(settings(seed=1), {"train": rows})
    assert other["train"] != found["train"]


def test_what_another_source_holds_does_not_change_what_is_drawn() -> None:
    rows = [candidate(i) for i in range(50)]
    more = [candidate(i, 1, "t") for i in range(100, 120)]
    alone, _ = choose(settings({"turns": 10}), {"train": rows})
    beside, _ = choose(settings({"turns": 10}, {}), {"train": [*rows, *more]})
    assert set(alone["train"]) == {row for row in beside["train"] if row.source == 0}


@given(
    sizes=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    weights=st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)),
)
def test_weights(sizes: tuple[int, int], weights: tuple[float, float]) -> None:
    rows = [candidate(100 * s + i, s, f"{s}") for s in (0, 1) for i in range(sizes[s])]
    plain = [candidate(900 + i, 2, "x") for i in range(7)]
    mixed = settings({"weight": weights[0]}, {"weight": weights[1]}, {})
    found, _ = choose(mixed, {"train": [*rows, *plain]})
    count = Counter(row.source for row in found["train"])
    assert count[2] == 7
    assert any(count[s] == sizes[s] for s in (0, 1))  # as large as it can be
    for one, other in ((0, 1), (1, 0)):
        exact = count[other] * weights[one] / weights[other]
        # either is rounded down, to one row at least
        slack = 1 + max(weights[one] / weights[other], 1)
        assert count[one] == 1 or abs(count[one] - exact) < slack


def test_a_weight_is_of_those_that_have_the_split() -> None:
    rows = [candidate(i, 1) for i in range(5)]
    found, _ = choose(settings({"weight": 9.0}, {"weight": 1.0}), {"dev": rows})
    assert len(found["dev"]) == 5


def test_a_domain_has_a_cap_over_its_sources() -> None:
    rows = [candidate(i, i % 2, domain="a" if i < 20 else "b") for i in range(40)]
    found, ledger = choose(settings({}, {}, domain_caps={"a": 6}), {"train": rows})
    assert Counter(row.domain for row in found["train"]) == {"a": 6, "b": 20}
    assert sum(ledger.rows.values()) == 14
    assert {reason for _, _, reason in ledger.rows} == {"over the domain's cap"}
    with pytest.raises(ConfigError, match=r"domain_caps\.c: the domains are a, b"):
        choose(settings({}, {}, domain_caps={"c": 6}), {"train": rows})


def test_a_speaker_in_two_splits_is_refused_or_left_out_of_the_first() -> None:
    shared = {
        "train": [candidate(0, speaker="x"), candidate(1, speaker="y")],
        "test": [candidate(2, speaker="x")],
    }
    with pytest.raises(CorpusError, match="split train shares 1 speakers with a later one: x"):
        choose(settings(), shared)
    found, ledger = choose(settings(shared="drop"), shared)
    assert [row.id for row in found["train"]] == ["r1"]
    assert [row.id for row in found["test"]] == ["r2"]
    assert left_out(ledger) == {("train", 0, "speaker is in test"): 1}


def test_a_recording_stays_in_one_split() -> None:
    pools = {
        "train": [candidate(0, speaker="caller", recording="x/40"), candidate(1, speaker="other")],
        "test": [candidate(2, speaker="agent", recording="x/40")],
    }
    with pytest.raises(CorpusError, match="shares 1 recordings with a later one: x/40"):
        choose(settings(), pools)
    found, ledger = choose(settings(shared="drop"), pools)
    assert [row.id for row in found["train"]] == ["r1"]
    assert left_out(ledger) == {("train", 0, "recording is in test"): 1}


def test_nameless_speakers_are_told_apart_by_their_audio() -> None:
    pools = {
        "train": [candidate(0, speaker=None), candidate(1, speaker=None, digest="same")],
        "test": [candidate(2, speaker=None, digest="same")],
    }
    with pytest.raises(CorpusError, match="shares 1 rows of the same audio with a later one: r1"):
        choose(settings(), pools)
    found, ledger = choose(settings(shared="drop"), pools)
    assert [row.id for row in found["train"]] == ["r0"]
    assert left_out(ledger) == {("train", 0, "audio is in test"): 1}


def test_audio_counts_once() -> None:
    rows = [candidate(0, digest="same"), candidate(1, 1, digest="same")]
    found, ledger = choose(settings({}, {}), {"train": rows})
    assert [row.id for row in found["train"]] == ["r0"]
    assert left_out(ledger) == {("train", 1, "audio comes twice"): 1}


def test_ids_that_come_twice() -> None:
    rows = [candidate(0), candidate(1, 1, id="r0")]
    with pytest.raises(CorpusError, match=r"1 ids come twice: r0; 'qualify: true'"):
        choose(settings({}, {}), {"train": rows})
    with pytest.raises(CorpusError, match="1 ids come twice"):
        choose(
            settings({}, {}),
            {"train": rows[:1], "test": [candidate(1, 1, id="r0", speaker="other")]},
        )


def test_a_split_that_is_all_left_out() -> None:
    pools = {"train": [candidate(0, speaker="x")], "test": [candidate(2, speaker="x")]}
    with pytest.raises(CorpusError, match=r"split train: nothing is left \(speaker is in test\)"):
        choose(settings(shared="drop"), pools)


def test_a_row_without_an_end_is_left_out() -> None:
    rows = [candidate(0, no_end="incomplete"), candidate(1), candidate(2, no_end="backchannel")]
    found, ledger = choose(settings(), {"train": rows})
    assert [row.id for row in found["train"]] == ["r1"]
    assert left_out(ledger) == {
        ("train", 0, "incomplete: it ends in a hold"): 1,
        ("train", 0, "backchannel: it takes no turn"): 1,
    }
