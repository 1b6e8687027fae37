"""Means over seeds, best guidance and intervals, by hand."""

import numpy as np
import pandas as pd
import pytest
from synthetic import METRIC, cells, values

from ldm_scaling.cli import InputError
from ldm_scaling.tables.collect import write_cells
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
    draws = np.array([[row[3], *row[4]] for row in rows], float)
    return Values(table.assign(**{**same, "grid": True, "metric": METRIC, **columns}), draws)


def test_one_seed_is_its_own_mean():
    own = planted(ROWS[:3])
    mean = own.over_seeds()
    assert np.array_equal(mean.draws, own.draws)
    assert mean.rows.equals(own.rows)


def test_values_are_means_over_seeds_and_draws_resample_them():
    mean = planted().over_seeds()
    assert mean.draws[:, 0].tolist() == [15, 7, 8]
    assert mean.rows["seconds"].tolist() == [3, 3, 3]
    first, second = planted().draws[:3, 1:], planted().draws[3:, 1:]
    for draw in range(2):  # both seeds, or one of them twice, the same for all cells
        drawn = [share * first[:, draw] + (1 - share) * second[:, draw] for share in (0, 0.5, 1)]
        assert any(np.allclose(mean.draws[:, draw + 1], one) for one in drawn)


def test_draws_of_seeds_vary_as_often_as_chance_says():
    rows = [(seed, 1.0, 1.0, value, [value] * 4000) for seed, value in ((0, 0), (1, 1))]
    drawn = planted(rows).over_seeds().draws[0, 1:]
    shares = [(drawn == mean).mean() for mean in (0, 0.5, 1)]
    assert np.allclose(shares, [0.25, 0.5, 0.25], atol=0.03)


def test_a_cell_that_failed_for_a_seed_has_no_mean():
    failed = planted()
    failed.draws[4] = np.nan
    mean = failed.over_seeds().draws
    assert np.isnan(mean[1]).all()
    assert mean[[0, 2], 0].tolist() == [15, 8]
    absent = failed.where([True] * 4 + [False, True])
    assert np.isnan(absent.over_seeds().draws[1]).all()


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
