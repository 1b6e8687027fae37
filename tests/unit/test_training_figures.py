"""Figures of the training and of the guidance: the artists that must be there, and the files."""

import sys
from functools import cache

import numpy as np
import pandas as pd
import pytest
from drawn import band, call, line, no_overlap
from matplotlib.colors import to_rgb
from synthetic import values

from ldm_scaling.figures import guidance_interaction, style, train_compute
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.cli import InputError, run
from ldm_scaling.jobs.tables import FAMILY, FLOOR_COLUMNS, MEASURED, MODEL, PARTS, to_csv
from ldm_scaling.jobs.workdir import file_hash
from ldm_scaling.tables import fits
from ldm_scaling.tables.collect import cells_table
from ldm_scaling.tables.fits import ENVELOPE, FITS
from ldm_scaling.tables.values import with_intervals

METRIC, SCORE = "fd_effnet_lite0", "clip_score"
SIZES = {2: ["c8", "c16"], 4: ["c12", "c20", "c32", "c48"]}
SIZES[11] = [f"c{c}" for c in (64, 96, 128, 160, 192, 224, 256, 288, 320, 512, 768)]
TRAINED = [0.125, 0.25, 0.5, 1.0]
STEPS, SCALES = [2, 4, 8], [1, 2, 4]
BEST = {2: 4, 4: 2, 8: 1}  # at 2 steps at the grid's end; guidance 1 is the lowest there is
EXPONENT = 0.25


def family(sizes):
    rows = []
    for size in sizes:
        c = int(size[1:])
        rows.append((size, c, 8500 * c**2, c**2 / 64, (c / int(sizes[-1][1:])) ** 2, 0.0, 1.0, 1.0))
    return pd.DataFrame(rows, columns=[*FAMILY, *PARTS])


def checkpoints(sizes, metric=METRIC, failed=(), scale=1e5):
    """Rows along the training, on one power law; `failed` are (size, trained)."""
    rows = family(sizes).merge(pd.DataFrame({"trained": TRAINED}), how="cross")
    rows["compute"] = 3e12 * rows["gflops"] * rows["trained"]
    lost = [pair in failed for pair in zip(rows["size"], rows["trained"], strict=True)]
    rows["value"] = (scale * rows["compute"] ** -EXPONENT).mask(lost)
    rows["lo"], rows["hi"] = rows["value"] * 0.9, rows["value"] * 1.2
    rows["status"] = np.where(lost, "diverged", "ok")
    return rows.assign(metric=metric, n=64)


def laws(sizes, status="ok", metric=METRIC, coefficient=1e5):
    row = {"metric": metric, "floor": 0.0, "exponent": EXPONENT, "lo": 0.2, "hi": 0.3}
    row["coefficient"] = coefficient
    row |= {"points": 4, "n": 64, "r2": 1.0, "status": status}
    return pd.DataFrame([{"size": size} | row for size in [*sizes, ENVELOPE]])[FITS]


def floors(n=64):
    rows = [("real", METRIC, 4, 3.5, 4.5, n), ("reconstruction", METRIC, 6, 5.5, 6.5, n)]
    rows.append(("real", SCORE, 0.3, 0.29, 0.31, n))
    return pd.DataFrame(rows, columns=FLOOR_COLUMNS)


@cache
def compute_figure(count=2, alignment=True, failed=(("c16", 0.25),), seeds=1):
    sizes = SIZES[count]
    fits = pd.concat([laws(sizes), laws(sizes, metric=SCORE, coefficient=1)])
    panels = [checkpoints(sizes, failed=failed)]
    panels += [checkpoints(sizes, SCORE, failed, 1)] if alignment else []
    return train_compute.draw(panels, floors(), fits, seeds)


def cells(sizes, seeds=(0,), n=64, failed=(), scales=tuple(SCALES)):
    """Cells of the grid and kept checkpoints; `failed` are (size, steps, guidance)."""
    rows = []
    for size in sizes:
        for seed in seeds:
            cell = [(steps, scale, 1.0) for steps in STEPS for scale in scales]
            for steps, scale, trained in [*cell, (8, 2, 0.5), (8, 2.2, 1.0)]:
                value = 100 / steps * (1 + abs(scale - BEST[steps])) + seed
                ok = (size, steps, scale) not in failed
                numbers = [value, value * 0.9, value * 1.1] if ok else [np.nan] * 3
                row = ("pretrain", size, seed, "ddim", steps, scale, trained, METRIC, *numbers)
                rows.append((*row, n, 2 * steps, 1.0, "ok" if ok else "diverged"))
    measured = pd.DataFrame(rows, columns=[*MODEL, *MEASURED])
    return cells_table(measured, family(sizes), (STEPS, list(scales)))


FAILED = (("c8", 4, 1), *(("c16", 2, scale) for scale in SCALES))


