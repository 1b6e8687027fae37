"""The adaptive search on made-up curves whose minimum is known."""

import math

import numpy as np
import pandas as pd
import pytest

from ldm_scaling.cells.search import (
    DIVERGED,
    FIRST,
    LEAST_LOOK,
    Estimate,
    most_images,
    search,
    standard_error,
)
from ldm_scaling.jobs.tables import FAMILY, PARTS
from ldm_scaling.tables.collect import best_table, cells_table

SCALES = [1, 2, 3, 4, 6, 8, 10, 15]
N, LOOK = 512, 0.17


def curve(best, scales=SCALES, noise=0.0, seed=0, bias=200.0, floor=50.0):
    """A metric that falls with the images, as a Frechet distance does, lowest at a scale.

    Its noise is that of a mean. Nine tenths of an image's noise are the same at every scale.
    """
    generator = np.random.default_rng(seed)
    shared = generator.standard_normal(N)
    own = {scale: shared + 0.1 * generator.standard_normal(N) for scale in scales}

    def metric(images):
        return images.mean() + bias / len(images) ** 0.5

    def evaluate(scale, images):
        assert images <= N
        height = floor * (1 + (math.log(scale) - math.log(best)) ** 2)
        features = height + noise * own[scale][:images]
        return Estimate(metric(features)) if images == N else Estimate.of(features, metric)

    return evaluate


def whole(evaluate, scales=SCALES):
    return {scale: evaluate(scale, N).value for scale in scales}


@pytest.mark.parametrize("scales", [SCALES, SCALES[:5], SCALES[1:5], SCALES[:3], SCALES[:2]])
def test_a_smooth_minimum_is_found_wherever_it_is(scales):
    for best in scales:
        found = search(scales, curve(best), N, LOOK)
        assert found.chosen == best
        assert found.images <= most_images(len(scales), N, LOOK)
    assert most_images(8, N, LOOK) == N + 7 * 87
    assert most_images(2, 10, LOOK) == 10 + LEAST_LOOK


def test_at_least_95_percent_of_noisy_searches_are_not_told_from_the_best():
    """By the paired standard error of n images, where neighbours are 0.6 to 30 of them apart."""
    successes, images, paired = 0, 0, 40 * 0.1 * 2**0.5 / N**0.5
    for seed in range(400):
        scales = SCALES[:5] if seed % 2 else SCALES
        evaluate = curve(scales[seed % len(scales)], scales, noise=40, seed=seed, floor=2.0)
        values = whole(evaluate, scales)
        found = search(scales, evaluate, N, LOOK)
        successes += values[found.chosen] - min(values.values()) <= 1.96 * paired
        images += found.images / (N * len(scales))
    assert successes >= 0.95 * 400 and images <= 0.33 * 400


def test_what_tells_scales_apart_is_their_common_images():
    """The noise that they share is ten times what they differ by, and decides nothing."""
    misses = []
    for seed in range(50):
        evaluate = curve(3, noise=400, seed=seed, floor=100)
        values = whole(evaluate)
        found = search(SCALES, evaluate, N, LOOK)
        misses.append(values[found.chosen] - min(values.values()))
    assert np.quantile(misses, 0.95) <= 1.96 * 400 * 0.1 * 2**0.5 / N**0.5


def test_the_standard_error_is_that_of_a_difference_of_means():
    generator = np.random.default_rng(0)
    one, other = generator.standard_normal((2, 64, 2000))
    common = 10 * generator.standard_normal((64, 2000))
    errors = [
        standard_error(Estimate.of(a + c, np.mean), Estimate.of(b + c, np.mean), left=0.75)
        for a, b, c in zip(one.T, other.T, common.T, strict=True)
    ]
    assert np.square(errors).mean() == pytest.approx(0.75 * 2 / 64, rel=0.05)
    assert (
        standard_error(Estimate(1.0), Estimate(2.0), 0.0)
        == 0
        == standard_error(DIVERGED, DIVERGED, 0.5)
    )


def test_few_images_suffice_where_the_best_is_clear():
    clear, close = (
        search(SCALES[:5], curve(3, SCALES[:5], noise, 0, floor=f), N, LOOK)
        for noise, f in ((1, 50.0), (40, 0.1))
    )
    first = int(FIRST * LOOK * N)
    assert clear.images == N + 2 * first
    assert clear.images < close.images <= most_images(5, N, LOOK)


