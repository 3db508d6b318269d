from __future__ import annotations

import numpy as np
import pytest

from turnkit.train.statistics import fit_scale, fit_whitening

RNG = np.random.default_rng(0)
MIXED = (RNG.standard_normal((500, 12)) @ RNG.standard_normal((12, 12)) + 3.0).astype(np.float32)


def test_scale_is_that_of_all_parts_together() -> None:
    scale = fit_scale([MIXED[:100], MIXED[100:]], 12)
    np.testing.assert_allclose(scale.mean, MIXED.mean(0), rtol=1e-4)
    np.testing.assert_allclose(scale.scale, 1 / MIXED.std(0), rtol=1e-4)


def test_a_column_that_does_not_vary_keeps_its_scale() -> None:
    scale = fit_scale([np.full((10, 2), 5.0)], 2)
    assert scale.mean.tolist() == [5.0, 5.0]
    assert scale.scale.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("axes", [1, 5, 12])
def test_whitening_is_sklearns(axes: int) -> None:
    from sklearn.decomposition import PCA

    oracle = PCA(axes, whiten=True, svd_solver="full").fit(MIXED)
    ours = fit_whitening([MIXED[:33], MIXED[33:]], 12, axes)
    expected = oracle.transform(MIXED)
    found = ours(MIXED)
    # sklearn divides by n - 1
    expected *= np.sqrt(len(MIXED) / (len(MIXED) - 1))
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=2e-3)
    np.testing.assert_allclose(found.std(0), 1.0, atol=1e-3)


def test_axes_along_which_nothing_varies_are_left_out() -> None:
    flat = np.concatenate([MIXED[:, :2], np.zeros((500, 3), dtype=np.float32)], axis=1)
    assert fit_whitening([flat], 5).axes.shape == (5, 2)
