"""The winner's curse, estimated, in worlds whose true values are known."""

import numpy as np
import pandas as pd
import pytest
from claim_worlds import world
from resamples import resample_weights

from ldm_scaling.cells.metrics.fd import fd_interval
from ldm_scaling.cells.metrics.influence import influences
from ldm_scaling.claims.evidence import QUALITY
from ldm_scaling.claims.registry import CLAIMS
from ldm_scaling.claims.statement import debiased, find, less_optimism
from ldm_scaling.claims.training import by_size
from ldm_scaling.jobs.choice import optimism
from ldm_scaling.jobs.tables import BEST, CELLS
from ldm_scaling.tables.collect import with_optimism
from ldm_scaling.tables.values import Values, interval

CONCEPTS, STYLES, K, SCALES = 120, 3, 3, 4
NAMES = np.repeat(np.arange(CONCEPTS), STYLES).astype(str)
ROOT = np.eye(K)


def images(generator, distances):
    """Features [scales, n, K] at these distances from N(0, 1), which share noise and concepts."""
    shape = (CONCEPTS, STYLES, K)
    shared = generator.standard_normal(shape)
    own = generator.standard_normal((len(distances), CONCEPTS, 1, K))
    own = own + generator.standard_normal((len(distances), *shape))
    features = (0.5**0.5 * shared + 0.5 * own).reshape(len(distances), -1, K)
    return features + np.sqrt(np.array(distances) / K)[:, None, None]


def draws_of(features, resamples=200):
    """Value and replicates [scales, 1 + R] of the Frechet distance."""
    weights = resample_weights(NAMES, resamples, seed=0)
    found = [fd_interval(own, np.zeros(K), ROOT, weights, 0.95) for own in features]
    return np.array([[own.value, *own.draws] for own in found])


def studied(distances, studies=120):
    """True and estimated optimism [studies] of each study, as shares of a difference's deviation.

    The value that is true at n images is the mean over studies.
    """
    generator = np.random.default_rng(1)
    draws = np.array([draws_of(images(generator, distances)) for _ in range(studies)])
    values = draws[..., 0]
    truth, chosen = values.mean(axis=0), values.argmin(axis=1)
    if len(set(distances)) == 1:
        truth = np.full(len(distances), truth.mean())
    true = truth[chosen] - values[np.arange(studies), chosen]
    deviation = (values[:, 1] - values[:, 0]).std()
    found = np.array([optimism(own, own) for own in draws])
    return true / deviation, found / deviation


def error(sample):
    return 3 * sample.std() / len(sample) ** 0.5


def test_where_scales_do_not_differ_it_is_what_the_minimum_is_too_low():
    true, found = studied([1.0] * SCALES)
    assert true.mean() > 0.5  # the lowest of four
    assert found.mean() == pytest.approx(true.mean(), abs=error(true - found))


def test_where_one_scale_is_clearly_best_it_is_nothing():
    true, found = studied([1.0, 3, 5, 7], studies=60)
    assert true.mean() == pytest.approx(0, abs=error(true))
    assert np.abs(found).max() < 0.01


def test_between_it_is_too_large_by_a_fifth_of_a_deviation_at_most():
    # normal values with a common part: closed forms of the noise and of its draws
    generator = np.random.default_rng(2)
    for gap in (0.5, 1, 2, 3):
        truth = gap * np.array([2, 1, 0, 1, 2])[:, None]
        values = truth + generator.normal(0, 0.5**0.5, (2000, 5, 1))
        true = np.array([(truth - own)[own.argmin(), 0] for own in values])
        noise = generator.normal(0, 0.5**0.5, (2000, 5, 100)) + generator.normal(
            0, 3, (2000, 1, 100)
        )
        draws = np.concatenate([values, values + noise], axis=2)
        excess = np.array([optimism(own, own) for own in draws]) - true
        assert -error(excess) < excess.mean() < 0.2 + error(excess)


def test_it_is_that_of_halves_of_the_concepts_by_influence():
    features = images(np.random.default_rng(3), [1.0, 1.0, 1.05, 1.2])
    pairs = [influences(own, np.zeros(K), ROOT) for own in features]
    values = np.array([value for value, _ in pairs])
    of_concepts = np.array([own.reshape(CONCEPTS, STYLES).mean(axis=1) for _, own in pairs])
    generator, found = np.random.default_rng(4), []
    for _ in range(4000):
        half = generator.permutation(CONCEPTS) < CONCEPTS // 2
        choosing, judging = (values + of_concepts[:, own].mean(axis=1) for own in (half, ~half))
        chosen = choosing.argmin()
        found.append(judging[chosen] - choosing[chosen])
    draws = draws_of(features, 4000)
    assert np.mean(found) / 2**0.5 == pytest.approx(optimism(draws, draws), rel=0.1)


