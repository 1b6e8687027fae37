"""The Frechet distance, its resamples and its interval, against closed forms and clean-fid."""

import numpy as np
import pytest
from cleanfid.fid import frechet_distance as cleanfid_distance
from resamples import resample_weights

from ldm_scaling.cells.metrics.bootstrap import (
    centred_interval,
    weighted_statistics,
)
from ldm_scaling.cells.metrics.fd import fd_interval
from ldm_scaling.cells.metrics.frechet import (
    frechet_distance,
    frechet_distances,
    principal_components,
    project,
    square_root,
    statistics,
)
from ldm_scaling.jobs.cli import InputError

pytestmark = pytest.mark.filterwarnings("ignore:The `disp` argument")  # of clean-fid


def gaussian(seed, n, k):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((n, k)) @ generator.standard_normal((k, k)) + seed


def test_diagonal_gaussians_match_the_closed_form():
    generator = np.random.default_rng(0)
    mu1, mu2 = generator.standard_normal((2, 6))
    a, b = generator.uniform(0.1, 4, (2, 6))
    expected = ((mu1 - mu2) ** 2).sum() + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    assert frechet_distance(mu1, np.diag(a), mu2, np.diag(b)) == pytest.approx(expected, rel=1e-12)


def test_matches_cleanfid_on_correlated_features():
    first, second = statistics(gaussian(1, 300, 12)), statistics(gaussian(2, 200, 12))
    expected = cleanfid_distance(*first, *second)
    assert frechet_distance(*first, *second) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(*second, *first) == pytest.approx(expected, rel=1e-8)


def test_a_stack_is_its_members():
    reference = statistics(gaussian(1, 300, 5))
    others = [statistics(gaussian(seed, 50, 5)) for seed in (2, 3, 4)]
    mus, sigmas = map(np.stack, zip(*others, strict=True))
    expected = [cleanfid_distance(*reference, *other) for other in others]
    np.testing.assert_allclose(
        frechet_distances(*rooted(reference), mus, sigmas), expected, rtol=1e-8
    )


def test_singular_covariances_are_fine():
    few = statistics(gaussian(1, 5, 20))
    assert frechet_distance(*few, *few) == pytest.approx(0, abs=1e-5 * np.trace(few[1]))


def test_not_finite_is_refused():
    mu, sigma = statistics(gaussian(1, 50, 3))
    with pytest.raises(InputError, match="not finite"):
        frechet_distance(mu, sigma, np.array([0, np.nan, 0]), sigma)
    with pytest.raises(InputError, match="not finite"):
        frechet_distance(mu, sigma, mu, sigma * np.inf)


def test_statistics_of_float16_are_taken_in_float64():
    features = (1000 + gaussian(0, 400, 3)).astype(np.float16)
    mu, sigma = statistics(features)
    assert mu.dtype == sigma.dtype == np.float64
    np.testing.assert_allclose(mu, features.astype(np.float64).mean(0))
    np.testing.assert_allclose(sigma, np.cov(features.astype(np.float64).T))


def test_principal_components_find_the_leading_plane():
    generator = np.random.default_rng(0)
    plane = np.linalg.qr(generator.standard_normal((10, 2)))[0]
    reference = 5 * generator.standard_normal((200, 2)) * (3, 1) @ plane.T + 7
    reference += 0.01 * generator.standard_normal((200, 10))
    mean, basis = principal_components(reference, 2)
    np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-10)
    np.testing.assert_allclose(basis @ basis.T, plane @ plane.T, atol=1e-2)
    projected = project(reference, mean, basis)
    np.testing.assert_allclose(projected.mean(0), 0, atol=1e-10)
    variances = np.linalg.svd(reference - reference.mean(0), compute_uv=False)[:2] ** 2 / 199
    np.testing.assert_allclose(np.cov(projected.T), np.diag(variances), atol=1e-8)


