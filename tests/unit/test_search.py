"""The adaptive search on made-up curves whose minimum is known."""

import math

import numpy as np
import pandas as pd
import pytest

from ldm_scaling.cells.search import LEAST_LOOK, most_images, search
from ldm_scaling.jobs.tables import FAMILY, PARTS
from ldm_scaling.tables.collect import best_table, cells_table

SCALES = [1, 2, 3, 4, 6, 8, 10, 15]
N, LOOK = 512, 0.11


def curve(best, scales=SCALES, noise=0.0, seed=0, bias=200.0, floor=50.0):
    """A metric that falls with the images, as a Frechet distance does, lowest at a scale.

    Its noise is that of a mean, and an image's is the same at every scale but for a tenth.
    """
    generator = np.random.default_rng(seed)
    shared = generator.standard_normal(N)
    own = {scale: shared + 0.1 * generator.standard_normal(N) for scale in scales}

    def evaluate(scale, images):
        assert images <= N
        height = floor * (1 + (math.log(scale) - math.log(best)) ** 2)
        return height + bias / images**0.5 + noise * own[scale][:images].mean()

    return evaluate


@pytest.mark.parametrize("scales", [SCALES, SCALES[:5], SCALES[1:5], SCALES[:3], SCALES[:2]])
def test_a_smooth_minimum_is_found_wherever_it_is(scales):
    for best in scales:
        found = search(scales, curve(best), N, LOOK)
        assert found.chosen == best
        assert found.images <= most_images(len(scales), N, LOOK)
    assert most_images(8, N, LOOK) == N + 7 * 56
    assert most_images(2, 10, LOOK) == 10 + LEAST_LOOK


def test_a_noisy_minimum_is_found_within_what_whole_cells_vary_by():
    misses = []
    for seed in range(200):
        best = SCALES[seed % len(SCALES)]
        evaluate = curve(best, noise=40, seed=seed)
        whole = {scale: evaluate(scale, N) for scale in SCALES}
        found = search(SCALES, evaluate, N, LOOK)
        misses.append(whole[found.chosen] - min(whole.values()))
    assert np.quantile(misses, 0.95) <= 1.96 * 40 / N**0.5


def test_a_flat_curve_ends_somewhere_within_the_budget():
    found = search(SCALES, lambda scale, images: 1.0, N, LOOK)
    assert found.chosen in SCALES and found.images <= most_images(len(SCALES), N, LOOK)


@pytest.mark.parametrize("best", [SCALES[0], SCALES[-1]])
def test_a_minimum_beyond_either_end_ends_there(best):
    beyond = best / 4 if best == SCALES[0] else best * 4
    assert search(SCALES, curve(beyond), N, LOOK).chosen == best


@pytest.mark.parametrize("best", SCALES[1:6])
def test_an_end_is_flagged_though_one_scale_alone_was_sampled_whole(best):
    scales = SCALES[1:6]
    found = search(scales, curve(best, scales), N, LOOK)
    cells = pd.DataFrame({"guidance": [float(scale) for scale in found.finalists], "steps": 4})
    cells["value"] = [curve(best, scales)(scale, N) for scale in found.finalists]
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


def test_with_all_images_every_scale_is_whole():
    found = search(SCALES, curve(3, noise=400), N, 1.0)
    whole = {scale: curve(3, noise=400)(scale, N) for scale in SCALES}
    assert found.chosen == min(found.finalists, key=whole.__getitem__)
    assert len(found.finalists) > 1


def test_what_diverges_is_not_chosen():
    def late(scale, images):
        return math.inf if scale == 4 and images == N else curve(4)(scale, images)

    found = search(SCALES, late, N, LOOK)
    assert found.chosen in (3, 6) and found.finalists[-1] == 4
    nothing = search(SCALES, lambda scale, images: math.inf, N, LOOK)
    assert sorted(nothing.finalists) == sorted({look.guidance for look in nothing.looks})


def test_one_scale_is_sampled_whole():
    found = search([2.0], curve(2), N, LOOK)
    assert found.finalists == [2.0] and found.images == N
