"""FD-infinity on Gaussians, whose distance is known, and its two intervals."""

from itertools import pairwise

import numpy as np
import pytest

from ldm_scaling.cells.comparison import OnAll, Prompts, Reference, prepare
from ldm_scaling.cells.metrics import fd_infinity
from ldm_scaling.cells.metrics.bootstrap import normalized, resample_counts
from ldm_scaling.cells.metrics.divisions import DIVISIONS, Divisions
from ldm_scaling.cells.metrics.fd import fd_interval
from ldm_scaling.cells.metrics.fd_infinity import (
    fd_infinity_interval,
    linearised_fd_infinity_interval,
)
from ldm_scaling.cells.metrics.frechet import frechet_distance, statistics
from ldm_scaling.jobs.cli import InputError

N, K = 240, 10
SHIFT, SCALE = 0.1, 1.1
MU, SIGMA = np.zeros(K), np.eye(K)
TRUTH = K * SHIFT**2 + K * (SCALE - 1) ** 2
"""|mu|^2 + the squared difference of standard deviations, over K independent dimensions"""
ALONE = np.ones((2, N), dtype=int)
"""counts of resamples where only the value matters"""
REAL = np.random.default_rng(9).standard_normal((4000, K))
"""so many real images that they matter little"""


def sample(generator, n=N):
    return SHIFT + SCALE * generator.standard_normal((n, K))


def resampled(features, divisions, counts, concepts=None):
    return fd_infinity_interval(features, MU, np.eye(K), counts, divisions, 0.9)


def linearised(features, divisions, counts, concepts=None):
    """Real images that are the same in all resamples, with the known mean and covariance."""
    concepts = list(range(len(features))) if concepts is None else list(concepts)
    prompts = Prompts(concepts, counts, divisions)
    names = [f"real {row}" for row in range(len(REAL))]
    fixed = np.ones((len(counts), len(REAL)), dtype=int)
    reference = Reference(REAL, OnAll(MU, np.eye(K)), names, fixed)
    return linearised_fd_infinity_interval(features, reference, prompts, 0.9)


@pytest.mark.parametrize("scale", [SCALE, 1.0])
def test_the_distance_of_gaussians_is_found_where_fd_is_far_off(scale):
    # with scale 1 and no shift the truth is 0: all of FD is bias
    generator, truth = np.random.default_rng(0), TRUTH if scale > 1 else 0.0
    divisions = Divisions(range(N), 0)
    found, plain = [], []
    for _ in range(150):
        features = scale * generator.standard_normal((N, K)) + (SHIFT if scale > 1 else 0)
        found.append([way(features, divisions, ALONE).value for way in (resampled, linearised)])
        plain.append(frechet_distance(MU, SIGMA, *statistics(features)))
    bias, errors = np.mean(plain) - truth, np.std(found, axis=0) / np.sqrt(len(found))
    assert bias > 8 * np.std(plain) / np.sqrt(len(plain))
    # a line leaves the curvature, which is of second order in K / N
    assert (np.abs(np.mean(found, axis=0) - truth) < 0.06 * bias + 3 * errors).all()


def test_images_of_a_concept_stay_together():
    # Three alike images are worth one: whoever divided images would find three times the sample.
    generator, concepts = np.random.default_rng(1), np.repeat(range(80), 3)
    divisions, once = Divisions(concepts, 0), Divisions(range(80), 0)
    for parts in divisions.of_sample(3):
        assert (parts.reshape(-1, 80, 3) == parts.reshape(-1, 80, 3)[:, :, :1]).all()
    plain, tripled = [], []
    for _ in range(100):
        features = sample(generator, 80)
        copies = np.repeat(features, 3, axis=0)
        tripled.append(linearised(copies, divisions, ALONE, concepts).value)
        plain.append(linearised(features, once, ALONE[:, :80], range(80)).value)
    spread = np.std(plain) / 10
    assert np.mean(tripled) == pytest.approx(np.mean(plain), abs=2 * spread)
    assert np.mean(tripled) == pytest.approx(TRUTH, abs=3 * spread + 0.1)


def test_every_division_has_every_image_once_in_equal_parts():
    concepts = [f"concept {row // 2}" for row in range(22)]  # 11 do not divide evenly
    for parts in Divisions(concepts, 5).of_sample(4):
        for start, end in pairwise(np.cumsum((0, *DIVISIONS))):
            assert (parts[start:end].sum(axis=0) == 1).all()
            counts = parts[start:end].sum(axis=1) / 2
            assert counts.max() - counts.min() <= 1


def test_a_resample_is_divided_with_all_that_was_drawn():
    concepts = [*np.repeat(range(12), 3), 12]  # the last concept has one image
    counts = resample_counts(concepts, 20, 3)
    weights = normalized(counts)
    for row, parts in zip(weights, Divisions(concepts, 0).of_resamples(counts), strict=True):
        whole, halves = parts[0], parts[1:3]
        assert whole[::3].sum() == 13  # concepts were drawn with replacement, as many as there are
        np.testing.assert_allclose(whole / whole.sum(), row / row.sum())
        np.testing.assert_array_equal(halves.sum(axis=0), whole)


def test_a_line_is_met_exactly():
    coefficients = Divisions(range(50), 0).coefficients()
    sizes = Divisions(range(50), 0).of_sample(1)[0].sum(axis=1)
    assert coefficients @ (3 + 7 / sizes) == pytest.approx(3)


@pytest.mark.parametrize("way", [resampled, linearised])
def test_intervals_cover_at_about_their_rate(way):
    generator, divisions = np.random.default_rng(2), Divisions(range(N), 0)
    counts = resample_counts(range(N), 100, 0)
    found = [way(sample(generator), divisions, counts) for _ in range(100)]
    covered = [own.lo <= TRUTH <= own.hi for own in found]
    assert 0.83 <= np.mean(covered) <= 0.97
    width = np.mean([own.hi - own.lo for own in found])
    assert width == pytest.approx(2 * 1.645 * np.std([own.value for own in found]), rel=0.25)


def test_draws_are_those_of_fds_resamples():
    features, counts = sample(np.random.default_rng(3)), resample_counts(range(N), 200, 0)
    plain = fd_interval(features, MU, SIGMA, normalized(counts), 0.9)
    for way in (resampled, linearised):
        own, again = (way(features, Divisions(range(N), 0), counts) for _ in range(2))
        assert own.draws.shape == (200,)
        assert np.corrcoef(own.draws, plain.draws)[0, 1] > 0.8
        assert own[:3] == again[:3] and np.array_equal(own.draws, again.draws)


def test_few_concepts_are_one_line():
    with pytest.raises(InputError, match=r"at least 8 concepts, .* have only 7; raise sampling\.n"):
        Divisions(range(7), 0)


@pytest.mark.parametrize(("n", "there"), [(80, True), (79, False)])
def test_too_few_images_for_the_dimensions_have_no_value(n, there):
    concepts = [str(row) for row in range(300)]
    counts = resample_counts(concepts, 20, 0)
    every = Prompts(concepts, counts, Divisions(concepts, 0))
    reference = prepare(np.random.default_rng(0).standard_normal((300, 10)), 10, every)
    prompts = Prompts(concepts[:n], counts[:, :n], Divisions(concepts[:n], 0))
    features = np.random.default_rng(1).standard_normal((n, 10))
    found = fd_infinity.interval(features, reference, prompts, 0.9)
    assert (found is not None) == there
