"""Figures: the artists that must be there, and the files."""

from functools import cache

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from commands import run_here
from drawn import band, line, no_overlap, same_bytes, texts
from matplotlib.colors import to_rgb
from synthetic import GUIDANCE, METRIC, STEPS, cells, floors, values

from ldm_scaling.costs import published
from ldm_scaling.figures import guidance_sweep, latency_vs_cost, model_family, style
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.tables import FAMILY, to_csv, write_cells

CONFIDENCE = 0.95


@cache
def sweep_figure(**options):
    return guidance_sweep.draw(values(cells(**options)), floors(), CONFIDENCE)


@cache
def seeds_figure():
    return sweep_figure.__wrapped__(seeds=(0, 1, 5))


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


def test_axis_names_the_metric_and_n_and_never_says_fid():
    label = sweep_figure().axes[0].get_ylabel()
    assert label == "Fréchet distance (EfficientNet-Lite0)\nddim, n = 64 images a cell"


def test_different_n_are_refused():
    with pytest.raises(InputError, match="n = 32, 64: different n"):
        guidance_sweep.draw(values(cells(n=32)), floors(), CONFIDENCE)


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


def test_sweep_draws_cells_of_the_grid_only():
    table = cells()
    more = table[(table["steps"] == 8) & (table["guidance"] == 2)]
    table = pd.concat([table, more.assign(trained=0.5, grid=False, value=999.0)])
    axes = guidance_sweep.draw(values(table), floors(), CONFIDENCE).axes[0]
    assert line(axes, "8 steps").get_xydata().tolist() == [[1, 80], [2, 40], [4, 120]]


def test_sweep_of_several_seeds_has_bands_and_one_star_at_the_means_best():
    # a mean of 2 is added to each value
    (first, second), legend = seeds_figure().axes, seeds_figure().legends[0]
    assert line(first, "4 steps").get_xydata().tolist() == [[1, 102], [2, 52], [4, 152]]
    stars = [item for item in first.get_lines() if item.get_label().startswith("best")]
    assert [star.get_xydata().tolist() for star in stars] == [[[4, 102]], [[2, 52]], [[2, 42]]]
    for count, shift in zip(STEPS[1:], (100, 80), strict=True):
        xy = band(first, f"{count} steps band")
        lows, highs = xy[xy[:, 0] == 1, 1].min(), xy[xy[:, 0] == 1, 1].max()
        # images alone move it by a tenth, and three seeds add some more
        assert 0.8 * shift < lows < 0.9 * (shift + 2) < 1.1 * (shift + 2) < highs < 1.3 * shift
    assert [bars for axes in (first, second) for bars in axes.containers] == []
    label = "interval over images and 3 training seeds"
    assert label in [text.get_text() for text in legend.get_texts()]


def test_floors_far_below_are_named_and_do_not_press_curves_together():
    far = floors().assign(value=0.02, lo=0.01, hi=0.03)
    figure = guidance_sweep.draw(values(cells()), far, CONFIDENCE)
    assert figure.axes[0].get_ylim()[0] > 1
    assert not [item for item in figure.axes[0].get_lines() if "real" in item.get_label()]
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "\N{DOWNWARDS ARROW} real against real: 0.02 (0.01 to 0.03)" in named


def test_one_seed_has_bars_and_no_bands():
    first, _ = sweep_figure().axes
    assert {bars.get_label() for bars in first.containers} == {f"{count} steps" for count in STEPS}
    assert not [item for item in first.collections if "band" in item.get_label()]
    assert "seeds" not in str([text.get_text() for text in sweep_figure().legends[0].get_texts()])


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        ("fid", "FID"),
        ("fid_infinity", "FID, n → ∞"),
        ("fd_infinity_effnet_lite0", "Fréchet distance, n → ∞ (EfficientNet-Lite0)"),
        ("kid_inception_v3", "KID (Inception-v3)"),
        ("clip_score", "CLIP score"),
        ("clip_like", "CLIP-like score (fitted to the training split)"),
        ("fd_effnet_lite0", "Fréchet distance (EfficientNet-Lite0)"),
        ("kid_effnet_lite0", "KID (EfficientNet-Lite0)"),
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
    sizes = style.in_order(["c32", "c8", "c128", "c16", "c8"])
    assert sizes == ["c8", "c16", "c32", "c128"]
    lightness = [
        np.dot(to_rgb(c), [0.2126, 0.7152, 0.0722]) for c in style.size_colors(sizes).values()
    ]
    assert (np.diff(lightness) < -0.05).all()
    assert len(set(style.markers(sizes).values())) == 4


def test_adopted_models_stay_in_the_order_of_tables():
    assert style.in_order(["sd1", "bk-base", "sd1", "a"]) == ["sd1", "bk-base", "a"]


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


def test_latency_of_adopted_models_is_drawn_in_the_order_of_the_family():
    rows = [("wide", 1, 1.0, 1, 1, "ok", "bfloat16"), ("sd1", 1, 3.0, 3, 3, "ok", "float16")]
    table = pd.DataFrame(rows, columns=latency_vs_cost.LATENCY[:-1]).assign(device="gpu")
    shapes = [("sd1", None, 860e6, 803.0, 1.0), ("wide", None, 900e6, 200.0, 0.25)]
    figure = latency_vs_cost.draw(table, pd.DataFrame(shapes, columns=FAMILY))
    left, _ = figure.axes
    assert line(left, "batch 1").get_xydata().tolist() == [[200, 1], [803, 3]]
    assert np.allclose(line(left, "as FLOPs").get_ydata(), [3 * 200 / 803, 3])
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:2] == ["sd1 (860 M)", "wide (900 M)"]
    assert figure.get_suptitle() == "gpu, float16, bfloat16"
    no_overlap(figure)


FIGURES = [sweep_figure, seeds_figure, family_figure, latency_figure]


@pytest.mark.parametrize("make", FIGURES)
def test_nothing_is_cut_off_or_overlaps(make):
    no_overlap(make())


@pytest.mark.parametrize("make", FIGURES)
def test_saving_twice_gives_identical_bytes(make, tmp_path):
    same_bytes(make.__wrapped__, tmp_path)


def test_command_writes_both_files(tmp_path):
    table = values(cells())
    write_cells(table.rows, table.draws[:, 1:], tmp_path / "cells.csv", tmp_path / "draws")
    (tmp_path / "floors.csv").write_text(to_csv(floors()))
    command = ["--cells", "cells.csv", "draws", "--floors", "floors.csv", "--metric", METRIC]
    command += ["--confidence", "0.95", "--pdf", "out/a.pdf", "--png", "out/a.png"]
    done = run_here("figures.__main__", "guidance_sweep", *command, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.pdf", "a.png"]


def test_a_users_matplotlibrc_changes_no_figure(tmp_path):
    def written(name):
        figure = model_family.draw(family())
        style.save(figure, tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
        return [(tmp_path / f"{name}.{kind}").read_bytes() for kind in ("pdf", "png")]

    plain = written("plain")
    own = {"axes.grid": True, "font.size": 20, "lines.dashed_pattern": [1, 1], "text.usetex": True}
    with mpl.rc_context(own):
        assert written("own") == plain
        assert mpl.rcParams["font.size"] == 20  # and figures change no setting of the user's
