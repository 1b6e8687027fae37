"""What is chosen of many configurations, on studies whose truth was planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from planted import METRIC, study

from ldm_scaling.jobs.choice import OK
from ldm_scaling.jobs.tables import cell_of
from ldm_scaling.tables.choose import Configurations, described
from ldm_scaling.tables.curves import AXES
from ldm_scaling.tables.frontier import Beside, envelope_table, frontier_of, joined, lever_table
from ldm_scaling.tables.values import read_values

CONFIDENCE = 0.95


def files(folder, stage="pretrain", sampler="ddim"):
    """The schedule of a planted study, and its two files."""
    place = folder / stage / sampler
    return "trailing", place / "cells.csv", place / "draws.safetensors"


def configurations(folder, *names) -> Configurations:
    table = frontier_of(
        [files(folder, *name) for name in names or [()]], Beside(), [METRIC], CONFIDENCE
    )
    return Configurations.of(table, METRIC)


def chosen(found, budget=np.inf):
    return found.choose(found.within("guided_cost", budget), "guided_cost", CONFIDENCE)


def test_a_clear_winner_is_chosen_alone_and_keeps_its_value(tmp_path):
    cells = [{"value": 100}, {"value": 80}, {"value": 90}]
    found = configurations(study(tmp_path, cells, noise=1))
    choice = chosen(found)
    assert found.rows["size"][choice.row] == "c9" and choice.tied == []
    assert found.rows["size"][choice.behind].tolist() == ["c10", "c8"]
    assert abs(choice.luck) < 0.1


def test_what_varies_with_the_choice_is_told_apart_and_what_varies_alone_is_not(tmp_path):
    # all cells share images, so that the noise that they share says nothing of their difference
    cells = [{"value": 100}, {"value": 97}]
    shared = configurations(study(tmp_path / "shared", cells, noise=0.1, common=10))
    alone = configurations(study(tmp_path / "alone", cells, noise=10))
    assert chosen(shared).tied == [] and len(chosen(alone).tied) == 1


@pytest.mark.parametrize("seed", range(3))
def test_a_winner_by_luck_among_200_equals_is_tied_and_loses_its_luck(tmp_path, seed):
    cells = [{"value": 100} for _ in range(200)]
    found = configurations(study(tmp_path, cells, noise=2, seed=seed))
    choice = chosen(found)
    value = found.rows["value"][choice.row]
    assert value < 96  # the lowest of 200 draws of a deviation of 2
    assert value + choice.luck == pytest.approx(100, abs=1.5)
    assert len(choice.tied) > 180


def test_luck_is_that_of_the_truth_on_average(tmp_path):
    # cells that differ by as much as they vary: the mean over worlds of value + luck is the truth's
    misses = []
    for seed in range(60):
        truth = np.linspace(98, 102, 12)
        cells = [{"value": value} for value in truth]
        found = configurations(study(tmp_path / str(seed), cells, noise=1, seed=seed))
        choice = chosen(found)
        misses.append(found.rows["value"][choice.row] + choice.luck - truth[choice.row])
    raw = 0.6  # what the values alone miss by, at least
    assert abs(np.mean(misses)) < raw / 2


def test_nothing_is_chosen_below_all_costs_and_failed_cells_never(tmp_path):
    cells = [
        {"value": 1, "status": "out_of_memory"},
        {"value": 90, "cost": 2},
        {"value": 80, "cost": 4},
    ]
    found = configurations(study(tmp_path, cells, noise=0.1))
    assert chosen(found, budget=1.9) is None
    assert found.rows["status"].tolist() == ["out_of_memory", OK, OK]
    assert found.rows["size"][chosen(found, budget=2).row] == "c9"
    assert found.rows["size"][chosen(found).row] == "c10"


def test_equal_values_go_to_the_cheaper(tmp_path):
    cells = [{"value": 90, "cost": 3}, {"value": 90, "cost": 2}]
    found = configurations(study(tmp_path, cells))
    assert found.rows["size"][chosen(found).row] == "c9"


def test_nothing_is_paid_for_a_lead_of_luck(tmp_path):
    # the second is a little better, by less than the choice between the two is lucky
    cells = [{"value": 90, "cost": 1}, {"value": 89.7, "cost": 5}]
    found = configurations(study(tmp_path, cells, noise=1, seed=0))
    lead = found.rows["value"][0] - found.rows["value"][1]
    choice = chosen(found)
    assert lead > 0 and found.rows["size"][choice.row] == "c8" and choice.tied == [1]


def test_of_a_score_the_highest_is_chosen(tmp_path):
    cells = [{"value": 0.3, "metric": "clip_score"}, {"value": 0.2, "metric": "clip_score"}]
    table = frontier_of(
        [files(study(tmp_path, cells, noise=0.001))], Beside(), ["clip_score"], CONFIDENCE
    )
    found = Configurations.of(table, "clip_score")
    choice = chosen(found)
    assert found.rows["value"][choice.row] == pytest.approx(0.3, abs=0.01) and choice.luck <= 0


def test_as_many_more_images_tell_two_apart_as_it_says(tmp_path):
    cells = [{"value": 100}, {"value": 98}]
    found = configurations(study(tmp_path, cells, noise=2, seed=2))
    choice = chosen(found)
    (other,) = choice.tied
    times = found.images_to_tell(choice, other, CONFIDENCE)
    assert 1 < times < 50
    # more images of the same values: their noise falls with the root, and luck at least as fast
    value = found.halves[:, :1]
    clearer = value + (found.halves - value) / np.sqrt(1.05 * times)
    again = Configurations(found.rows, clearer, METRIC)
    assert chosen(again).tied == []


def test_the_envelope_has_the_choice_within_each_cost(tmp_path):
    cells = [
        {"value": value, "cost": cost} for value, cost in ((100, 1), (95, 2), (97, 3), (80, 5))
    ]
    found = configurations(study(tmp_path, cells, noise=0.1))
    rows = pd.DataFrame(envelope_table(found, CONFIDENCE))
    own = rows[rows["axis"] == "seconds"]
    assert own["cost"].tolist() == [1, 2, 5] and own["until"].tolist()[:2] == [2, 5]
    assert own["cell"].tolist() == [0, 1, 3] and set(rows["axis"]) == set(AXES)
    for row in rows.itertuples():
        choice = found.choose(found.within(row.axis, row.cost), row.axis, CONFIDENCE)
        assert found.rows["cell"][choice.row] == row.cell and choice.luck == row.luck


def test_a_metric_that_no_cell_has_has_no_envelope(tmp_path):
    """Such as FD-infinity of too few images, beside the metric that chooses."""
    found = configurations(study(tmp_path, [{"value": np.nan, "status": "n is too small"}] * 2))
    assert list(envelope_table(found, CONFIDENCE)) == []


def levers(folder, *names):
    table = frontier_of(
        [files(folder, *name) for name in names or [()]], Beside(), [METRIC], CONFIDENCE
    )
    assert len(table)
    parts = [read_values(*files(folder, *name)[1:], METRIC) for name in names or [()]]
    rows = pd.DataFrame(lever_table(joined(parts, CONFIDENCE), CONFIDENCE))
    return rows[rows["axis"] == "guided_cost"].set_index(["lever", "without"])


def grid(value, **others):
    return [
        {"value": value(cost), "size": "c8", "steps": steps, "cost": cost} | others
        for steps, cost in ((1, 1.0), (2, 2.0), (4, 4.0), (8, 8.0))
    ]


def test_a_lever_is_worth_what_was_planted(tmp_path):
    # students are better by a tenth of the logarithm at every cost
    worse = grid(lambda cost: 100 / cost**0.1)
    study(tmp_path, worse, noise=0.2)
    better = grid(lambda cost: 100 / cost**0.1 * np.exp(-0.1))
    study(tmp_path, better, noise=0.2, stage="distill", sampler="lcm", seed=1)
    found = levers(tmp_path, (), ("distill", "lcm"))
    student = found.loc[("stage", "distill")]
    assert student["gain"] == pytest.approx(0.1, abs=0.005)
    assert student["lo"] < 0.1 < student["hi"]
    teacher = found.loc[("stage", "pretrain")]
    assert teacher["gain"] == pytest.approx(0, abs=1e-9)


def test_more_tries_of_the_same_are_worth_nothing(tmp_path):
    value = lambda cost: 100 / cost**0.1  # noqa: E731
    study(tmp_path, grid(value), noise=2)
    again = [row for scale in (1.0, 2.0, 4.0) for row in grid(value, guidance=scale)]
    study(tmp_path, again, noise=2, sampler="dpmpp", seed=1)
    found = levers(tmp_path, (), ("pretrain", "dpmpp"))
    useless = found.loc[("sampler", "dpmpp")]
    assert useless["lo"] < 0 < useless["hi"]


def test_a_column_that_tables_have_one_day_is_a_setting_and_a_lever(tmp_path):
    cells = grid(lambda cost: 100 / cost**0.1, guide="unconditional")
    cells += grid(lambda cost: 95 / cost**0.1, guide="smaller model")
    folder = study(tmp_path, cells, noise=0.1)
    table = frontier_of([files(folder)], Beside(), [METRIC], CONFIDENCE)
    assert set(table["guide"]) == {"unconditional", "smaller model"}
    assert table["cell"].nunique() == 8
    gain = levers(folder).loc[("guide", "smaller model"), "gain"]
    assert gain == pytest.approx(np.log(100 / 95), abs=0.005)


def test_candidates_are_configurations_beside_single_images(tmp_path):
    folder = study(tmp_path / "single", grid(lambda cost: 100 / cost**0.1), noise=0.1)
    kept = [
        row
        for count in (1, 4)
        for row in grid(
            lambda cost: 95 / cost**0.1, method="best_of", candidates=count, verified=4, spread=1.0
        )
    ]
    beside = Beside(candidates=files(study(tmp_path / "kept", kept, noise=0.1))[1:])
    table = frontier_of([files(folder)], beside, [METRIC], CONFIDENCE)
    assert table["candidates"].tolist() == [1] * 4 + [4] * 4  # one candidate is a single image
    assert table["method"].isna().tolist() == [True] * 4 + [False] * 4
    assert table["cell"].nunique() == 8 and not {"verified", "spread"} & set(table)
    last = table.iloc[-1]
    assert described(last, table).endswith("candidates 4, method best_of")
    # one candidate is not named, even where most configurations have more
    mostly = pd.concat([table.iloc[:1], table.iloc[4:]])
    assert "candidates" not in described(table.iloc[0], mostly)
    assert cell_of(last) == f"steps8_guidance{last['guidance']:g}_best_of4"


def test_trajectories_of_the_same_sizes_and_steps_stay_apart(tmp_path):
    cells = study(tmp_path, [{"value": 100}, {"value": 80}], noise=1)
    own = read_values(*files(cells)[1:], METRIC)
    names = {"size": ["c8-c9 1-3", "c8-c9 3-1"], "sizes": "c8-c9", "allocation": ["1-3", "3-1"]}
    same = {name: own.rows[name].iloc[0] for name in ("sampler", "steps", "guidance")}
    stitched = type(own)(own.rows.assign(stage="stitch", rising=True, **names, **same), own.draws)
    rows = joined([stitched], CONFIDENCE).rows
    assert rows["allocation"].to_list() == ["1-3", "3-1"]
    assert set(rows["size"]) == {"c8-c9"} and set(rows["status"]) == {OK}
    assert rows["value"].to_list() == own.rows["value"].to_list()


def test_a_setting_that_some_cells_lack_drops_none(tmp_path):
    cells = [{"value": 100, "size": "c8", "guide": "smaller model"}, {"value": 90, "size": "c16"}]
    table = frontier_of([files(study(tmp_path, cells))], Beside(), [METRIC], CONFIDENCE)
    assert set(table["size"]) == {"c8", "c16"} and (table["status"] == OK).all()


def test_halves_spread_as_seeds_do_and_intervals_as_student_has_it(tmp_path):
    # two seeds of one size: the mean's standard error is half of their difference, with one degree
    # of freedom
    cells = [{"value": value, "size": "c8", "seed": seed} for seed, value in enumerate((90, 110))]
    folder = study(tmp_path, cells, replicates=4000)
    own = joined([read_values(*files(folder)[1:], METRIC)], CONFIDENCE)
    error = (np.log(110) - np.log(90)) / 2
    assert np.log(own.draws[0, 1:] / own.draws[0, 0]).std() == pytest.approx(error, rel=0.05)
    assert np.log(own.rows["hi"][0] / own.rows["value"][0]) == pytest.approx(12.7 * error, rel=0.1)


def test_levers_of_values_below_0_are_differences(tmp_path):
    cells = [row | {"metric": "kid_effnet_lite0"} for row in grid(lambda cost: -cost)]
    folder = study(tmp_path / "a", cells, noise=0.01)
    better = [row | {"value": row["value"] - 2} for row in cells]
    study(tmp_path / "a", better, noise=0.01, stage="distill", seed=1)
    names = ((), ("distill", "ddim"))
    parts = [read_values(*files(folder, *name)[1:], "kid_effnet_lite0") for name in names]
    rows = pd.DataFrame(lever_table(joined(parts, CONFIDENCE), CONFIDENCE))
    own = rows[(rows["without"] == "distill") & (rows["axis"] == "seconds")].iloc[0]
    assert own["unit"] == "difference" and own["gain"] == pytest.approx(2, abs=0.05)
