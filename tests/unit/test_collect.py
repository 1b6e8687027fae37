"""Tables: costs, the best guidance, boundary flags, failed cells, wrong input."""

import numpy as np
import pandas as pd
import pytest
from commands import run_here

from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.tables import (
    BEST,
    CELLS,
    FAMILY,
    MEASURED,
    MODEL,
    ON_GPU,
    PARTS,
    draws_of,
    read_measured,
    read_table,
    to_csv,
)
from ldm_scaling.tables.collect import best_table, cells_table
from ldm_scaling.tables.values import read_values

FAMILY_ROWS = [
    ("c8", 8, 105_001, 0.5, 0.25, 0.125, 3.0, 0.5),
    ("c16", 16, 4_123_457, 2.0, 1.0, 0.25, 3.0, 0.5),
]
GUIDANCE = [1, 2, 3, 5]
GRID = ([2, 4, 6], GUIDANCE)
# The Frechet distance of each guidance; None diverged. The planted optimum comes first in the key.
PLANTED = {
    ("c8", 2, "inside"): [9, 4, 6, 8],
    ("c8", 4, "low end"): [3, 4, 6, 8],
    ("c16", 2, "high end"): [9, 8, 6, 5],
    ("c16", 4, "beside failed"): [9, 8, 6, None],
    ("c16", 6, "all failed"): [None, None, None, None],
}


def family():
    return pd.DataFrame(FAMILY_ROWS, columns=[*FAMILY, *PARTS])


def measured():
    rows = []
    for (size, steps, _), values in PLANTED.items():
        for guidance, value in zip(GUIDANCE, values, strict=True):
            nfe = steps * (1 if guidance == 1 else 2)
            for metric, sign in (("fd_x", 1), ("kid_x", -1)):  # kid would choose differently
                numbers = [None] * 3 if value is None else [sign * value + d for d in (0, -1, 1)]
                status = "diverged" if value is None else "ok"
                row = (steps, guidance, 1.0, metric, *numbers, 64, nfe, 0.5, status)
                rows.append(("pretrain", size, 0, "ddim", *row))
    table = pd.DataFrame(rows, columns=[*MODEL, *MEASURED]).astype({"n": "Int64", "nfe": "Int64"})
    return table.sample(frac=1, random_state=0)  # the order of files must not matter


