"""Figures: the artists that must be there, and the files."""

import subprocess
import sys
from functools import cache

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from overlaps import no_overlap
from PIL import Image

from ldm_scaling.cli import InputError
from ldm_scaling.figures import fid_vs_cost, guidance_sweep, latency_vs_cost, model_family, style
from ldm_scaling.tables import published
from ldm_scaling.tables.collect import FAMILY, MEASURED, MODEL, best_table, cells_table, to_csv

METRIC = "fd_effnet_lite0"
GUIDANCE = [1, 2, 4]
FACTORS = {2: [3, 2, 1], 4: [2, 1, 3], 8: [2, 1, 3]}  # at 2 steps the best is at the grid's end
BASE = {"c8": [100, 50, 40], "c16": [80, 30, 10]}  # lowest values at 2, 4, 8 steps
BUDGETS = [0.5, 2, 4]


def cells(seeds=(0,), n=64, failed=("c16", 2)):
    family = pd.DataFrame(
        [("c8", 8, 105_000, 0.5, 0.25), ("c16", 16, 4_100_000, 2.0, 1.0)], columns=FAMILY
    )
    rows = []
    for size, lowest in BASE.items():
        for seed in seeds:
            for (steps, factors), base in zip(FACTORS.items(), lowest, strict=True):
                for guidance, factor in zip(GUIDANCE, factors, strict=True):
                    value = base * factor + seed
                    numbers = [value, value * 0.9, value * 1.1]
                    ok = (size, steps) != failed
                    if not ok:
                        numbers = [np.nan] * 3
                    cell = ("pretrain", size, seed, "ddim", steps, guidance, METRIC, *numbers)
                    rows.append((*cell, n, 2 * steps, 1.0, "ok" if ok else "diverged"))
    return cells_table(pd.DataFrame(rows, columns=[*MODEL, *MEASURED]), family)


def floors(n=64):
    rows = [("real", METRIC, 4, 3.5, 4.5, n), ("reconstruction", METRIC, 6, 5.5, 6.5, n)]
    return pd.DataFrame(rows, columns=style.FLOOR_COLUMNS)


@cache
def cost_figure(**options):
    return fid_vs_cost.draw(best_table(cells(**options), METRIC), floors(), BUDGETS, METRIC)


@cache
def sweep_figure(**options):
    table = cells(**options)
    return guidance_sweep.draw(table, best_table(table, METRIC), floors(), METRIC)


def family(**printed):
    """A family table; `printed` is what the paper prints of a size."""
    rows = [("c64", 64, 39e6, 57.0, 0.072), ("c96", 96, 83e6, 100.0, 0.127)]
    rows.append(("c320", 320, 866e6, 789.3, 1.0))
    table = pd.DataFrame(rows, columns=FAMILY)
    printed = {
        size: dict(zip(published.COLUMNS, row, strict=True)) for size, row in printed.items()
    }
    beside = [printed.get(size, {}) for size in table["size"]]
    return table.join(pd.DataFrame(beside, columns=published.COLUMNS))


@cache
def family_figure():
    slip = (39e6, 25.3, 0.07, "25.3 is a slip: 57 would fit")
    return model_family.draw(family(c64=slip, c96=(83e6, 102.7, 0.13, None)))


@cache
def latency_figure():
    rows = [
        # size, batch, seconds an image, least and most seconds of a forward, status
        ("c64", 1, 2.0, 1.5, 2.5, "ok"),
        ("c64", 8, 0.5, 3.2, 4.8, "ok"),
        ("c320", 1, 4.0, 3.0, 5.0, "ok"),
        ("c320", 8, np.nan, np.nan, np.nan, "out of memory"),
    ]
    table = pd.DataFrame(rows, columns=latency_vs_cost.LATENCY[:-2])
    return latency_vs_cost.draw(table.assign(dtype="float32", device="cpu"), family())