def test_another_metric_is_optimistic_as_far_as_it_has_the_same_noise():
    generator = np.random.default_rng(5)
    draws = generator.normal(0, 1, (4, 4001))
    draws[:, 0] = 7
    lowest = optimism(draws, draws)
    assert optimism(3 * draws, draws) == pytest.approx(3 * lowest)
    assert optimism(-draws, draws) == pytest.approx(-lowest)  # a score is too high
    assert optimism(generator.normal(0, 1, draws.shape), draws) == pytest.approx(0, abs=0.1)


def test_failed_scales_are_no_choice():
    draws = np.random.default_rng(6).normal(0, 1, (3, 101))
    draws[1] = np.nan
    assert optimism(draws, draws) == optimism(draws[::2], draws[::2]) > 0
    assert optimism(draws[:1], draws[:1]) == 0
    assert np.isnan(optimism(draws[1:2], draws[1:2]))


def cells_of(guidance, status="ok"):
    rows = [(scale, metric) for scale in guidance for metric in ("fd_x", "fd_infinity_x", "score")]
    table = pd.DataFrame(rows, columns=["guidance", "metric"]).reindex(columns=CELLS)
    model = {"stage": "pretrain", "size": "c8", "seed": 0, "sampler": "ddim", "steps": 4}
    return table.assign(**model, trained=1.0, grid=True, status=status, value=7.0, n=64)


def test_the_column_stands_where_two_scales_were_sampled_whole():
    generator = np.random.default_rng(7)
    cells = cells_of([1.0, 3.0, 5.0])
    draws = 7 + generator.normal(0, 1, (len(cells), 400))
    draws[2::3] = 14 - draws[::3]  # the score falls as the distance rises
    draws[1::3, 100:] = np.nan  # fewer replicates
    table = with_optimism(cells[3:6], cells, draws, "fd_x")
    assert list(table) == BEST and len(table) == 3
    distance, endless, score = table["optimism"]
    fd = np.hstack([np.full((3, 1), 7), draws[::3]])
    assert distance == pytest.approx(optimism(fd, fd)) == pytest.approx(-score)
    assert np.isfinite(endless)
    cells.loc[3:, "status"] = "diverged"
    assert with_optimism(cells[:3], cells, draws, "fd_x")["optimism"].isna().all()
    cells["status"] = "diverged"
    assert with_optimism(cells[:3], cells, draws, "fd_x")["optimism"].isna().all()


@pytest.mark.parametrize("gap", [0.0, 1.0, 6.0])
def test_a_gain_over_a_fixed_scale_does_not_seem_larger_than_it_is(gap):
    """Mean gain of four sizes from the fourth scale to the best one, which is the third."""
    generator = np.random.default_rng(8)
    truth = gap * np.abs(np.arange(5) - 2)[None, :, None]
    scales = pd.DataFrame({"guidance": range(5), "grid": True, "at_boundary": False, "steps": 4})
    rows = pd.DataFrame({"size": ["c8", "c16", "c32", "c64"]}).merge(scales, how="cross")
    rows = rows.assign(stage="pretrain", sampler="ddim", metric="fd_x")
    above = {"as it is": 0.0, "debiased": 0.0, "less optimism": 0.0}
    studies = 200
    for _ in range(studies):
        values = truth + generator.normal(0, 0.5**0.5, (4, 5, 1))
        draws = np.concatenate(
            [values, values + generator.normal(0, 0.5**0.5, (4, 5, 300))], axis=2
        )
        best = Values(rows, draws.reshape(20, -1)).at_best_guidance()
        gain = (draws[:, 3] - best.draws).mean(axis=0)
        true = (truth[0, 3] - truth[0, best.rows["guidance"]]).mean()
        ways = (gain, debiased(gain), less_optimism(gain, best.rows["optimism"].mean()))
        for name, own in zip(above, ways, strict=True):
            above[name] += (interval(own, 0.95)[1] > true) / studies
    assert above["less optimism"] <= 0.025 + 3 * (0.025 / studies) ** 0.5
    if gap < 6:
        assert above["as it is"] > 0.3 and above["debiased"] > 0.06


def test_the_claim_on_retuning_takes_the_optimism_off():
    evidence = world(values_vary=True, noise=(0.03, 0.0005), samplers=["ddim"])
    steps = evidence.spec.fixed.steps
    best = evidence.best("ddim")
    best = best.where(best.rows["steps"] == steps)
    _, fixed = by_size(evidence, QUALITY)
    corrected = best.draws[:, 0] + best.rows["optimism"]
    expected = (fixed[:, 0] - corrected).mean() - np.ptp(fixed[:, 0])
    (claim,) = (claim for claim in CLAIMS if claim.id == "retuning-guidance-beats-size")
    assert best.rows["optimism"].min() >= 0 and best.rows["optimism"].max() > 0
    assert find(claim, evidence).estimate == pytest.approx(expected)
