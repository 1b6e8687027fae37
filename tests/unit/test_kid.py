"""KID and its interval, against a double loop and clean-fid."""

import numpy as np
import pytest
from cleanfid.fid import kernel_distance
from resamples import resample_weights

from ldm_scaling.cells.comparison import prepare
from ldm_scaling.cells.metrics import kid as kid_module
from ldm_scaling.cells.metrics.kid import across, value, within
from ldm_scaling.jobs.cli import InputError


def features(seed, n, d=7):
    return np.random.default_rng(seed).standard_normal((n, d)) + 0.1 * seed


def kid(x, y):
    return value(x, prepare(y, None))


def kid_interval(x, y, weights, confidence):
    """The interval where the real images are the same in all resamples."""
    same = np.ones((len(weights), len(y)))
    pairs = within(y, np.concatenate([same, same[:1]]))
    return kid_module.kid_interval(x, y, pairs, weights, same, confidence)


def loop_kid(x, y):
    """The U-statistic of Binkowski et al. 2018, eq. 4, written out."""

    def k(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def pairs(z):
        values = [k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j]
        return sum(values) / len(values)

    cross = [k(a, b) for a in x for b in y]
    return pairs(x) + pairs(y) - 2 * sum(cross) / len(cross)


def test_matches_a_double_loop():
    x, y = features(1, 6), features(2, 9)
    assert kid(x, y) == pytest.approx(loop_kid(x, y), rel=1e-12)


def test_matches_cleanfid_when_its_one_subset_is_everything():
    x, y = features(1, 80), features(3, 80)
    expected = kernel_distance(x, y, num_subsets=1, max_subset_size=80)
    assert kid(x, y) == pytest.approx(expected, rel=1e-10)


def test_blocks_change_nothing(monkeypatch):
    x, y = features(1, 23), features(2, 31)
    weights = resample_weights(range(23), 4, 0)
    whole = kid(x, y), within(x, weights), across(x, y)
    monkeypatch.setattr(kid_module, "BLOCK", 5)
    for blocked, expected in zip((kid(x, y), within(x, weights), across(x, y)), whole, strict=True):
        np.testing.assert_allclose(blocked, expected)


def test_is_unbiased():
    generator = np.random.default_rng(0)
    values = [
        kid(generator.standard_normal((20, 5)), generator.standard_normal((40, 5)))
        for _ in range(400)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(400)
    assert min(values) < 0


def test_float16_features_are_not_multiplied_in_float16():
    x, y = features(1, 30, 64).astype(np.float16), features(2, 30, 64).astype(np.float16)
    assert kid(x, y) == pytest.approx(kid(x.astype(np.float64), y.astype(np.float64)), rel=1e-12)


def test_weighted_pairs_leave_out_copies_of_an_image():
    x, weights = features(1, 8), resample_weights(range(8), 5, 3)
    for row, result in zip(weights, within(x, weights), strict=True):
        drawn = [i for i, count in enumerate(row) for _ in range(int(count))]
        pairs = [(x[i] @ x[j] / 7 + 1) ** 3 for i in drawn for j in drawn if i != j]
        assert result == pytest.approx(np.mean(pairs), rel=1e-12)


def test_one_image_is_refused():
    with pytest.raises(InputError, match="two images"):
        kid(features(1, 1), features(2, 5))


def test_interval_holds_the_value_and_is_reproducible():
    x, y = features(1, 40), features(2, 50)
    first, again = (kid_interval(x, y, resample_weights(range(40), 100, 5), 0.95) for _ in range(2))
    assert first[:3] == again[:3]
    assert np.array_equal(first.draws, again.draws) and first.draws.shape == (100,)
    assert first.value == pytest.approx(loop_kid(x, y))
    assert first.lo < first.value < first.hi


def test_interval_follows_the_resampled_kid():
    x, y, weights = features(1, 12), features(2, 15), resample_weights(range(12), 40, 0)
    own = within(x, weights)
    cross = np.array([across(np.repeat(x, row.astype(int), axis=0), y).mean() for row in weights])
    resampled = own - 2 * cross
    value, lo, hi, draws = kid_interval(x, y, weights, 0.5)
    expected = np.quantile(resampled, [0.25, 0.75]) - resampled.mean()
    np.testing.assert_allclose((lo - value, hi - value), expected, rtol=1e-9)
    np.testing.assert_allclose(draws - value, resampled - resampled.mean(), rtol=1e-6, atol=1e-9)


def test_interval_covers_at_about_its_rate():
    generator = np.random.default_rng(0)
    reference = generator.standard_normal((300, 6))
    weights = resample_weights(range(150), 200, 0)

    def sample(n=150):
        return 1.1 * generator.standard_normal((n, 6)) + 0.3

    truth = kid(sample(6000), reference)  # unbiased: the truth does not depend on n
    intervals = [kid_interval(sample(), reference, weights, 0.9) for _ in range(60)]
    covered = [lo <= truth <= hi for _, lo, hi, _ in intervals]
    assert 0.78 <= np.mean(covered) <= 0.99
    width = np.mean([hi - lo for _, lo, hi, _ in intervals])
    assert width == pytest.approx(2 * 1.645 * np.std([i.value for i in intervals]), rel=0.3)