def line(axes, label):
    lines = [line for line in axes.get_lines() if line.get_label() == label]
    lines += [bars[0] for bars in axes.containers if bars.get_label() == label]
    assert len(lines) == 1, label
    return lines[0]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_left_panel_shows_cost_against_steps():
    left = cost_figure().axes[0]
    assert (left.get_xscale(), left.get_yscale()) == ("log", "log")
    assert line(left, "c8 (0.10 M)").get_xydata().tolist() == [[2, 0.5], [4, 1], [8, 2]]
    # A diverged model still has a cost.
    assert line(left, "c16 (4.1 M)").get_xydata().tolist() == [[2, 2], [4, 4], [8, 8]]
    legend = [text.get_text() for text in left.get_legend().get_texts()]
    assert legend == ["c8 (0.10 M)", "c16 (4.1 M)"]


def test_right_panel_shows_best_guidance_with_intervals():
    right = cost_figure().axes[1]
    assert line(right, "c8").get_xydata().tolist() == [[0.5, 100], [1, 50], [2, 40]]
    assert line(right, "c16").get_xydata().tolist() == [[4, 30], [8, 10]]
    bars = next(bars for bars in right.containers if bars.get_label() == "c16")
    ends = [segment[:, 1].tolist() for segment in bars[2][0].get_segments()]
    assert np.allclose(ends, [[27, 33], [9, 11]])
    assert (right.get_xscale(), right.get_yscale()) == ("log", "log")


def test_boundary_is_hollow_failure_a_cross_and_the_legend_says_so():
    figure = cost_figure()
    right = figure.axes[1]
    hollow, filled = line(right, "c8 hollow"), line(right, "c8 filled")
    assert hollow.get_xdata().tolist() == [0.5] and filled.get_xdata().tolist() == [1, 2]
    assert to_rgb(hollow.get_markerfacecolor()) == (1, 1, 1)
    assert to_rgb(filled.get_markerfacecolor()) == to_rgb(filled.get_color())
    failed = line(right, "failed")
    assert (failed.get_marker(), failed.get_xydata().tolist()) == ("x", [[2, 1]])
    assert failed.get_transform() == right.get_xaxis_transform()
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "guidance chosen at an end of the grid" in legend and "failed" in legend


def test_legend_names_only_what_is_drawn():
    legend = cost_figure(failed=None).legends[0].get_texts()
    assert "failed" not in [text.get_text() for text in legend]


def test_floors_are_labelled_lines():
    right = cost_figure().axes[1]
    assert set(line(right, "real against real").get_ydata()) == {4}
    assert set(line(right, "reconstruction").get_ydata()) == {6}
    assert {"real against real", "reconstruction"} <= set(texts(right))


def test_winners_stand_at_their_budgets_in_their_colours():
    right = cost_figure().axes[1]
    colors = style.size_colors(["c8", "c16"])
    for budget, size in zip(BUDGETS, ["c8", "c8", "c16"], strict=True):
        star = line(right, f"winner at {budget:g}")
        assert (star.get_xdata()[0], star.get_color()) == (budget, colors[size])
    shown = [(text.xy[0], text.get_text()) for text in right.texts if text.get_rotation() == 90]
    assert shown == [(0.5, "c8"), (2, "c8"), (4, "c16")]


def test_ties_and_empty_budgets_are_named():
    best = best_table(cells(), METRIC)
    best.loc[(best["size"] == "c8") & (best["steps"] == 8), ["value", "lo"]] = [32, 29]
    right = fid_vs_cost.draw(best, floors(), [0.1, 4], METRIC).axes[1]
    assert {"none", "c16 ~ c8"} <= set(texts(right))


def test_seeds_are_drawn_lightly_under_their_mean():
    right = cost_figure(seeds=(0, 2)).axes[1]
    assert line(right, "c8").get_ydata().tolist() == [101, 51, 41]
    seeds = line(right, "c8 seeds")
    assert sorted(seeds.get_ydata()) == [40, 42, 50, 52, 100, 102]
    assert seeds.get_alpha() < 1
    assert "c8 seeds" not in [item.get_label() for item in cost_figure().axes[1].get_lines()]


