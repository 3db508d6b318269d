from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torchdata.stateful_dataloader import StatefulDataLoader

from turnkit.train.batches import LengthBatches, pad

LENGTHS = [int(n) for n in np.random.default_rng(0).integers(10, 400, 53)]


def rows(sampler: LengthBatches) -> list[list[int]]:
    return list(iter(sampler))


@given(st.integers(1, 53), st.integers(1, 9), st.integers(0, 3))
def test_an_epoch_holds_every_row_once(count: int, size: int, epoch: int) -> None:
    sampler = LengthBatches(LENGTHS[:count], size, seed=1)
    sampler.set_epoch(epoch)
    found = rows(sampler)
    assert len(found) == len(sampler)
    assert sorted(chain.from_iterable(found)) == list(range(count))


@given(st.integers(2, 4), st.integers(1, 9))
def test_ranks_share_the_rows_and_get_as_many_batches(world: int, size: int) -> None:
    parts = [rows(LengthBatches(LENGTHS, size, 1, rank, world)) for rank in range(world)]
    assert len({len(part) for part in parts}) == 1
    batches = [tuple(batch) for part in parts for batch in part]
    assert set(chain.from_iterable(batches)) == set(range(len(LENGTHS)))
    # only to make the numbers even does a batch come twice
    assert len(batches) - len(set(batches)) < world


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        sampler = LengthBatches(LENGTHS, 4, seed)
        sampler.set_epoch(epoch)
        return rows(sampler)

    assert order(1, 3) == order(1, 3)
    assert order(1, 3) != order(1, 4)
    assert order(1, 3) != order(2, 3)


def test_rows_of_a_batch_are_of_like_length() -> None:
    spread = [
        np.ptp([LENGTHS[row] for row in batch]) for batch in rows(LengthBatches(LENGTHS, 6, 0))
    ]
    assert np.median(spread) < 0.5 * np.ptp(LENGTHS)


class Numbers:
    def __len__(self) -> int:
        return len(LENGTHS)

    def __getitem__(self, index: int) -> int:
        return index


def loader(workers: int, epoch: int = 0) -> Any:
    sampler = LengthBatches(LENGTHS, 4, seed=1)
    sampler.set_epoch(epoch)
    numbers: Any = Numbers()
    return StatefulDataLoader(numbers, batch_sampler=sampler, num_workers=workers)


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("done", [0, 1, 5, 14])
def test_a_loader_goes_on_where_its_state_says(done: int, workers: int) -> None:
    whole = [batch.tolist() for batch in loader(0, epoch=2)]
    first = loader(workers, epoch=2)
    walk = iter(first)
    begun = [next(walk).tolist() for _ in range(done)]
    state = first.state_dict()
    del walk
    second = loader(workers)
    second.load_state_dict(state)
    rest = [batch.tolist() for batch in second]
    if done < len(whole):
        assert begun + rest == whole
    else:
        assert rest == [batch.tolist() for batch in loader(0, epoch=3)]


def test_padding_repeats_the_last_entry_or_fills() -> None:
    parts = [np.array([[1.0], [2.0]]), np.array([[3.0]])]
    assert pad(parts)[:, :, 0].tolist() == [[1, 2], [3, 3]]
    assert pad(parts, 0.0)[:, :, 0].tolist() == [[1, 2], [3, 0]]