@cache
def interaction_figure(count=2, sizes=None, scales=tuple(SCALES), **options):
    options = {"failed": FAILED} | options
    table = values(cells(SIZES[count], scales=scales, **options))
    shown = list(sizes or SIZES[count][:2])
    return guidance_interaction.draw(table, floors(), 0.95, shown)


def labels_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_each_size_is_a_connected_line_over_its_compute_with_intervals():
    left, right = compute_figure().axes
    for axes, scale in ((left, 1e5), (right, 1)):
        compute = 3e12 * 1 * np.array(TRAINED)
        drawn = line(axes, "c8")
        assert np.allclose(drawn.get_xydata(), np.transpose([compute, scale * compute**-EXPONENT]))
        assert drawn.get_linestyle() == "-"
        assert axes.get_xscale() == "log" and "images seen" in axes.get_xlabel()
    bars = next(bars for bars in left.containers if bars.get_label() == "c8")
    ends = np.array([segment[:, 1] for segment in bars[2][0].get_segments()])
    assert np.allclose(ends / line(left, "c8").get_ydata()[:, None], [0.9, 1.2])
    assert left.get_ylabel() == "Fréchet distance (EfficientNet-Lite0)\nn = 64 images a cell"
    assert right.get_ylabel() == "CLIP score\nn = 64 images a cell"


def test_power_laws_are_dashed_lines_and_their_exponents_stand_in_the_legend():
    figure = compute_figure()
    for axes, coefficient in zip(figure.axes, (1e5, 1), strict=True):
        for name, first in (("c8", 0.125), ("c16", 0.5), (ENVELOPE, 0.125)):
            law = line(axes, f"power law of {name}")
            assert law.get_linestyle() == "--"
            assert np.allclose(law.get_ydata(), coefficient * law.get_xdata() ** -EXPONENT)
            assert law.get_xdata()[0] == pytest.approx(3e12 * first)
    assert labels_of(compute_figure(alignment=False)) == [
        "c8 (0.54 M): 0.250 [0.200, 0.300]",
        "c16 (2.2 M): 0.250 [0.200, 0.300]",
        "best of any size within the compute",
        "power law of the best: 0.250 [0.200, 0.300]",
        "real against real",
        "reconstruction",
        "failed",
    ]
    both = "c8 (0.54 M): 0.250 [0.200, 0.300]; 0.250 [0.200, 0.300]"
    assert labels_of(figure)[0] == both


def test_a_panel_without_power_laws_shows_the_others_and_a_dash():
    fits = pd.concat([laws(SIZES[2], "values not above 0"), laws(SIZES[2], metric=SCORE)])
    panels = [checkpoints(SIZES[2]), checkpoints(SIZES[2], SCORE, scale=1)]
    figure = train_compute.draw(panels, floors(), fits)
    left, right = figure.axes
    assert not [item for item in left.get_lines() if "power law" in item.get_label()]
    assert line(right, "power law of c8")
    assert labels_of(figure)[0] == "c8 (0.54 M): \N{EN DASH}; 0.250 [0.200, 0.300]"


def test_the_envelope_is_drawn_in_both_panels_as_steps():
    level = {"c8": 1.0, "c16": 1.3}  # the larger one is worse, and better once c8 has ended
    panels = []
    for metric, sign in ((METRIC, 1), (SCORE, -1)):
        rows = checkpoints(SIZES[2], metric, failed=(("c8", 0.25),))
        better = rows["value"] * rows["size"].map(level)
        panels.append(rows.assign(value=better**sign))
    fits = pd.concat([laws(SIZES[2], "not fitted", metric) for metric in (METRIC, SCORE)])
    for axes, rows, sign in zip(
        train_compute.draw(panels, floors(), fits).axes, panels, (1, -1), strict=True
    ):
        drawn = line(axes, "envelope")
        assert drawn.get_drawstyle() == "steps-post"
        ok = rows[rows["status"] == "ok"].sort_values("compute")
        points, best = [], np.inf
        for compute, value in zip(ok["compute"], ok["value"], strict=True):
            if sign * value < best:
                points.append([compute, value])
                best = sign * value
        assert len(points) < len(ok)
        expected = [*points, [ok["compute"].max(), points[-1][1]]]
        assert np.allclose(drawn.get_xydata(), expected)
    assert "best of any size within the compute" in labels_of(compute_figure())


def test_checkpoints_of_several_seeds_have_bands():
    left, _ = compute_figure(seeds=3).axes
    corners = band(left, "c8 band")
    value = 1e5 * 3e12**-EXPONENT
    last = corners[np.isclose(corners[:, 0], 3e12), 1]
    assert np.allclose([last.min(), last.max()], [0.9 * value, 1.2 * value])
    assert not [bars for bars in left.containers if bars.get_label() == "c8"]
    assert "interval over images and 3 training seeds" in labels_of(compute_figure(seeds=3))