def best_of(best, size, steps, metric="fd_x"):
    rows = best[(best["size"] == size) & (best["steps"] == steps) & (best["metric"] == metric)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_a_cell_beyond_the_most_steps_of_a_size_is_not_of_its_grid():
    # as the fixed setting of a size that is too expensive there: one guidance, which is no best one
    table = measured()
    beyond = (table["size"] == "c16") & (table["steps"] == 4)
    table = table[~beyond | (table["guidance"] == 3)]
    cells = cells_table(table, family(), GRID, {"c16": ([2], GRID[1])})
    own = cells[(cells["size"] == "c16") & (cells["steps"] == 4)]
    assert len(own) == 2 and not own["grid"].any()
    best = best_table(cells, "fd_x")
    assert set(best.loc[best["size"] == "c16", "steps"]) == {2}
    assert best_of(best, "c8", 4)["guidance"] == 1, "another size takes them"


def test_a_size_may_have_scales_of_its_own():
    cells = cells_table(measured(), family(), GRID, {"c16": (GRID[0], GRID[1][:-1])})
    last = cells[cells["guidance"] == GRID[1][-1]]
    assert last.loc[last["size"] == "c8", ["grid", "at_boundary"]].all(axis=None)
    assert not last.loc[last["size"] == "c16", ["grid", "at_boundary"]].any(axis=None)
    ends = cells[(cells["size"] == "c16") & (cells["guidance"] == GRID[1][-2])]
    assert ends["at_boundary"].all(), "the end of its own list"


def test_costs_follow_steps_and_network_evaluations():
    cells = cells_table(measured(), family(), GRID)
    assert list(cells) == CELLS
    cell = cells[(cells["size"] == "c8") & (cells["steps"] == 4) & (cells["metric"] == "fd_x")]
    assert cell["sampling_cost"].tolist() == [1, 1, 1, 1]
    assert cell["guided_cost"].tolist() == [1, 2, 2, 2]
    assert cell["params"].tolist() == [105_001] * 4
    # 4 or 8 evaluations of 0.375 without the text, the text of 0.125 and its encoder of 0.5 once or
    # twice, the decoder of 3; over the reference's 2
    assert cell["total_cost"].tolist() == [(1.5 + 0.625 + 3) / 2] + [(3 + 1.25 + 3) / 2] * 3


@pytest.mark.parametrize("told", [False, True])
def test_captions_are_counted_by_guidance_not_by_the_solvers_evaluations(told):
    # a solver that takes its second step twice, as PNDM
    table = measured()
    forwards = (1 + (table["guidance"] != 1)) if not told else 1
    pndm = cells_table(
        table.assign(nfe=(table["steps"] + 1) * forwards), family().assign(told=told), GRID
    )
    own = family().set_index("size")
    per_forward = pndm["size"].map(own["gflops"] - own["text_gflops"])
    texts = 1 + ((pndm["guidance"] != 1) & (not told))
    expected = pndm["nfe"].astype(float) * per_forward + texts * (
        pndm["size"].map(own["text_gflops"]) + 0.5
    )
    assert pndm["total_cost"].to_numpy() == pytest.approx(((expected + 3) / 2).to_numpy())


def test_students_that_are_trained_have_one_caption():
    students = measured().assign(stage="distill")
    students["nfe"] = students["steps"]
    cells = cells_table(students, family(), GRID)
    own = cells[(cells["size"] == "c8") & (cells["steps"] == 4)]
    assert own["total_cost"].to_numpy() == pytest.approx((4 * 0.375 + 0.125 + 0.5 + 3) / 2)


def test_the_fixed_setting_and_kept_checkpoints_are_outside_the_search():
    table = measured()
    kept = table.assign(trained=0.5, value=table["value"] - 100)
    beyond = table[table["guidance"] == 5].assign(guidance=7.5, value=-200)
    cells = cells_table(pd.concat([table, kept, beyond], ignore_index=True), family(), GRID)
    assert cells["grid"].sum() == len(table)
    assert set(cells.loc[~cells["grid"], "trained"]) == {0.5, 1}
    alone = best_table(cells_table(table, family(), GRID), "fd_x")
    pd.testing.assert_frame_equal(
        best_table(cells, "fd_x").reset_index(drop=True), alone.reset_index(drop=True)
    )


def test_rows_are_sorted_by_channels_not_by_name():
    cells = cells_table(measured(), family(), GRID)
    assert cells["size"].drop_duplicates().tolist() == ["c8", "c16"]
    keys = list(cells[["steps", "guidance", "metric"]][cells["size"] == "c16"].itertuples())
    assert [key[1:] for key in keys] == sorted(key[1:] for key in keys)


@pytest.mark.parametrize(
    ("size", "steps", "guidance", "at_boundary"),
    [("c8", 2, 2, False), ("c8", 4, 1, False), ("c16", 2, 5, True), ("c16", 4, 3, False)],
)
def test_planted_optimum_and_boundary(size, steps, guidance, at_boundary):
    best = best_table(cells_table(measured(), family(), GRID), "fd_x")
    assert list(best) == CELLS
    for metric, sign in (("fd_x", 1), ("kid_x", -1)):
        row = best_of(best, size, steps, metric)
        lowest = min(
            v
            for v in next(values for key, values in PLANTED.items() if key[:2] == (size, steps))
            if v is not None
        )
        assert (row["guidance"], row["at_boundary"]) == (guidance, at_boundary)
        assert row["value"] == sign * lowest


@pytest.mark.parametrize(
    ("grid", "guidance", "at_boundary"),
    [([2, 3, 5], 2, True), ([1, 2], 1, False), ([2], 2, True), ([1], 1, False)],
)
def test_only_an_end_that_can_be_extended_is_a_boundary(grid, guidance, at_boundary):
    table = measured()
    best = best_table(
        cells_table(table[table["guidance"].isin(grid)], family(), (GRID[0], grid)), "fd_x"
    )
    row = best_of(best, "c8", 4)
    assert (row["guidance"], row["at_boundary"]) == (guidance, at_boundary)


def test_a_boundary_is_one_of_the_grid_also_where_few_of_its_scales_were_sampled():
    table = measured()
    for scale, at_boundary in ((3, False), (5, True)):
        finalist = table[(table["steps"] == 2) & (table["guidance"] == scale)]
        best = best_table(cells_table(finalist, family(), GRID), "fd_x")
        assert set(best["at_boundary"]) == {at_boundary}


def test_select_by_another_metric_chooses_another_cell():
    best = best_table(cells_table(measured(), family(), GRID), "kid_x")
    assert best_of(best, "c8", 2)["guidance"] == 1
    assert best_of(best, "c8", 2)["value"] == 9


def test_a_metric_of_which_more_is_better_goes_along_or_chooses_its_highest_value():
    clip = measured()
    clip = clip[clip["metric"] == "kid_x"].assign(metric="clip_score")
    cells = cells_table(pd.concat([measured(), clip]), family(), GRID)
    best = best_table(cells, "fd_x")
    assert best_of(best, "c8", 2, "clip_score")["guidance"] == 2  # the choice of fd_x
    best = best_table(cells, "clip_score")  # kid_x is the planted distance times -1
    assert best_of(best, "c8", 2, "clip_score")[["guidance", "value"]].tolist() == [2, -4]
    assert best_of(best, "c8", 2)["guidance"] == 2


def test_group_without_a_sound_cell_stays_as_a_row():
    best = best_table(cells_table(measured(), family(), GRID), "fd_x")
    for metric in ("fd_x", "kid_x"):
        row = best_of(best, "c16", 6, metric)
        assert row["status"] == "diverged"
        assert row["sampling_cost"] == 6
        assert not row["at_boundary"]
        assert row[["guidance", "value", "lo", "hi", "nfe", "guided_cost"]].isna().all()


def test_failed_value_is_never_chosen():
    table = measured()
    failed = (table["size"] == "c8") & (table["steps"] == 2) & (table["guidance"] == 2)
    table.loc[failed, "status"] = "diverged"
    row = best_of(best_table(cells_table(table, family(), GRID), "fd_x"), "c8", 2)
    assert (row["guidance"], row["value"]) == (3, 6)


def _mixed_n(table):
    table.loc[(table["metric"] == "fd_x") & (table["size"] == "c8"), "n"] = 32


def _no_value(table):
    table.loc[table["status"] == "diverged", "status"] = "ok"


def _unknown_size(table):
    table.loc[table["size"] == "c8", "size"] = "c9"


def _twice(table):
    table.loc[table["guidance"] == 3, "guidance"] = 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_mixed_n, "fd_x.*n = 32, 64.*different n are never drawn on one axis"),
        (_no_value, "no finite value"),
        (_unknown_size, "c9 is not in the family"),
        (_twice, "measured twice"),
    ],
)
def test_wrong_tables_are_refused(spoil, message):
    table = measured()
    spoil(table)
    with pytest.raises(InputError, match=message):
        cells_table(table, family(), GRID)


