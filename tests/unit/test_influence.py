"""The linearised interval against a numerical derivative, the bootstrap, and repeated sampling."""

import numpy as np
import pytest

from ldm_scaling.cells.comparison import Prompts, prepare
from ldm_scaling.cells.metrics import fd
from ldm_scaling.cells.metrics.bootstrap import resample_counts, weighted_statistics
from ldm_scaling.cells.metrics.divisions import Divisions
from ldm_scaling.cells.metrics.frechet import (
    frechet_distance,
    frechet_distances,
    square_root,
    statistics,
)
from ldm_scaling.cells.metrics.influence import influences, linearised_fd_interval
from ldm_scaling.jobs.cli import InputError


def gaussian(seed, n, k):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((n, k)) @ generator.standard_normal((k, k)) + seed


def rooted(features):
    """Mean and root covariance, which the influences are taken from."""
    mean, covariance = statistics(features)
    return mean, square_root(covariance)


def both(concepts, real, resamples=10, seed=0):
    """Prompts of concepts, and prompts of real images, where each image is its own concept."""
    names = [f"real {row}" for row in range(real)]
    return [
        Prompts(own, resample_counts(own, resamples, seed + more), Divisions(range(8), 0))
        for more, own in enumerate(([*map(str, concepts)], names))
    ]


def linear_interval(features, real, concepts, confidence, resamples=10, seed=0):
    prompts, every = both(concepts, len(real), resamples, seed)
    reference = prepare(real, None, every)
    return linearised_fd_interval(features, reference, prompts, confidence)


def heavier(features, reference, image, by):
    """The distance with the weight of one image changed by `by`."""
    weights = np.ones((1, len(features)))
    weights[0, image] += by
    weights *= len(features) / weights.sum()
    mu, sigma = reference
    moments = weighted_statistics(features, weights)
    return frechet_distances(mu, square_root(sigma), *moments)[0]


def derivative(features, reference, image, step=1e-4):
    more, less = (heavier(features, reference, image, sign * step) for sign in (1, -1))
    return (more - less) / (2 * step)


def test_influences_are_the_derivative_with_respect_to_weights():
    features, real = gaussian(1, 40, 5), gaussian(2, 200, 5)
    value, found = influences(features, *rooted(real))
    reference = statistics(real)
    assert value == pytest.approx(frechet_distance(*reference, *statistics(features)), rel=1e-9)
    expected = [40 * derivative(features, reference, image) for image in range(40)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    assert found.sum() == pytest.approx(0, abs=1e-9 * np.abs(found).sum())


@pytest.mark.parametrize("lacking", ["reference", "features", "both"])
def test_directions_without_variance_are_left_out(lacking):
    flat = np.array([1, 1, 1, 0, 0])
    features = gaussian(1, 40, 5) * (flat if lacking in ("features", "both") else 1)
    real = gaussian(2, 200, 5) * (flat if lacking in ("reference", "both") else 1)
    value, found = influences(features, *rooted(real))
    reference = statistics(real)
    assert value == pytest.approx(frechet_distance(*reference, *statistics(features)), rel=1e-6)
    expected = [40 * derivative(features, reference, image) for image in range(40)]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_more_dimensions_than_images_are_fine():
    features, real = gaussian(1, 12, 30), gaussian(2, 400, 30)
    _, found = influences(features, *rooted(real))
    reference = statistics(real)
    expected = [12 * derivative(features, reference, image) for image in range(12)]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("copies", [1, 3])
def test_width_is_that_of_the_bootstrap(copies):
    # images of one concept that are alike count once, in both
    ratios = []
    for seed in range(20):
        features = np.tile(gaussian(seed, 300, 6) / 6, (copies, 1))
        real = gaussian(seed + 100, 600, 6) / 6
        concepts = list(range(300)) * copies
        prompts, every = both(concepts, 600, 400, seed)
        resampled = fd.interval(features, prepare(real, 6, every), prompts, 0.9)
        linear = linearised_fd_interval(features, prepare(real, None, every), prompts, 0.9)
        assert linear.value == pytest.approx(resampled.value)
        # each draw is that of the same resample, to first order
        assert np.corrcoef(linear.draws, resampled.draws)[0, 1] > 0.9
        ratios.append((linear.hi - linear.lo) / (resampled.hi - resampled.lo))
    assert np.mean(ratios) == pytest.approx(1, abs=0.05)
    assert np.std(ratios) < 0.1


def test_interval_covers_at_about_its_rate():
    generator = np.random.default_rng(0)

    def studies(count):
        for _ in range(count):
            real = generator.standard_normal((200, 6))
            yield 1.1 * generator.standard_normal((150, 6)) + 0.2, real

    # n is a part of the metric's identity: the truth is its expectation at this n
    values = [
        frechet_distance(*statistics(real), *statistics(found)) for found, real in studies(1000)
    ]
    intervals = [linear_interval(found, real, range(150), 0.9) for found, real in studies(300)]
    covered = [lo <= np.mean(values) <= hi for _, lo, hi, _ in intervals]
    assert 0.83 <= np.mean(covered) <= 0.96
    width = np.mean([hi - lo for _, lo, hi, _ in intervals])
    assert width == pytest.approx(2 * 1.645 * np.std(values), rel=0.15)


def test_the_interval_ends_at_zero():
    features = gaussian(1, 50, 3)
    value, lo, hi, _ = linear_interval(features, features + 0.01, range(50), 0.95)
    assert value == pytest.approx(3e-4)
    assert lo == 0
    assert hi > 2 * value


def test_one_concept_has_no_interval():
    concepts = ["a"] * 20
    prompts = Prompts(concepts, resample_counts(concepts, 5, 0), Divisions(range(8), 0))
    real = Prompts(["a"] * 50, resample_counts(["a"] * 50, 5, 0), prompts.divisions)
    reference = prepare(gaussian(2, 50, 3), None, real)
    with pytest.raises(InputError, match="two concepts"):
        linearised_fd_interval(gaussian(1, 20, 3), reference, prompts, 0.9)


def test_not_finite_is_refused():
    features, reference = gaussian(1, 20, 3), rooted(gaussian(2, 50, 3))
    features[3, 1] = np.nan
    with pytest.raises(InputError, match="not finite"):
        influences(features, *reference)