def test_what_has_no_power_law_has_points_all_the_same():
    sizes = SIZES[2]
    figure = train_compute.draw([checkpoints(sizes)], floors(), laws(sizes, "not fitted"))
    (axes,) = figure.axes
    assert len(line(axes, "c8").get_xdata()) == 4
    assert not [item for item in axes.get_lines() if "power law" in item.get_label()]
    legend = figure.legends[0]
    assert labels_of(figure)[:2] == ["c8 (0.54 M)", "c16 (2.2 M)"]
    assert legend.get_title().get_text() == ""


def test_a_failed_checkpoint_is_a_cross_at_its_compute():
    for axes in compute_figure().axes:
        failed = line(axes, "failed")
        assert (failed.get_marker(), failed.get_xydata().tolist()) == ("x", [[3e12, 1]])
    assert "failed" not in labels_of(compute_figure(failed=()))


def test_floors_are_drawn_in_both_panels():
    left, right = compute_figure().axes
    assert set(line(left, "real against real").get_ydata()) == {4}
    assert set(line(left, "reconstruction").get_ydata()) == {6}
    assert set(line(right, "real against real").get_ydata()) == {0.3}


def test_without_alignment_there_is_one_panel():
    assert len(compute_figure(alignment=False).axes) == 1


@pytest.mark.parametrize("alignment", [True, False])
def test_the_legend_lies_within_the_figure(alignment):
    figure = compute_figure(count=4, alignment=alignment, failed=(), seeds=3)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1


def test_other_n_and_unknown_metrics_are_refused():
    panels = [checkpoints(SIZES[2])]
    with pytest.raises(InputError, match="n = 32, 64: different n"):
        train_compute.draw(panels, floors(n=32), laws(SIZES[2]))
    with pytest.raises(InputError, match="metric fd_other is not in the table"):
        train_compute.draw([panels[0].assign(metric="fd_other")], floors(), laws(SIZES[2]))
    table = values(cells(SIZES[2]))
    with pytest.raises(InputError, match="n = 32, 64: different n"):
        guidance_interaction.draw(table, floors(n=32), 0.95, ["c8"])
    with pytest.raises(InputError, match="size c99 is not in the table of cells"):
        guidance_interaction.draw(table, floors(), 0.95, ["c8", "c99"])


def test_a_panel_a_size_has_a_line_a_scale_over_steps_without_other_settings():
    first, second, _ = interaction_figure().axes
    assert [axes.get_title() for axes in (first, second)] == ["c8 (0.54 M)", "c16 (2.2 M)"]
    assert line(first, "guidance 2").get_xydata().tolist() == [[2, 150], [4, 25], [8, 25]]
    assert line(second, "guidance 2").get_xydata().tolist() == [[4, 25], [8, 25]]
    assert first.get_shared_y_axes().joined(first, second)
    assert not [item for item in first.containers if item.get_label() == "guidance 2.2"]
    for axes in (first, second):
        assert set(line(axes, "real against real").get_ydata()) == {4}


def test_the_best_scale_is_marked_hollow_at_the_grids_end():
    first, second, _ = interaction_figure().axes
    assert line(first, "best, hollow").get_xydata().tolist() == [[2, 50]]
    assert line(first, "best").get_xydata().tolist() == [[4, 25], [8, 12.5]]
    assert line(second, "best").get_xydata().tolist() == [[4, 25], [8, 12.5]]
    assert "at an end of the grid (hatched)" in labels_of(interaction_figure())


def test_failed_cells_are_crosses():
    first, second, _ = interaction_figure().axes
    assert line(first, "failed").get_xdata().tolist() == [4]
    crosses = [item for item in second.get_lines() if item.get_label() == "failed"]
    assert [item.get_xdata().tolist() for item in crosses] == [[2]] * 3
    assert len({item.get_ydata()[0] for item in crosses}) == 3
    assert "failed" in labels_of(interaction_figure())
    assert "failed" not in labels_of(interaction_figure(failed=()))


def test_the_map_has_the_best_scale_of_every_size_and_step_count():
    right = interaction_figure().axes[-1]
    shown = {text.xy: text.get_text() for text in right.texts}
    assert shown == {(0, 0): "4", (1, 0): "2", (2, 0): "1", (1, 1): "2", (2, 1): "1"}
    assert [label.get_text() for label in right.get_xticklabels()] == ["2", "4", "8"]
    assert [label.get_text() for label in right.get_yticklabels()] == ["c8", "c16"]
    assert line(right, "c16 failed").get_xydata().tolist() == [[0, 1]]


