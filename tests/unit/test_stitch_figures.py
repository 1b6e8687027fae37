"""Stitched trajectories: costs by hand, the table, what they are compared with, and the figure."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from commands import run_here
from drawn import line, no_overlap, same_bytes
from synthetic import METRIC, cells, floors, paper, values

from ldm_scaling.cells.measure import COLUMNS
from ldm_scaling.figures import stitch_vs_cost
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.tables import FAMILY, MEASURED, PARTS, to_csv
from ldm_scaling.tables.curves import best_points
from ldm_scaling.tables.stitch import STITCH, read_stitched, rivals, stitch_table
from ldm_scaling.tables.values import Values

CONFIDENCE = 0.95
SHAPE = [
    ("c8", 8, 105_000, 0.5, 0.25, 0.02, 0.1, 0.06),
    ("c16", 16, 4_100_000, 2.0, 1.0, 0.08, 0.1, 0.06),
]
FAMILY_TABLE = pd.DataFrame(SHAPE, columns=[*FAMILY, *PARTS])
SCALES = [1.0, 2.0]
OTHERS = (FAMILY_TABLE, METRIC, SCALES)


def measured(sizes="c8-c16", seed=0, failed=(), n=64):
    """Cells of two steps counts and scales, as rule measure and its readers have them."""
    rows = []
    for steps, allocation in ((2, "1-1"), (4, "1-3"), (4, "3-1")):
        for guidance in (1.0, 2.0):
            value = 60 / steps * (1.5 if guidance == 1 else 1) + (sizes == "c16-c8") * 8
            ok = (allocation, guidance) not in failed
            numbers = [value, value * 0.9, value * 1.1] if ok else [np.nan] * 3
            nfe = steps if guidance == 1 else 2 * steps
            status = "ok" if ok else "diverged"
            tail = (n, nfe, 0.01 * steps, status)
            cell = (sizes, seed, "ddim", allocation, steps, guidance, 1.0, METRIC)
            rows.append((*cell, *numbers, *tail))
    columns = ["sizes", "seed", "sampler", "allocation", *MEASURED]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64", "nfe": "Int64"})


def stitched(*tables):
    """What `read_stitched` gives of their table."""
    own = pd.concat(tables or [measured(), measured("c16-c8")], ignore_index=True)
    found = stitch_table(own, FAMILY_TABLE, METRIC, SCALES).reset_index(drop=True)
    rows = found.assign(trained=1.0, grid=True, rising=found["sizes"] == "c8-c16")
    rows["size"] = rows["sizes"] + " " + rows["allocation"]
    draws = [[row.value] + [row.lo] * 20 + [row.hi] * 20 for row in rows.itertuples()]
    return Values(rows, np.array(draws, float))


# ------------------------------------------------------------ the table


def test_costs_by_hand():
    found = stitch_table(measured(), *OTHERS).set_index(["allocation", "guidance"])
    assert list(found.reset_index()) != STITCH and set(found.reset_index()) == set(STITCH)
    # one step of a quarter of the reference's cost, and three of the reference
    guided, free = found.loc[("1-3", 2.0)], found.loc[("1-3", 1.0)]
    assert guided["sampling_cost"] == free["sampling_cost"] == 0.25 + 3 * 1.0
    assert (guided["guided_cost"], free["guided_cost"]) == (2 * 3.25, 3.25)
    # GFLOPs beside the keys and values of the text, 0.48 and 1.92 a pass; these of each size once
    # a text; the text encoder once a text, the decoder once; the reference's pass has 2
    free_total = (0.48 + 3 * 1.92) + (0.02 + 0.08) + 0.06 + 0.1
    guided_total = 2 * (0.48 + 3 * 1.92) + 2 * (0.02 + 0.08) + 2 * 0.06 + 0.1
    assert free["total_cost"] == pytest.approx(free_total / 2)
    assert guided["total_cost"] == pytest.approx(guided_total / 2)
    assert found.loc[("3-1", 2.0), "sampling_cost"] == 3 * 0.25 + 1.0
    assert (guided["share"], found.loc[("3-1", 2.0), "share"]) == (0.25, 0.75)


def test_a_trajectory_of_one_size_would_cost_what_the_size_does():
    own = measured("c16-c16")
    found = stitch_table(own, FAMILY_TABLE.assign(text_gflops=0.0), METRIC, SCALES)
    single = cells(failed=None).query("size == 'c16' and steps == 4 and guidance == 2").iloc[0]
    row = found[(found["allocation"] == "1-3") & (found["guidance"] == 2)].iloc[0]
    for cost in ("sampling_cost", "guided_cost"):
        assert row[cost] == single[cost]


def test_the_best_guidance_is_marked_and_a_failed_cell_is_a_row():
    found = stitch_table(measured(failed={("1-3", 2.0), ("3-1", 1.0), ("3-1", 2.0)}), *OTHERS)
    assert len(found) == 6
    chosen = found[found["best"]].set_index("allocation")["guidance"].to_dict()
    assert chosen == {"1-1": 2.0, "1-3": 1.0}
    assert (found["status"] == "diverged").sum() == 3


def test_ends_are_those_of_all_scales_not_of_those_that_a_search_sampled_whole():
    own = measured().query("guidance == 2")
    for scales, at_end in (([1.0, 2.0, 3.0], False), ([1.0, 2.0], True), ([2.0, 3.0], True)):
        found = stitch_table(own, FAMILY_TABLE, METRIC, scales)
        assert found["at_boundary"].eq(at_end).all() and found["best"].all()


def test_what_cannot_be_a_table_is_said():
    with pytest.raises(InputError, match="size c9 is not in the family"):
        stitch_table(measured("c9-c16"), *OTHERS)
    with pytest.raises(InputError, match="no such metric was measured"):
        stitch_table(measured(), FAMILY_TABLE, "kid_effnet_lite0", SCALES)


def write_inputs(folder, sizes):
    """metrics.csv and draws.safetensors of sizes, as rule measure writes them."""
    own = measured(sizes)
    names = list(COLUMNS)
    (folder / f"{sizes}.csv").write_text(to_csv(own[names]))
    draws = {
        f"steps{row.steps}_guidance{row.guidance:g}_stitched{row.allocation}/{METRIC}": np.full(
            7, row.value + 1
        )
        for row in own.itertuples()
    }
    write_arrays(folder / f"{sizes}.safetensors", draws, sizes)


def test_the_command_writes_rows_and_their_draws(tmp_path):
    command = ["--select-by", METRIC, "--guidance", "1", "2"]
    for sizes in ("c8-c16", "c16-c8"):
        write_inputs(tmp_path, sizes)
        files = (f"{sizes}.csv", f"{sizes}.safetensors")
        command += ["--metrics", sizes, "0", "ddim", *files]
    (tmp_path / "family.csv").write_text(to_csv(FAMILY_TABLE))
    command += ["--family", "family.csv", "--out", "stitch.csv", "--draws-out", "draws.safetensors"]
    done = run_here("tables.stitch", *command, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(tmp_path / "stitch.csv").columns.tolist() == STITCH
    found = read_stitched(tmp_path / "stitch.csv", tmp_path / "draws.safetensors", METRIC)
    assert len(found.rows) == 12 and found.draws.shape == (12, 8)
    assert np.allclose(found.draws[:, 1:], found.draws[:, :1] + 1)
    assert found.rows.groupby("sizes")["rising"].first().to_dict() == {
        "c16-c8": False,
        "c8-c16": True,
    }


# ------------------------------------------------------------ what trajectories are compared with


def test_rivals_are_every_cheaper_point_and_the_curves_at_the_budget():
    # c8: 100, 50, 40 at costs 0.5, 1 and 2; c16: 80, 30, 10 at 2, 4 and 8
    points = best_points(values(cells(failed=None)), CONFIDENCE)
    assert rivals(points, "sampling_cost", 0.4).shape == (0, 41)
    at = {budget: rivals(points, "sampling_cost", budget)[:, 0] for budget in (0.5, 1.5, 4, 99)}
    assert at[0.5].tolist() == [100]
    between = 50 - 10 * np.log2(1.5)  # straight in the log of the cost
    assert at[1.5].tolist() == pytest.approx([100, 50, between])
    assert at[4].tolist() == [100, 50, 40, 80, 30]
    assert at[99].tolist() == [100, 50, 40, 80, 30, 10]


def test_gains_are_paired_with_the_best_rival_of_each_draw():
    singles = best_points(values(cells(failed=None)), CONFIDENCE)
    points = best_points(stitched(), CONFIDENCE)
    found = stitch_vs_cost.gains(points, singles, "sampling_cost", CONFIDENCE)
    row = found[found["size"] == "c8-c16 1-3"].iloc[0]  # 15, at cost 3.25
    curve = 80 - 50 * np.log2(3.25 / 2)
    assert row["gain"] == pytest.approx(np.log(min(40, curve) / 15))
    # all draws vary together, so their ratio does not
    assert row["gain_lo"] == pytest.approx(row["gain"]) == row["gain_hi"]


# ------------------------------------------------------------ the figure


@cache
def small_figure(**options):
    seeds = options.get("seeds", (0,))
    tables = [measured(sizes, seed) for sizes in ("c8-c16", "c16-c8") for seed in seeds]
    return stitch_vs_cost.draw(values(cells(**options)), stitched(*tables), floors(), CONFIDENCE)


@cache
def failed_figure():
    own = measured(failed={("3-1", 1.0), ("3-1", 2.0)})
    singles = values(cells(failed=None))
    return stitch_vs_cost.draw(singles, stitched(own), floors(), CONFIDENCE)


@cache
def paper_figure():
    """Eleven sizes, and seven sequences of them."""
    singles = paper()
    cost = singles.rows.drop_duplicates("size").set_index("size")["normalized_cost"]
    names = ["c96-c320", "c128-c320", "c160-c512", "c64-c192-c768", "c320-c96", "c320-c128"]
    rows = []
    for sizes in names:
        for steps in (8, 20):
            for guidance in (1.5, 3.0, 7.0):
                parts = sizes.split("-")
                steps_of = [2] * (len(parts) - 1)
                steps_of.append(steps - sum(steps_of))
                paid = sum(n * cost[size] for n, size in zip(steps_of, parts, strict=True))
                allocation = "-".join(map(str, steps_of))
                rows.append((sizes, allocation, steps, guidance, 25 - np.log(paid), paid))
    columns = ["sizes", "allocation", "steps", "guidance", "value", "sampling_cost"]
    table = pd.DataFrame(rows, columns=columns)
    table = table.assign(size=table["sizes"] + " " + table["allocation"], metric=METRIC, n=64)
    table = table.assign(stage="stitch", sampler="ddim", seed=0, seconds=0.1, status="ok")
    table = table.assign(trained=1.0, grid=True, at_boundary=False)
    table = table.assign(rising=~table["sizes"].str.startswith("c320"))
    draws = table["value"].to_numpy()[:, None] * (
        1 + 0.02 * np.random.default_rng(1).standard_normal((len(table), 201))
    )
    draws[:, 0] = table["value"]
    return stitch_vs_cost.draw(singles, Values(table, draws), floors(), CONFIDENCE)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_trajectories_and_single_sizes_stand_on_one_axis():
    left, right = small_figure(failed=None).axes
    assert line(left, "c8").get_xydata().tolist() == [[0.5, 100], [1, 50], [2, 40]]
    # at guidance 2, the end of the scales that were tried
    assert line(left, "c8 → c16, hollow").get_xydata().tolist() == [
        [1.25, 30],
        [3.25, 15],
        [1.75, 15],
    ]
    assert line(left, "frontier").get_xydata().tolist() == [[1.25, 30], [1.75, 15], [3.25, 15]]
    assert line(left, "control frontier").is_dashed()
    (bars,) = [bars for bars in left.collections if bars.get_label() == "c8 → c16, intervals"]
    ends = [bar[:, 1] for bar in bars.get_segments()]
    assert np.allclose(ends, [[27, 33], [13.5, 16.5], [13.5, 16.5]])  # a tenth to each side
    shown = line(right, "c8 → c16")
    assert shown.get_xdata().tolist() == [1.25, 3.25, 1.75] and (shown.get_ydata() > 0).all()
    control = line(right, "c16 → c8").get_xdata()
    assert np.allclose(sorted(control), np.array([1.25, 1.75, 3.25]) * 1.02)
    assert {"c8 → c16", "c16 → c8", "best stitched within the cost"} <= set(legend(small_figure()))


def test_single_sizes_are_those_of_the_stitched_training_seeds():
    # both seeds of single sizes: 0.5 worse on average, in a band
    singles = values(cells(seeds=(0, 1), failed=None))
    figure = stitch_vs_cost.draw(singles, stitched(), floors(), CONFIDENCE)
    assert line(figure.axes[0], "c8").get_ydata().tolist() == [100, 50, 40]
    assert not any("training seeds" in text for text in legend(figure))


def test_what_failed_is_a_cross():
    assert line(failed_figure().axes[0], "failed").get_xdata().tolist() == [1.75]
    assert "failed" in legend(failed_figure())
    assert "the same, not small to large" not in legend(failed_figure())


def test_different_n_are_never_on_one_axis():
    with pytest.raises(InputError, match="n = 32, 64: different n"):
        stitch_vs_cost.draw(values(cells()), stitched(measured(n=32)), floors(), CONFIDENCE)


FIGURES = [small_figure, lambda: small_figure(seeds=(0, 1)), failed_figure, paper_figure]


@pytest.mark.parametrize("make", FIGURES)
def test_nothing_lies_over_anything(make):
    no_overlap(make())


@pytest.mark.parametrize("draw", [small_figure, paper_figure])
def test_equal_figures_give_equal_bytes(draw, tmp_path):
    same_bytes(draw.__wrapped__, tmp_path)
