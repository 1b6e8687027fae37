"""Curves, envelope and crossovers, on lines whose crossings are known."""

import numpy as np
import pandas as pd
import pytest
from commands import run_here
from synthetic import METRIC, cells, values

from ldm_scaling.jobs.tables import read_table, write_cells
from ldm_scaling.tables.curves import (
    APART,
    AXES,
    CROSSES,
    CROSSOVERS,
    LARGER_AHEAD,
    SMALLER_AHEAD,
    SMALLER_OVERTAKES,
    Curve,
    best_points,
    common,
    crossovers,
    curve_of,
    envelope,
    overtaking,
)
from ldm_scaling.tables.values import Values

COSTS = np.array([1.0, 2, 4, 8, 16])


def straight(intercept, slope, costs=COSTS, noise=0.0, draws=200, seed=0):
    """A straight line in log2 of the cost; each draw has an intercept of its own."""
    shifts = noise * np.random.default_rng(seed).standard_normal(1 + draws)
    shifts[0] = 0
    return Curve("c1", costs, intercept + slope * np.log2(costs)[:, None] + shifts)


def points(*curves):
    """Curves of sizes c1, c2, ... as what `best_points` gives, by sampling cost."""
    rows = [
        {
            "stage": "pretrain",
            "size": f"c{number}",
            "params": number,
            "sampler": "ddim",
            "metric": METRIC,
            "n": 64,
            "sampling_cost": cost,
            "value": value,
            "status": "ok",
        }
        for number, own in enumerate(curves, start=1)
        for cost, value in zip(own.costs, own.draws[:, 0], strict=True)
    ]
    return Values(pd.DataFrame(rows), np.concatenate([own.draws for own in curves]))


def test_straight_lines_cross_where_algebra_says():
    # 10 - x = 14 - 3 x at x = 2, that is cost 4; each draw shifts the larger one by s: x = 2 + s/2
    small, large = straight(10, -1), straight(14, -3, noise=0.3)
    status, crossing, covered = overtaking(small, large)
    assert status == CROSSES and covered == (1, 16)
    shifts = large.draws[0] - 14
    assert np.allclose(crossing, 2 ** (2 + shifts / 2))


def test_a_crossing_between_points_of_different_costs():
    # the same lines, measured at costs that never coincide
    small = straight(10, -1, np.array([0.7, 3, 9, 30]))
    large = straight(13, -3, np.array([1.1, 5, 20]))
    status, crossing, covered = overtaking(small, large)
    assert status == CROSSES and covered == (1.1, 20)
    assert np.allclose(crossing, 2**1.5)


@pytest.mark.parametrize(
    ("small", "large", "status", "cost"),
    [
        (straight(10, -1), straight(9, -1), LARGER_AHEAD, 1),
        (straight(10, -1), straight(11, -1), SMALLER_AHEAD, 16),
        (straight(14, -3), straight(10, -1), SMALLER_OVERTAKES, 16),  # planted reverse
        (straight(10, -1), straight(10, -1), SMALLER_AHEAD, 16),  # equal is not ahead
        (straight(9, -1, np.array([1.0, 2])), straight(10, -1, COSTS * 2), SMALLER_AHEAD, 2),
        (straight(9, -1, np.array([1.0, 2])), straight(9, -1, COSTS * 4), APART, np.nan),
        (straight(9, -1, COSTS[:0]), straight(9, -1), APART, np.nan),
    ],
)
def test_without_a_crossing_it_is_at_the_end_of_the_shared_range(small, large, status, cost):
    found, crossing, _ = overtaking(small, large)
    assert found == status
    assert np.array_equal(crossing, np.full(201, cost), equal_nan=True)


def test_only_the_last_of_several_crossings_is_for_good():
    small = Curve("c1", COSTS, np.zeros((5, 3)))
    large = Curve("c1", COSTS, np.array([[-1.0, 1, -1, 1, -1]]).T.repeat(3, axis=1))
    status, crossing, _ = overtaking(small, large)
    assert status == CROSSES
    assert np.allclose(crossing, 8 * 2**0.5)


def test_curves_are_straight_in_log_cost_between_points_and_end():
    own = Curve("c8", np.array([1.0, 4, 16]), np.array([[8.0, 9], [4, 5], [2, 2]]))
    assert own.at(2) == pytest.approx([6, 7])
    assert own.at(8) == pytest.approx([3, 3.5])
    assert (own.at(1), own.at(16)) == (pytest.approx([8, 9]), pytest.approx([2, 2]))
    assert own.within(100) == pytest.approx([2, 2])
    for outside in (0.9, 17):
        with pytest.raises(ValueError, match="not within 1 and 16"):
            own.at(outside)
    other = Curve("c16", np.array([8.0, 32]), np.zeros((2, 2)))
    assert common(own, other) == (8, 16)
    assert common(other, Curve("c32", np.array([32.0, 64]), np.zeros((2, 2)))) is None


def test_of_two_steps_that_cost_the_same_the_better_counts():
    seconds = [2.0, 1.0, 2.0, 3.0]
    rows = pd.DataFrame({"size": ["c8"] * 4, "seconds": seconds, "metric": METRIC})
    own = curve_of(Values(rows, np.array([[5.0], [9], [4], [np.nan]])), "c8", "seconds")
    assert list(own.costs) == [1, 2]
    assert own.draws.tolist() == [[9], [4]]