def test_narrow_range_stays_linear():
    best = best_table(cells(failed=None), METRIC)
    best[["value", "lo", "hi"]] = [5.0, 4.5, 5.5]
    assert fid_vs_cost.draw(best, floors(), BUDGETS, METRIC).axes[1].get_yscale() == "linear"


def test_axis_names_the_metric_and_n_and_never_says_fid():
    for figure, panel in ((cost_figure(), 1), (sweep_figure(), 0)):
        label = figure.axes[panel].get_ylabel()
        assert label == "Fréchet distance (EfficientNet-Lite0)\nn = 64 images a cell"


def test_different_n_are_refused():
    table = cells(n=32)
    best = best_table(table, METRIC)
    with pytest.raises(InputError, match="n = 32, 64: different n"):
        fid_vs_cost.draw(best, floors(), BUDGETS, METRIC)
    with pytest.raises(InputError, match="n = 32, 64: different n"):
        guidance_sweep.draw(table, best, floors(), METRIC)


def test_sweep_has_a_panel_a_size_and_a_line_a_step_count():
    figure = sweep_figure()
    first, second = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["c8 (0.10 M)", "c16 (4.1 M)"]
    assert first.get_shared_y_axes().joined(first, second)
    assert line(first, "4 steps").get_xydata().tolist() == [[1, 100], [2, 50], [4, 150]]
    assert line(second, "2 steps").get_xydata().tolist() == []
    for axes in figure.axes:
        assert set(line(axes, "real against real").get_ydata()) == {4}
        assert set(line(axes, "reconstruction").get_ydata()) == {6}


def test_sweep_marks_best_and_failed():
    figure = sweep_figure()
    first, second = figure.axes
    assert line(first, "best, hollow").get_xydata().tolist() == [[4, 100]]
    stars = [item for item in first.get_lines() if item.get_label() == "best"]
    assert [star.get_xydata().tolist() for star in stars] == [[[2, 50]], [[2, 40]]]
    assert line(second, "failed").get_xdata().tolist() == GUIDANCE
    legend = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"2 steps", "4 steps", "8 steps", "failed", "real against real"} <= legend


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        ("fid", "FID"),
        ("kid_inception_v3", "KID (Inception-v3)"),
        ("clip_score", "CLIP score"),
        ("clip_like", "CLIP-like score (fitted to the training split)"),
        ("fd_effnet_lite0", "Fréchet distance (EfficientNet-Lite0)"),
        ("kid_effnet_lite0", "KID (EfficientNet-Lite0)"),
        ("fd_other", "Fréchet distance (other)"),
        ("lpips", "lpips"),
    ],
)
def test_metric_labels(metric, label):
    assert style.metric_label(metric) == label


@pytest.mark.parametrize(
    ("params", "label"),
    [
        (411_000, "c8 (0.41 M)"),
        (3_440_000, "c8 (3.4 M)"),
        (866_000_000, "c8 (866 M)"),
        (999_900_000, "c8 (1.0 B)"),
        (5_100_000_000, "c8 (5.1 B)"),
    ],
)
def test_size_labels(params, label):
    assert style.size_label("c8", params) == label


def test_larger_sizes_are_darker_and_marked_differently():
    sizes = style.by_channels(["c32", "c8", "c128", "c16", "c8"])
    assert sizes == ["c8", "c16", "c32", "c128"]
    lightness = [
        np.dot(to_rgb(c), [0.2126, 0.7152, 0.0722]) for c in style.size_colors(sizes).values()
    ]
    assert (np.diff(lightness) < -0.05).all()
    assert len(set(style.markers(sizes).values())) == 4


def test_family_figure_shows_each_size_and_the_cost_of_the_reference_as_1():
    left, right = family_figure().axes
    assert line(left, "c96").get_xydata().tolist() == [[96, 83]]
    assert line(right, "c96").get_xydata().tolist() == [[96, 100]]
    (beside,) = right.child_axes
    assert beside.get_ylabel() == "Normalized cost (c320 = 1)"
    ends = np.array(beside.get_ylim()) * 789.3
    assert np.allclose(ends, right.get_ylim())