def test_metrics_may_differ_in_n():
    table = measured()
    table.loc[table["metric"] == "kid_x", "n"] = 32
    assert len(cells_table(table, family(), GRID)) == len(table)


def test_unknown_selecting_metric_names_the_known_ones():
    with pytest.raises(InputError, match=r"fid.*known: fd_x, kid_x"):
        best_table(cells_table(measured(), family(), GRID), "fid")


def test_text_is_compact_and_keeps_whole_numbers():
    table = pd.DataFrame({"params": [4_123_457], "value": [1 / 3], "flag": [True]})
    assert to_csv(table) == "params,value,flag\n4123457,0.333333,True\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "missing"), ("steps\n", "no column"), ("n,value\n", "no rows"), ("n\na\n", "n")],
)
def test_unusable_files(tmp_path, text, message):
    path = tmp_path / "table.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(path, ["n", "value"])


def drawn(rows):
    """Draws in which the value is easy to find again."""
    return {
        f"steps{row.steps}_guidance{row.guidance:g}/{row.metric}": row.value + np.array([0.1, 0.2])
        for row in rows.itertuples()
        if row.status == "ok"
    }


def collect(tmp_path, select_by="fd_x", memory_of=None):
    family().to_csv(tmp_path / "family.csv", index=False)
    command = ["--select-by", select_by, "--family", "family.csv", "--cells-out", "out/cells.csv"]
    command += ["--best-out", "out/best.csv", "--draws-out", "out/draws"]
    command += ["--steps", *map(str, GRID[0]), "--guidance", *map(str, GRID[1])]
    for size, rows in measured().groupby("size"):
        table = rows[MEASURED]
        if size == memory_of:
            table = table.assign(memory_gb=2.5, batch=16)
        table.to_csv(tmp_path / f"{size}.csv", index=False)
        write_arrays(tmp_path / size, drawn(rows), "abc")
        command += ["--metrics", "pretrain", size, "0", "ddim", f"{size}.csv", size]
    return run_here("tables.collect", *command, folder=tmp_path)


