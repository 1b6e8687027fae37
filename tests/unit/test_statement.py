"""How draws of a statistic, or of several, become an interval, a p-value and a verdict."""

import numpy as np
import pytest
from claim_worlds import world
from scipy.stats import norm
from scipy.stats import t as student

from ldm_scaling.claims.statement import (
    HERE,
    HOLDS,
    UNDECIDED,
    Claim,
    Every,
    Some,
    debiased,
    estimated,
    find,
)
from ldm_scaling.tables.bounds import monte_carlo_error


def test_the_weakest_and_the_strongest_part_decide():
    draws = np.random.default_rng(0).normal(0, 1, (3, 4001)) + np.array([[0.0], [5], [10]])
    draws[:, 0] = 0, 5, 10
    value, lo, hi = estimated(Every(draws), 0.9)[:3]
    assert value == 0
    assert (lo, hi) == pytest.approx((-1.645, 2.128), abs=0.15)  # hi at 1 - 0.1 / 3
    assert estimated(Some(-draws), 0.9)[:3] == pytest.approx((-value, -hi, -lo))
    assert estimated(draws[1], 0.9)[1:3] == pytest.approx((5 - 1.645, 5 + 1.645), abs=0.15)


def test_parts_of_parts_are_widened_one_by_one():
    """The part that is nearest to 0 hides one that is less certain."""
    noise, truth = np.array([[0.0005], [0.05]]), np.array([[0.01], [0.0]])
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(300):  # studies of 12 ways, each ahead of one rival, level with another
        ways = []
        for _ in range(12):
            value = truth + noise * generator.normal(0, 1, (2, 1))
            ways.append(Every(np.hstack([value, value + noise * generator.normal(0, 1, (2, 400))])))
        wrong += estimated(Some(ways), 0.95).lo > 0
    assert wrong <= 300 * 0.025 + 3 * np.sqrt(300 * 0.025)


def test_the_weakest_part_has_the_p_value_and_the_error():
    generator = np.random.default_rng(0)
    sure, unsure = (
        np.array([value, *generator.normal(value, noise, 1000)])
        for value, noise in ((0.011, 0.0003), (0.45, 0.22))
    )
    both, alone = estimated(Every([sure, unsure]), 0.95), estimated(unsure, 0.95)
    assert both.value == 0.011 and both.lo < sure.min() + 0.001
    assert both.p == pytest.approx(alone.p) and alone.p == pytest.approx(0.041, abs=0.01)
    assert both.surely_above == alone.surely_above
    tried = estimated(Some([-sure, -unsure]), 0.95)
    assert tried.p == pytest.approx(both.p) and tried.surely_below == -both.surely_above


def test_p_values_are_those_of_a_normal_statistic_or_students():
    for value in (-3.0, 1.0, 2.5):
        draws = value + np.append(0, norm.ppf((np.arange(20_000) + 0.5) / 20_000))
        p = estimated(draws, 0.95).p
        assert p == pytest.approx(2 * norm.sf(abs(value)), rel=0.01)
        wider = value + (draws - value) * student(8).ppf(0.975) / norm.ppf(0.975)
        assert estimated(wider, 0.95, 8).p == pytest.approx(2 * student(8).sf(abs(value)), rel=0.01)
    draws = np.append(2.5, 2.5 + norm.ppf((np.arange(20_000) + 0.5) / 20_000))
    tries = estimated(Some([draws, draws]), 0.95).p
    assert tries == pytest.approx(2 * estimated(draws, 0.95).p)


def test_the_monte_carlo_error_is_two_deviations_of_a_bound():
    bounds = np.quantile(np.random.default_rng(0).normal(0, 1, (4000, 500)), 0.025, axis=1)
    assert monte_carlo_error(-1.96, 1.96, 500, 0.95) == pytest.approx(2 * bounds.std(), rel=0.05)


def test_debiasing_takes_the_noise_out_of_a_variance():
    generator = np.random.default_rng(0)
    found = []
    for _ in range(200):
        values = generator.normal(0, 1, 8) + np.arange(8)
        draws = np.column_stack([values, values[:, None] + generator.normal(0, 1, (8, 400))])
        found.append(debiased(draws.var(axis=0, ddof=1))[0])
    assert np.mean(found) == pytest.approx(np.arange(8).var(ddof=1), abs=0.3)  # with noise, 7


def test_parts_of_few_seeds_are_widened_by_students_quantiles():
    draws = np.random.default_rng(0).normal(0, 1, (4, 40_001)) - 9
    draws[:, 0] = -9
    for degrees, distribution in ((0, norm), (2, student(2))):
        wider = distribution.ppf(1 - 0.05 / 4) / distribution.ppf(0.95)
        hi = estimated(Every(draws), 0.9, degrees).hi
        assert hi == pytest.approx(-9 + 1.645 * wider, rel=0.02)


@pytest.mark.parametrize(("value", "verdict"), [(2.05, UNDECIDED), (2.5, HOLDS + HERE)])
def test_a_bound_within_its_monte_carlo_error_of_0_decides_nothing(value, verdict):
    draws = np.append(value, value + np.random.default_rng(3).standard_normal(1000))
    claim = Claim("planted", "", "", "", "", "", lambda evidence: draws)
    found = find(claim, world())
    assert found.lo > 0 and found.verdict == verdict