def test_printed_numbers_stand_beside_and_a_slip_is_named():
    left, right = family_figure().axes
    assert line(left, "published").get_xydata().tolist() == [[64, 39], [96, 83]]
    assert line(right, "published").get_xydata().tolist() == [[64, 25.3], [96, 102.7]]
    assert texts(right) == ["25.3 is a slip:\n57 would fit"]
    assert texts(left) == []


def test_another_family_shows_no_printed_numbers():
    figure = model_family.draw(family())
    labels = [item.get_label() for axes in figure.axes for item in axes.get_lines()]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "published" not in labels
    assert legend == ["c64 (39 M)", "c96 (83 M)", "c320 (866 M)"]


def test_latency_figure_shows_seconds_and_rates_of_what_was_measured():
    left, right = latency_figure().axes
    assert line(left, "batch 1").get_xydata().tolist() == [[57, 2], [789.3, 4]]
    assert line(left, "batch 8").get_xydata().tolist() == [[57, 0.5]]
    assert np.allclose(line(right, "batch 1").get_ydata(), [57 / 2, 789.3 / 4])
    # proportional to FLOPs, through the largest size at its fastest batch
    assert np.allclose(line(left, "as FLOPs").get_xydata(), [[57, 4 * 57 / 789.3], [789.3, 4]])
    spans = [lines.get_segments() for lines in left.collections]
    assert np.allclose(spans[1], [[[57, 3.2 / 8], [57, 4.8 / 8]]])
    assert latency_figure().get_suptitle() == "cpu, float32"


FIGURES = [cost_figure, sweep_figure, family_figure, latency_figure]


@pytest.mark.parametrize("make", FIGURES)
def test_nothing_is_cut_off_or_overlaps(make):
    no_overlap(make())


@pytest.mark.parametrize("make", FIGURES)
def test_saving_twice_gives_identical_bytes(make, tmp_path):
    once = make.__wrapped__()
    for name, figure in (("a", once), ("b", once), ("c", make.__wrapped__())):
        style.save(figure, tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
    for kind in ("pdf", "png"):
        assert len({(tmp_path / f"{name}.{kind}").read_bytes() for name in "abc"}) == 1
    assert b"CreationDate" not in (tmp_path / "a.pdf").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.width == 1400 and round(image.info["dpi"][0]) == 200


def test_commands_write_both_files(tmp_path, monkeypatch):
    table = cells()
    (tmp_path / "cells.csv").write_text(to_csv(table))
    (tmp_path / "best.csv").write_text(to_csv(best_table(table, METRIC)))
    (tmp_path / "floors.csv").write_text(to_csv(floors()))
    shared = ["--best", "best.csv", "--floors", "floors.csv", "--metric", METRIC]
    shared += ["--sampler", "ddim"]
    command = ["--budgets", "0.5", "2", "4", "--pdf", "out/cost.pdf", "--png", "out/cost.png"]
    command = [sys.executable, "-m", "ldm_scaling.figures.fid_vs_cost", *shared, *command]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    monkeypatch.chdir(tmp_path)
    command = ["--cells", "cells.csv", "--pdf", "out/sweep.pdf", "--png", "out/sweep.png"]
    monkeypatch.setattr(sys, "argv", ["guidance_sweep", *shared, *command])
    guidance_sweep.main()
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == ["cost.pdf", "cost.png", "sweep.pdf", "sweep.png"]
    # The same tables drawn in another process give the same bytes.
    style.save(cost_figure.__wrapped__(), tmp_path / "again.pdf", tmp_path / "again.png")
    for kind in ("pdf", "png"):
        again = (tmp_path / f"again.{kind}").read_bytes()
        assert again == (tmp_path / f"out/cost.{kind}").read_bytes()