def test_command_writes_what_the_functions_return(tmp_path):
    done = collect(tmp_path)
    assert done.returncode == 0, done.stderr
    cells = cells_table(measured(), family(), GRID)
    assert (tmp_path / "out/cells.csv").read_text() == to_csv(cells)
    read = read_table(tmp_path / "out/best.csv", BEST)
    assert to_csv(read[CELLS]) == to_csv(best_table(cells, "fd_x"))
    assert read["optimism"].dropna().eq(0).all()  # these draws leave no doubt
    assert (read["optimism"].isna() == (read["status"] != "ok")).all()
    assert read["at_boundary"].dtype == bool
    values = read_values(tmp_path / "out/cells.csv", tmp_path / "out/draws", "fd_x")
    assert len(values.rows) == len(cells) / 2
    np.testing.assert_allclose(
        values.draws, np.add.outer(values.rows["value"].to_numpy(float), [0, 0.1, 0.2])
    )
    with pytest.raises(InputError, match="kid_y is not in the table"):
        read_values(tmp_path / "out/cells.csv", tmp_path / "out/draws", "kid_y")
    (tmp_path / "out/cells.csv").write_text(to_csv(cells[1:]))
    with pytest.raises(InputError, match="does not belong"):
        read_values(tmp_path / "out/cells.csv", tmp_path / "out/draws", "fd_x")


def test_memory_of_a_gpu_is_in_the_tables_of_cells_that_have_it(tmp_path):
    assert collect(tmp_path).returncode == 0
    without = (tmp_path / "out/cells.csv").read_text()
    best = (tmp_path / "out/best.csv").read_text()
    collected = collect(tmp_path, memory_of="c16")
    assert collected.returncode == 0, collected.stderr
    cells = pd.read_csv(tmp_path / "out/cells.csv")
    on_gpu = cells["size"] == "c16"
    assert list(cells)[-2:] == ON_GPU
    assert cells.loc[on_gpu, ON_GPU].eq([2.5, 16]).all(axis=None)
    assert cells.loc[~on_gpu, ON_GPU].isna().all(axis=None)
    rest = [line.rsplit(",", 2)[0] for line in (tmp_path / "out/cells.csv").read_text().split()]
    assert rest == without.split()
    assert (tmp_path / "out/best.csv").read_text() == best
    (tmp_path / "without.csv").write_text(without)
    both = ("--cells", "without.csv", "out/cells.csv", "--best", "out/best.csv")
    done = run_here(
        *("tables.concatenate", *both, "--cells-out", "all.csv", "--best-out", "all_best.csv"),
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    whole = pd.read_csv(tmp_path / "all.csv")
    assert whole[ON_GPU].notna().sum().tolist() == [on_gpu.sum()] * 2


def test_draws_that_lack_a_cell_are_refused(tmp_path):
    rows = measured()
    arrays = drawn(rows)
    del arrays["steps2_guidance3/kid_x"]
    write_arrays(tmp_path / "draws", arrays, "abc")
    with pytest.raises(InputError, match="no bootstrap replicates of steps2_guidance3/kid_x"):
        draws_of(rows[rows["size"] == "c8"], tmp_path / "draws")


def test_a_model_whose_cells_all_failed_stands_beside_the_others(tmp_path):
    models = []
    for size, rows in measured().groupby("size"):
        if size == "c16":
            rows = rows.assign(value=None, lo=None, hi=None, status="diverged")
        rows[MEASURED].to_csv(tmp_path / f"{size}.csv", index=False)
        write_arrays(tmp_path / size, drawn(rows), "abc")
        models.append([size, "3", str(tmp_path / f"{size}.csv"), str(tmp_path / size)])
    table, draws = read_measured(models, ["size", "seed"])
    assert len(table) == len(draws) == len(measured()) and set(table["seed"]) == {3}
    failed = (table["size"] == "c16").to_numpy()
    assert (np.isnan(draws).all(axis=1) == failed).all() and draws.shape[1] == 2
    with pytest.raises(InputError, match="seed x is not a number"):
        read_measured([["c8", "x", *models[0][2:]]], ["size", "seed"])


def test_command_answers_wrong_input_with_one_line(tmp_path):
    done = collect(tmp_path, select_by="fid")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --select-by fid") and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
