"""Winners at budgets, on curves with planted crossovers and ties."""

import math

import numpy as np
import pandas as pd
import pytest
from synthetic import cells, values

from ldm_scaling.jobs.choice import nearest_guidance, steps_bought
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.tables.budgets import WINNERS, of_metric, of_model, winners
from ldm_scaling.tables.curves import LARGER_AHEAD, best_points, crossovers
from ldm_scaling.tables.values import Values

# (size, steps, sampling cost, value, half width of the interval)
CURVES = [
    ("c8", 2, 0.5, 50, 1),
    ("c8", 4, 1.0, 40, 1),
    ("c8", 8, 2.0, 41, 1),  # more steps are no better: the budget need not be spent
    ("c16", 2, 2.0, 39.5, 1),  # ties with c8 from cost 2
    ("c16", 4, 4.0, 20, 1),  # wins clearly from cost 4
    ("c32", 2, 4.0, 22, 3),  # wins in some resamples: a tie
]


NOISE = np.linspace(-1, 1, 41)


def points(curves=CURVES, noise=None, metric="fd_x"):
    """Best points whose draws reach half a width around the value; `noise` is of each row."""
    rows, draws = [], []
    for number, (size, steps, cost, value, half) in enumerate(curves):
        own = NOISE if noise is None else noise[number]
        row = {"stage": "pretrain", "size": size, "sampler": "ddim", "steps": steps}
        row |= {"guidance": 2.0, "metric": metric, "value": value, "lo": value - half}
        row |= {"hi": value + half, "sampling_cost": cost, "status": "ok"}
        rows.append(row)
        draws.append([value, *(value + half * own)])
    return Values(pd.DataFrame(rows), np.array(draws, float))


def apart():
    """Noise of each row, in an order of its own."""
    generator = np.random.default_rng(0)
    return [generator.permutation(NOISE) for _ in CURVES]


@pytest.mark.parametrize(
    ("budget", "size", "steps", "value", "tied"),
    [
        (0.5, "c8", 2, 50, ""),
        (0.99, "c8", 2, 50, ""),
        (1, "c8", 4, 40, ""),
        (1.99, "c8", 4, 40, ""),
        (2, "c16", 2, 39.5, "c8"),
        (4, "c16", 4, 20, "c32"),
        (100, "c16", 4, 20, "c32"),
    ],
)
def test_winner_and_ties_around_the_crossovers(budget, size, steps, value, tied):
    won = winners(points(noise=apart()), [budget], 0.95).iloc[0]
    assert (won["size"], won["steps"], won["value"]) == (size, steps, value)
    assert won["tied_with"] == tied
    assert (won["lo"], won["hi"], won["guidance"]) == (won["value"] - 1, won["value"] + 1, 2)


def test_sizes_that_vary_together_are_separated_where_their_intervals_overlap():
    # the intervals of each overlap; the second is ahead in every resample
    curves = [("c8", 2, 1.0, 40.4, 1), ("c16", 2, 1.0, 40, 1)]
    assert winners(points(curves), [1], 0.95)["tied_with"].tolist() == [""]
    across = points(curves, noise=[NOISE, NOISE[::-1]])
    assert winners(across, [1], 0.95)["tied_with"].tolist() == ["c8"]


def test_a_tie_agrees_with_the_crossovers_of_the_same_points():
    base = {"c8": [100, 50, 32], "c16": [31, 30, 29]}
    made = best_points(values(cells(base=base, failed=None)), 0.95)
    found = crossovers(made, "sampling_cost", 0.95).iloc[0]
    assert found["status"] == LARGER_AHEAD and found["lo"] == found["hi"]  # in every resample
    assert winners(made, [2, 8], 0.95)["tied_with"].tolist() == ["", ""]


def test_one_row_a_budget_in_order_also_where_nothing_is_affordable():
    won = winners(points(), [4, 0.1, 1], 0.95)
    assert list(won) == WINNERS
    assert won["budget"].tolist() == [4, 0.1, 1]
    assert won["size"].tolist() == ["c16", "", "c8"]
    assert pd.isna(won["value"][1]) and won["tied_with"][1] == ""


def test_failed_cell_cannot_win():
    best = points()
    best.rows.loc[4, ["value", "status"]] = [np.nan, "diverged"]
    best.draws[4] = np.nan
    assert winners(best, [4], 0.95)["size"][0] == "c32"


@pytest.mark.parametrize("column", ["stage", "sampler"])
def test_mixed_experiments_are_refused(column):
    table = points().rows
    mixed = pd.concat([table, table.assign(**{column: "other"})])
    with pytest.raises(InputError, match=f"mixes {column}s"):
        of_metric(mixed, "fd_x")


def test_unknown_metric_names_the_known_ones():
    with pytest.raises(InputError, match=r"fid is not in the table \(known: fd_x\)"):
        of_metric(points().rows, "fid")


@pytest.mark.parametrize(
    ("budget", "cost", "steps"),
    [
        # Mei et al., arXiv 2404.01367: costs of Table 1 at the budgets of their figures 10 and 21
        (6, 0.13, 46),
        (12, 0.20, 60),
        (10, 0.83, 12),
        (6, 1, 6),
        (0.99, 1, 0),
        (3, 5.17, 0),
        (0.3, 0.1, 3),  # 2.9999999999999996 as floats
        (2, 0.666667, 3),  # two thirds, as a table with six digits has it
        (2, 0.6668, 2),
        (200, 0.07, 1000),  # 2857, but there are only so many noise levels
    ],
)
def test_steps_that_a_budget_buys(budget, cost, steps):
    assert steps_bought(budget, cost, 1000) == steps


@pytest.mark.parametrize(
    ("steps", "guidance"), [(1, 2), (2, 2), (5, 2), (6, 8), (8, 8), (500, 8), (4, 2)]
)
def test_guidance_is_that_of_the_nearest_step_count_in_log(steps, guidance):
    # between 2 and 16 the middle is sqrt(32) = 5.66; a step count that failed has no guidance
    rows = [(16, 8.0), (2, 2.0), (2, 2.0), (4, np.nan)]
    best = pd.DataFrame(rows, columns=["steps", "guidance"]).astype({"steps": "Int64"})
    assert nearest_guidance(best, steps) == guidance


def test_of_two_equally_near_step_counts_the_lower_one_counts():
    best = pd.DataFrame({"steps": [16, 4], "guidance": [8.0, 2.0]})
    assert nearest_guidance(best, 8) == 2
    assert math.isnan(nearest_guidance(best.assign(guidance=np.nan), 8))


def test_a_model_that_is_not_there_is_named():
    table = points().rows.assign(seed=0)
    assert len(of_model(table, "pretrain", "c8", 0)) == 3
    with pytest.raises(InputError, match="model pretrain c8 seed1 is not in the table"):
        of_model(table, "pretrain", "c8", 1)
