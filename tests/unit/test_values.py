"""Means over seeds, best guidance and intervals, by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import sem, t
from synthetic import METRIC, cells, values

from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.tables import write_cells
from ldm_scaling.tables.values import Values, interval, read_values

# (seed, guidance, seconds, value, its draws)
ROWS = [
    (0, 1.0, 2.0, 10, [12, 8]),
    (0, 3.0, 2.0, 6, [9, 5]),
    (0, 5.0, 2.0, 7, [4, 9]),
    (1, 1.0, 4.0, 20, [22, 18]),
    (1, 3.0, 4.0, 8, [9, 7]),
    (1, 5.0, 4.0, 9, [8, 11]),
]


def planted(rows=ROWS, **columns):
    table = pd.DataFrame([row[:3] for row in rows], columns=["seed", "guidance", "seconds"])
    same = {"stage": "pretrain", "size": "c8", "sampler": "ddim", "steps": 4, "trained": 1.0}
    same["at_boundary"] = table["guidance"] == max(row[1] for row in ROWS)
    draws = np.array([[row[3], *row[4]] for row in rows], float)
    return Values(table.assign(**{**same, "grid": True, "metric": METRIC, **columns}), draws)


def test_one_seed_is_its_own_mean():
    own = planted(ROWS[:3])
    mean = own.over_seeds(0.95)
    assert np.array_equal(mean.draws, own.draws)
    assert mean.rows.equals(own.rows)


def test_values_are_means_over_seeds():
    mean = planted().over_seeds(0.95)
    assert mean.draws[:, 0].tolist() == [15, 7, 8]
    assert mean.rows["seconds"].tolist() == [3, 3, 3]


def test_seeds_that_agree_leave_the_draws_of_the_images():
    rows = [(seed, 1.0, 1.0, 10, [12, 8, 11]) for seed in range(3)]
    assert np.allclose(planted(rows).over_seeds(0.95).draws, [[10, 12, 8, 11]])


def of_seeds(values, resamples=4000):
    """One cell, the same in all resamples of images."""
    return planted([(seed, 1.0, 1.0, v, [v] * resamples) for seed, v in enumerate(values)])


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("values", [[-1, 2], [-1, 2, 1], [-1, 2, 1, 0, 4]])
def test_without_noise_of_images_the_interval_is_students(values, confidence):
    draws = of_seeds(values, 40_000).over_seeds(confidence).draws[0]
    found = interval(draws, confidence)[1:]
    expected = t.interval(confidence, len(values) - 1, np.mean(values), sem(values))
    assert np.allclose(found, expected, rtol=0.05, atol=0.05 * np.ptp(expected))


def test_what_is_above_0_stays_there_and_has_students_interval_of_logarithms():
    values = np.array([10, 20])
    draws = of_seeds(values, 40_000).over_seeds(0.95).draws[0]
    assert (draws > 0).all()
    lo, hi = t.interval(0.95, 1, 0, sem(np.log(values)))
    assert np.allclose(np.log(interval(draws, 0.95)[1:]), [np.log(15) + lo, np.log(15) + hi], 0.05)


def test_seeds_move_all_cells_together():
    both = planted()
    both.draws[3:] = 1.5 * both.draws[:3]  # one seed is worse everywhere, by one factor
    draws = both.over_seeds(0.95).draws
    ratio = draws[1] / draws[0]
    assert np.allclose(ratio, both.draws[1] / both.draws[0])


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_intervals_cover_what_they_should(seeds):
    # so many studies of two sizes of one quality, 20, in which images make no difference
    studies = 400
    found = 20 + 0.5 * np.random.default_rng(0).standard_normal((2, studies, seeds))
    rows = [
        {"stage": "pretrain", "size": size, "seed": seed, "sampler": "ddim", "steps": study}
        | {"guidance": 1.0, "trained": 1.0, "seconds": 1.0}
        for size in ("c8", "c16")
        for study in range(studies)
        for seed in range(seeds)
    ]
    cells_ = Values(pd.DataFrame(rows), np.repeat(found.reshape(-1, 1), 1001, axis=1))
    a, b = cells_.over_seeds(0.95).draws.reshape(2, studies, -1)
    for statistic, truth in ((a, 20), (np.log(a / b), 0)):
        ends = np.array([interval(draws, 0.95)[1:] for draws in statistic])
        covered = (ends[:, 0] <= truth) & (truth <= ends[:, 1])
        assert abs(covered.mean() - 0.95) < 0.03  # resampled seeds: 0.54 of 2, 0.79 of 3


def test_a_cell_that_failed_for_a_seed_has_no_mean():
    failed = planted()
    failed.draws[4] = np.nan
    mean = failed.over_seeds(0.95).draws
    assert np.isnan(mean[1]).all()
    assert mean[[0, 2], 0].tolist() == [15, 8]
    absent = failed.where([True] * 4 + [False, True])
    assert np.isnan(absent.over_seeds(0.95).draws[1]).all()


def test_each_draw_chooses_its_own_scale():
    best = planted(ROWS[:3]).at_best_guidance()
    assert best.draws.tolist() == [[6, 4, 5]]
    assert best.rows["guidance"].tolist() == [3]
    assert best.rows["at_boundary"].tolist() == [False]


def test_only_scales_of_the_grid_are_chosen():
    best = planted(ROWS[:3], grid=[True, False, True]).at_best_guidance()
    assert best.draws.tolist() == [[7, 4, 8]]
    assert best.rows["at_boundary"].tolist() == [True]


def test_failed_scales_are_not_chosen_but_bracket():
    failed = planted(ROWS[:3])
    failed.draws[2] = np.nan
    best = failed.at_best_guidance()
    assert best.draws.tolist() == [[6, 9, 5]]
    assert best.rows["at_boundary"].tolist() == [False]
    failed.draws[:] = np.nan
    best = failed.at_best_guidance()
    assert np.isnan(best.draws).all() and best.rows["at_boundary"].tolist() == [False]


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        ([5, *range(101)], (5, 2.5, 97.5)),
        ([200, *range(101)], (200, 2.5, 200)),
        ([5, 1, np.nan, 1], (5, 1, 5)),
    ],
)
def test_intervals_are_quantiles_that_hold_the_value(draws, expected):
    assert np.allclose(interval(np.array(draws, float), 0.95), expected)


def test_no_value_or_no_draws_have_no_interval():
    assert np.isnan(interval(np.array([np.nan, 1, 2]), 0.95)).all()
    assert np.isnan(interval(np.array([3.0]), 0.95)).tolist() == [False, True, True]


def test_what_was_written_is_read_again_and_must_belong_together(tmp_path):
    made = values(cells())
    table, file = tmp_path / "cells.csv", tmp_path / "draws.safetensors"
    write_cells(made.rows, made.draws[:, 1:], table, file)
    again = read_values(table, file, METRIC)
    assert np.allclose(again.draws, made.draws, rtol=1e-5, equal_nan=True)
    assert again.rows["grid"].tolist() == made.rows["grid"].tolist()
    with pytest.raises(InputError, match=rf"metric fid is not in the table \(known: {METRIC}\)"):
        read_values(table, file, "fid")
    table.write_text(table.read_text().replace("pretrain", "other"))
    with pytest.raises(InputError, match=r"does not belong to .*cells\.csv; delete both"):
        read_values(table, file, METRIC)
