"""What students are worth in steps, on curves whose answer is known."""

import sys

import numpy as np
import pytest
from synthetic import BASE, METRIC, cells, values

from ldm_scaling.jobs.cli import InputError, run
from ldm_scaling.jobs.tables import read_table, write_cells
from ldm_scaling.tables import acceleration as module
from ldm_scaling.tables.acceleration import (
    ACCELERATION,
    BELOW,
    BEYOND,
    FAILED,
    acceleration,
    steps_to_reach,
)
from ldm_scaling.tables.curves import Curve, best_points

STEPS = np.array([2.0, 4, 8, 16])


def falling(*shifts):
    """10 - log2(steps), shifted in each draw."""
    return Curve("c8", STEPS, 10 - np.log2(STEPS)[:, None] + np.array([0.0, *shifts]))


def of(student, **options):
    """The table of students with these lowest values at 2, 4 and 8 steps, by size."""
    table = cells(sampler="lcm", stage="distill", base=student, failed=None)
    points = [best_points(values(own), 0.95) for own in (table, cells(failed=None, **options))]
    return acceleration(*points, 0.95).set_index("size")


def test_steps_are_interpolated_in_their_logarithm():
    curve = falling(0, 1, -1, 0, 0)
    target = np.array([7.5, 6, 7.5, 7.5, 5.9, 9.1])
    expected = [2**2.5, 16, 2**3.5, 2**1.5, np.inf, 0]
    assert np.allclose(steps_to_reach(curve, target), expected)


def test_of_a_curve_that_rises_again_the_fewest_steps_count():
    curve = Curve("c8", STEPS, np.array([[9.0], [6], [8], [5]]) * [1, 1])
    assert np.allclose(steps_to_reach(curve, np.array([7.5, 5.5])), [2**1.5, 8 * 2 ** (2.5 / 3)])


def test_a_target_that_the_first_point_equals_is_reached_there():
    assert steps_to_reach(falling(0), np.array([9.0, 6])).tolist() == [2, 16]


def test_a_size_has_its_gain_and_its_acceleration():
    # 45 and 20 lie halfway between the teachers' values at 4 and 8 steps
    table = of({"c8": [60, 45, 42], "c16": [70, 20, 12]})
    assert list(table.index) == ["c8", "c16"]
    assert table["value"].tolist() == [45, 20] and table["undistilled"].tolist() == [50, 30]
    assert np.allclose(table["gain"], np.log([50 / 45, 30 / 20]))
    assert np.allclose(table["acceleration"], 2**0.5)
    # resamples move student and teacher together, and so neither ratio nor acceleration
    assert np.allclose(table[["acceleration_lo", "acceleration_hi"]], 2**0.5)
    assert np.allclose(table["gain_lo"], table["gain_hi"])
    assert (table["status"] == "ok").all() and (table["n"] == 64).all()


def test_the_interval_is_that_of_the_difference():
    students = best_points(
        values(cells(sampler="lcm", stage="distill", base={"c8": [60, 45, 42]})), 0.95
    )
    students.draws[:, 1:] = students.draws[:, 1:][:, ::-1]  # against their teachers
    row = acceleration(students, best_points(values(cells()), 0.95), 0.95).iloc[0]
    # 40.5 against 55 and 44: beyond the grid; 49.5 against 90, 45 and 36: between 2 and 4 steps
    assert row["acceleration_hi"] == np.inf and row["status"] == "ok"
    assert np.isclose(row["acceleration_lo"], 2 ** (40.5 / 45 - 1))
    assert np.allclose([row["gain_lo"], row["gain_hi"]], np.log([45 / 49.5, 55 / 40.5]))


def test_beyond_and_below_the_grid_there_are_bounds():
    table = of({"c8": [60, 30, 20], "c16": [200, 150, 120]})
    assert table["status"].tolist() == [BEYOND, BELOW]
    assert table["acceleration"].tolist() == [2, 0.5]
    assert table["acceleration_lo"].tolist() == [2, 0]
    assert table["acceleration_hi"].tolist() == [np.inf, 0.5]


def test_failures_and_missing_step_counts():
    students = cells(sampler="lcm", stage="distill", failed=("c16", 4))
    points = [best_points(values(own), 0.95) for own in (students, cells(failed=("c8", 4)))]
    table = acceleration(*points, 0.95).set_index("size")
    assert table.loc["c16", "status"] == FAILED and np.isnan(table.loc["c16", "acceleration"])
    # the undistilled size failed at 4 steps only: no gain there, but 50 lies between 100 and 40
    assert np.isnan(table.loc["c8", "gain"])
    assert np.isclose(table.loc["c8", "acceleration"], 2 * 4 ** (50 / 60) / 4)
    few = points[0].where(points[0].rows["steps"] != 4)
    with pytest.raises(InputError, match="no student was sampled at 4 steps"):
        acceleration(few, points[1], 0.95)


def test_several_seeds_widen_the_interval():
    base = {"c8": [60, 45, 42], "c16": [70, 20, 12]}
    students = cells((0, 3), sampler="lcm", stage="distill", base=base, failed=None)
    students["value"] = students["value"] + 1.5 * (students["seed"] == 3)  # more than teachers
    points = [best_points(values(own), 0.95) for own in (students, cells((0, 3), failed=None))]
    row = acceleration(*points, 0.95).iloc[0]
    assert row["acceleration_lo"] < row["acceleration"] < row["acceleration_hi"]


def command(folder, monkeypatch, *words):
    monkeypatch.chdir(folder)
    for name, table in (("a", cells()), ("b", cells(sampler="lcm", stage="distill"))):
        own = values(table)
        write_cells(own.rows, own.draws[:, 1:], folder / f"{name}.csv", folder / name)
    monkeypatch.setattr(sys, "argv", ["x", *words, "--confidence", "0.95", "--out", "out.csv"])
    run(module.main)


BOTH = ("--cells", "a.csv", "a", "--cells", "b.csv", "b")


def test_command_writes_the_table(tmp_path, monkeypatch, capsys):
    command(tmp_path, monkeypatch, *BOTH, "--metric", METRIC)
    table = read_table(tmp_path / "out.csv", ACCELERATION)
    assert table["value"].tolist() == [BASE["c8"][1], BASE["c16"][1]]
    assert table["acceleration"].tolist() == [1, 1]
    assert "c8: 1 times, ok" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*BOTH, "--metric", "fid"), "metric fid is not in the table"),
        ((*BOTH[:3], "--metric", METRIC), "--cells: twice"),
        ((*BOTH[:3], "--cells", "b.csv", "a", "--metric", METRIC), "does not belong to b.csv"),
    ],
)
def test_wrong_input_is_one_line(words, says, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        command(tmp_path, monkeypatch, *words)
    error = capsys.readouterr().err.strip()
    assert stop.value.code == 2 and says in error and len(error.splitlines()) == 1