def test_the_map_is_empty_where_a_size_does_not_take_the_steps():
    table = cells(SIZES[2])
    few = values(table[(table["size"] == "c16") | (table["steps"] < 8)].reset_index(drop=True))
    right = guidance_interaction.draw(few, floors(), 0.95, list(SIZES[2])).axes[-1]
    assert (2, 0) not in {text.xy for text in right.texts}
    assert not [mark for mark in right.get_lines() if "failed" in str(mark.get_label())]


def test_fields_are_hatched_at_the_grids_end_and_coloured_as_their_lines():
    first, _, right = interaction_figure().axes
    fields = {(round(f.get_x() + 0.48), round(f.get_y() + 0.48)): f for f in right.patches}
    assert {place for place, field in fields.items() if field.get_hatch()} == {(0, 0)}
    for place, scale in (((0, 0), 4), ((1, 0), 2), ((2, 1), 1)):
        color = np.array(to_rgb(line(first, f"guidance {scale}").get_color()))
        assert np.allclose(fields[place].get_facecolor()[:3], (1 + color) / 2)


def test_seeds_are_averaged():
    made = values(cells(SIZES[2], seeds=(0, 2)))
    figure = guidance_interaction.draw(made, floors(), 0.95, SIZES[2])
    assert line(figure.axes[0], "guidance 2").get_ydata().tolist() == [151, 26, 26]
    assert line(figure.axes[0], "best").get_ydata().tolist() == [26, 13.5]
    means = with_intervals(made.over_seeds(0.95), 0.95)
    own = means[(means["size"] == "c8") & (means["guidance"] == 2) & (means["steps"] == 8)].iloc[0]
    corners = band(figure.axes[0], "guidance 2 band")
    at_8 = corners[corners[:, 0] == 8, 1]
    assert np.allclose([at_8.min(), at_8.max()], [own["lo"], own["hi"]])
    assert not figure.axes[0].containers


def test_one_size_is_one_panel_and_the_map():
    first, right = interaction_figure(sizes=("c16",)).axes
    assert first.get_title() == "c16 (2.2 M)" and right.get_title() == "Best guidance scale"


@pytest.mark.parametrize("count", SIZES)
def test_nothing_is_cut_off_or_overlaps(count):
    no_overlap(compute_figure(count))
    no_overlap(compute_figure(count, seeds=3))
    no_overlap(interaction_figure(count))
    no_overlap(interaction_figure(count, seeds=(0, 1, 2)))
    no_overlap(interaction_figure(count, scales=(1, 1.5, 2, 3, 4, 5, 6, 8)))


@pytest.mark.parametrize("make", [compute_figure, interaction_figure])
def test_saving_twice_gives_identical_bytes(make, tmp_path):
    for name, figure in (("a", make.__wrapped__()), ("b", make.__wrapped__())):
        style.save(figure, tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
    for kind in ("pdf", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_the_commands_write_both_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = cells(SIZES[2])
    (tmp_path / "cells.csv").write_text(to_csv(table))
    draws = table["value"].to_numpy()[:, None] * np.linspace(0.9, 1.1, 11)
    write_arrays(tmp_path / "draws", {"draws": draws}, file_hash(tmp_path / "cells.csv"))
    (tmp_path / "floors.csv").write_text(to_csv(floors()))
    setting = "--cells cells.csv draws --steps 8 --guidance 2 --confidence 0.95"
    drawn = f"--floors floors.csv --pdf {{0}}.pdf --png {{0}}.png --metric{{1}} {METRIC}"
    interaction = "--cells cells.csv draws --confidence 0.95 --sizes c8 c16 "
    monkeypatch.setattr(
        sys, "argv", ["fits", *f"{setting} --images 9 --floors floors.csv --out fits.csv".split()]
    )
    run(fits.main)
    commands = {
        "train_compute": f"{setting} --images 9 --fits fits.csv " + drawn.format("a", "s"),
        "guidance_interaction": interaction + drawn.format("b", ""),
    }
    for name, words in commands.items():
        call(monkeypatch, name, *words.split())
    made = {path.name for path in tmp_path.iterdir() if path.suffix in (".pdf", ".png")}
    assert made == {f"{n}.{k}" for n in "ab" for k in ("pdf", "png")}


def test_draws_of_another_table_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells.csv").write_text(to_csv(cells(SIZES[2])))
    write_arrays(tmp_path / "draws", {"draws": np.ones((1, 1))}, "other")
    (tmp_path / "floors.csv").write_text(to_csv(floors()))
    words = "--cells cells.csv draws --steps 8 --guidance 2 --confidence 0.95 --images 9"
    words += f" --floors f --fits f --pdf a --png a --metrics {METRIC}"
    with pytest.raises(SystemExit) as stop:
        call(monkeypatch, "train_compute", *words.split())
    assert stop.value.code == 2
    assert "draws does not belong to cells.csv" in capsys.readouterr().err
