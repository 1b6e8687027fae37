"""Intervals where both sides are samples: planted Gaussians whose distances are known."""

import numpy as np
import pytest

from ldm_scaling.cells.comparison import Prompts, prepare
from ldm_scaling.cells.metrics import fd, kid
from ldm_scaling.cells.metrics.bootstrap import normalized, resample_counts
from ldm_scaling.cells.metrics.divisions import Divisions
from ldm_scaling.cells.metrics.frechet import square_root

K, N, M, RESAMPLES = 3, 120, 150, 200
CONCEPTS = [str(row) for row in range(M)]
COUNTS = resample_counts(CONCEPTS, RESAMPLES, 0)
EVERY = Prompts(CONCEPTS, COUNTS, Divisions(CONCEPTS, 0))
PROMPTS = Prompts(CONCEPTS[:N], COUNTS[:, :N], Divisions(CONCEPTS[:N], 0))


def studies(count, components):
    """Real images of a standard Gaussian, and two models that are shifted by 0.8 and 1.2."""
    draw = np.random.default_rng(1)
    for _ in range(count):
        real = draw.standard_normal((M, K))
        near, far = (shift + draw.standard_normal((N, K)) for shift in (0.8, 1.2))
        yield prepare(real, components, EVERY), near, far


@pytest.mark.parametrize("components", [K, None])
def test_the_difference_of_two_models_is_covered(components):
    truth = K * (1.2**2 - 0.8**2)
    covered, widths = [], []
    for reference, near, far in studies(300, components):
        found = [fd.interval(one, reference, PROMPTS, 0.95).draws for one in (near, far)]
        lo, hi = np.quantile(found[1] - found[0], [0.025, 0.975])
        covered.append(lo <= truth <= hi)
        if components:  # as if the real images were no sample
            own = reference.gaussian
            given = (own.mu, square_root(own.sigma), PROMPTS.weights, 0.95)
            fixed = [fd.fd_interval(own.project(one), *given).draws for one in (near, far)]
            widths.append(np.ptp(np.quantile(fixed[1] - fixed[0], [0.025, 0.975])) / (hi - lo))
    assert np.mean(covered) > 0.91
    assert not components or 0.8 < np.mean(widths) < 0.97


def test_a_kid_covers_its_expectation():
    values, covered = [], []
    for reference, near, _ in studies(200, K):
        found = kid.interval(near, reference, PROMPTS, 0.95)
        values.append(found)
    truth = np.mean([own.value for own in values])  # KID has no bias
    covered = [own.lo <= truth <= own.hi for own in values]
    assert np.mean(covered) > 0.9


def test_real_images_of_a_concept_are_drawn_with_its_prompts():
    concepts = [str(row // 3) for row in range(30)]
    counts = resample_counts(concepts, 50, 3)
    assert (counts.reshape(50, 10, 3) == counts.reshape(50, 10, 3)[:, :, :1]).all()
    np.testing.assert_allclose(normalized(counts[:, :18]).sum(axis=1), 18)