@pytest.mark.parametrize(("images", "k"), [(5, 5), (30, 9)])
def test_more_components_than_there_are_is_refused(images, k):
    with pytest.raises(InputError, match="components"):
        principal_components(gaussian(0, images, 8), k)


def test_weighted_statistics_are_those_of_the_drawn_images():
    features, weights = gaussian(3, 20, 4), resample_weights(range(20), 6, 1)
    means, covariances = weighted_statistics(features, weights)
    for row, mean, covariance in zip(weights, means, covariances, strict=True):
        drawn = np.repeat(features, row.astype(int), axis=0)
        assert len(drawn) == 20
        np.testing.assert_allclose(mean, drawn.mean(0))
        np.testing.assert_allclose(covariance, np.cov(drawn.T))


def test_resamples_depend_on_n_and_seed_only():
    first = resample_weights(range(30), 50, 7)
    assert (first == resample_weights(range(30), 50, 7)).all()
    assert (first[:10] == resample_weights(range(30), 10, 7)).all()
    assert (first != resample_weights(range(30), 50, 8)).any()
    assert (first.sum(axis=1) == 30).all()
    assert first.var() == pytest.approx(1, abs=0.15)  # of a count of n draws with 1 / n each


def test_whole_concepts_are_drawn():
    concepts = ["a", "b", "b", "c", "b", "c", "d"]
    weights = resample_weights(concepts, 200, 0)
    np.testing.assert_allclose(weights.sum(axis=1), 7)
    assert (weights[:, 1] == weights[:, 2]).all() and (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, 0] != weights[:, 3]).any()


def test_images_of_one_concept_widen_the_interval():
    # three copies of every image carry no more information than one of each
    once = gaussian(1, 60, 4)
    reference = statistics(gaussian(2, 300, 4))
    concepts = list(range(60)) * 3
    naive, honest, single = (
        fd_interval(images, *rooted(reference), resample_weights(groups, 400, 0), 0.95)
        for images, groups in (
            (np.tile(once, (3, 1)), range(180)),
            (np.tile(once, (3, 1)), concepts),
            (once, range(60)),
        )
    )
    width = single.hi - single.lo
    assert honest.hi - honest.lo == pytest.approx(width, rel=0.15)
    assert naive.hi - naive.lo < 0.75 * width


def test_centred_interval_removes_the_bias_and_keeps_the_skew():
    resampled = 5 + np.arange(101) ** 2 / 100
    value, lo, hi, _ = centred_interval(2.0, resampled, 0.9)
    assert value == 2
    assert (lo, hi) == pytest.approx((2 + 0.25 - 33.5, 2 + 90.25 - 33.5))


def rooted(gaussian):
    mu, sigma = gaussian
    return mu, square_root(sigma)


def test_interval_covers_at_about_its_rate():
    generator = np.random.default_rng(0)
    reference = statistics(generator.standard_normal((600, 6)))
    weights = resample_weights(range(150), 200, 0)

    def sample():
        return 1.1 * generator.standard_normal((150, 6)) + 0.2

    # n is a part of the metric's identity: the truth is its expectation at this n
    values = [frechet_distance(*reference, *statistics(sample())) for _ in range(1000)]
    intervals = [fd_interval(sample(), *rooted(reference), weights, 0.9) for _ in range(60)]
    covered = [lo <= np.mean(values) <= hi for _, lo, hi, _ in intervals]
    assert 0.78 <= np.mean(covered) <= 0.99
    width = np.mean([hi - lo for _, lo, hi, _ in intervals])
    assert width == pytest.approx(2 * 1.645 * np.std(values), rel=0.2)


def test_interval_value_is_the_distance_of_the_sample():
    reference, features = gaussian(1, 200, 4), gaussian(2, 50, 4)
    interval = fd_interval(
        features, *rooted(statistics(reference)), resample_weights(range(50), 30, 0), 0.95
    )
    expected = cleanfid_distance(*statistics(reference), *statistics(features))
    assert interval.value == pytest.approx(expected)
    assert interval.lo < interval.value < interval.hi