def test_pure_noise_has_an_interval_over_the_whole_range():
    one, other = (straight(10, 0, noise=1.0, seed=seed) for seed in (1, 2))
    row = crossovers(points(one, other), "sampling_cost", 0.95).iloc[0]
    assert (row["lo"], row["hi"]) == (1, 16)


def test_the_table_has_each_pair_and_no_cost_without_a_crossing():
    table = crossovers(
        points(
            straight(10, -1, noise=0.1, seed=1),
            straight(14, -3, noise=0.1, seed=2),
            straight(20, -3, noise=0.1, seed=3),
        ),
        "sampling_cost",
        0.95,
    )
    assert list(table) == CROSSOVERS
    pairs = table[["small", "large", "status"]].values.tolist()
    assert pairs == [
        ["c1", "c2", CROSSES],
        ["c1", "c3", SMALLER_AHEAD],
        ["c2", "c3", SMALLER_AHEAD],
    ]
    crossing = table.iloc[0]
    assert crossing["cost"] == pytest.approx(4)
    assert 3.5 < crossing["lo"] < 4 < crossing["hi"] < 4.6
    # differences of intercepts have deviation 0.1 sqrt 2, so log2 of the cost half of that
    width = np.log2(crossing["hi"] / crossing["lo"])
    assert width == pytest.approx(2 * 1.96 * 0.1 * 2**0.5 / 2, rel=0.2)
    assert table["cost"].isna().tolist() == [False, True, True]
    assert (table.loc[1:, ["lo", "hi", "range_hi"]] == 16).all(axis=None)
    assert set(table["n"]) == {64}


def test_joint_draws_make_intervals_narrower_than_separate_ones():
    together = points(straight(10, -1, noise=1, seed=1), straight(14, -3, noise=1, seed=1))
    row = crossovers(together, "sampling_cost", 0.95).iloc[0]
    assert np.allclose([row["lo"], row["cost"], row["hi"]], 4)


def test_envelope_by_hand():
    rows = [
        ("c1", 1, 50, "ok"),
        ("c1", 2, 40, "ok"),
        ("c1", 4, 42, "ok"),  # more steps are no better
        ("c2", 2, 45, "ok"),  # behind at the same cost
        ("c2", 4, 30, "ok"),
        ("c3", 3, np.nan, "diverged"),
        ("c3", 8, 30, "ok"),  # no better than what costs less
        ("c3", 9, 10, "ok"),
    ]
    table = pd.DataFrame(rows, columns=["size", "seconds", "value", "status"]).assign(metric=METRIC)
    found = envelope(table, "seconds")
    assert found.values.tolist() == [
        [1, 50, "c1"],
        [2, 40, "c1"],
        [4, 30, "c2"],
        [9, 10, "c3"],
    ]


def test_points_follow_the_chosen_guidance_and_say_what_failed():
    made = best_points(values(cells()), 0.95)
    rows = made.rows.set_index(["size", "steps"])
    assert rows["value"].dropna().tolist() == [100, 50, 40, 30, 10]
    assert rows.loc[("c8", 2), ["guidance", "at_boundary"]].tolist() == [4, True]
    assert rows.loc[("c8", 4), ["guidance", "at_boundary"]].tolist() == [2, False]
    assert rows["guided_cost"].tolist()[:3] == [1, 2, 4]
    assert np.allclose(rows.loc[("c8", 2), ["lo", "hi"]].tolist(), [90, 110])
    assert rows.loc[("c16", 2), "status"] == "diverged"
    assert curve_of(made, "c16", "sampling_cost").costs.tolist() == [4, 8]


def test_of_points_of_equal_cost_the_lowest_counts():
    # guidance 1 makes 8 steps as dear as 4 with guidance
    made = points(straight(10, -1, np.array([1.0, 2, 2, 4])))
    made.draws[:, 0] = [10, 7, 9, 8]
    made.draws[:, 1:] = 5
    own = curve_of(made, "c1", "sampling_cost")
    assert own.costs.tolist() == [1, 2, 4] and own.draws[:, 0].tolist() == [10, 7, 8]


def test_command_has_every_sampler_axis_and_pair(tmp_path):
    base = {"c8": [100, 60, 40], "c16": [44, 30, 10]}
    command = ["--metric", METRIC]
    for sampler in ("ddim", "ddpm"):
        made = values(cells(base=base, failed=None, sampler=sampler))
        write_cells(
            made.rows, made.draws[:, 1:], tmp_path / f"{sampler}.csv", tmp_path / f"{sampler}.draws"
        )
        command += ["--cells", f"{sampler}.csv", f"{sampler}.draws"]

    def run(confidence):
        options = ["--confidence", confidence, "--out", "out.csv"]
        return run_here("tables.curves", *command, *options, folder=tmp_path)

    done = run("0.95")
    assert (done.returncode, done.stderr) == (0, "")
    table = read_table(tmp_path / "out.csv", CROSSOVERS)
    assert table["sampler"].tolist() == ["ddim"] * len(AXES) + ["ddpm"] * len(AXES)
    assert table["axis"].tolist() == AXES * 2
    # cost is shared at one point only, total cost nowhere; a step takes both sizes as long
    assert table["status"].tolist()[:4] == [SMALLER_AHEAD] * 2 + [APART, LARGER_AHEAD]
    wrong = run("95")
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1 and "95 must be between 0 and 1" in wrong.stderr