def test_two_equal_scales_are_both_right_and_a_flat_curve_ends_within_the_budget():
    def evaluate(scale, images):
        return curve(3)(3 if scale in (3, 4) else scale, images)

    assert search(SCALES, evaluate, N, LOOK).chosen in (3, 4)
    for look in (LOOK, 1.0):
        flat = search(SCALES, lambda scale, images: Estimate(1.0), N, look)
        assert flat.chosen in SCALES and flat.images <= most_images(len(SCALES), N, look)


@pytest.mark.parametrize("best", [SCALES[0], SCALES[-1]])
def test_a_minimum_beyond_either_end_ends_there(best):
    beyond = best / 4 if best == SCALES[0] else best * 4
    assert search(SCALES, curve(beyond), N, LOOK).chosen == best


@pytest.mark.parametrize("best", SCALES[1:6])
def test_an_end_is_flagged_though_one_scale_alone_was_sampled_whole(best):
    scales = SCALES[1:6]
    found = search(scales, curve(best, scales), N, LOOK)
    cells = pd.DataFrame({"guidance": [float(scale) for scale in found.finalists], "steps": 4})
    cells["value"] = [curve(best, scales)(scale, N).value for scale in found.finalists]
    model = {"stage": "pretrain", "size": "c12", "seed": 0, "sampler": "ddim"}
    rest = {"trained": 1.0, "metric": "fd", "lo": 0.0, "hi": 1e9, "n": N, "nfe": 8, "seconds": 0.1}
    family = pd.DataFrame([("c12", 12, 100, 2.0, 1.0, 0, 0, 0)], columns=[*FAMILY, *PARTS])
    table = cells_table(cells.assign(**model, **rest, status="ok"), family, ([4], scales))
    (row,) = best_table(table, "fd").to_dict("records")
    assert row["guidance"] == found.chosen == best
    assert row["at_boundary"] == (best in (scales[0], scales[-1]))


def test_looks_grow_and_only_the_finalists_are_whole():
    asked = []

    def evaluate(scale, images):
        asked.append((scale, images))
        return curve(4)(scale, images)

    found = search(SCALES, evaluate, N, LOOK)
    assert [(look.guidance, look.images) for look in found.looks] == asked
    last = {}
    for scale, images in asked:
        assert images > last.get(scale, 0)
        last[scale] = images
    assert {scale for scale, images in last.items() if images == N} == set(found.finalists)
    assert found.images == sum(last.values())
    again = search(SCALES[::-1], curve(4), N, LOOK)
    assert (again.looks, again.finalists) == (found.looks, found.finalists)


def test_with_all_images_rivals_are_whole():
    evaluate = curve(3, noise=400, floor=1)
    found, values = search(SCALES, evaluate, N, 1.0), whole(evaluate)
    assert found.chosen == min(found.finalists, key=values.__getitem__)
    assert len(found.finalists) > 1


def test_a_minimum_that_more_images_move_is_followed():
    """At first 4 is lower than its neighbours; with more images 6 is lower, and 8 the lowest."""
    heights, falls = {3: 9.0, 4: 5.0, 6: 5.1, 8: 6.0}, {6: 1.0, 8: 4.0}

    def evaluate(scale, images):
        fallen = falls.get(scale, 0.0) if images > 0.11 * N else 0.0
        return Estimate(heights.get(scale, 20.0) - fallen, np.array([0.0, 0.2 * scale]))

    found = search([2, 3, 4, 6, 8], evaluate, N, LOOK)
    assert 8 not in [look.guidance for look in found.looks[:3]]
    assert found.chosen == 8 and found.images <= most_images(5, N, LOOK)


def test_what_diverges_is_not_chosen():
    def late(scale, images):
        return DIVERGED if scale == 4 and images == N else curve(4)(scale, images)

    found = search(SCALES, late, N, LOOK)
    assert found.chosen in (3, 6) and found.finalists[-1] == 4
    high = search(SCALES, lambda g, m: DIVERGED if g > 2 else curve(4)(g, m), N, LOOK)
    assert high.chosen == 2
    low = search(SCALES, lambda g, m: DIVERGED if g < 15 else curve(4)(g, m), N, LOOK)
    assert low.chosen == 15
    # all that was looked at diverges when it is sampled whole: the others were never looked at
    sound = search(SCALES, lambda g, m: DIVERGED if m == N and g < 15 else curve(4)(g, m), N, LOOK)
    assert sound.chosen == 15 and len({look.guidance for look in sound.looks}) == len(SCALES)
    nothing = search(SCALES, lambda scale, images: DIVERGED, N, LOOK)
    assert sorted(nothing.finalists) == SCALES


def test_one_scale_is_sampled_whole():
    found = search([2.0], curve(2), N, LOOK)
    assert found.finalists == [2.0] and found.images == N
