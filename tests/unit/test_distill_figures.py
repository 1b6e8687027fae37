"""Figures of distillation: the artists that must be there, of one training seed and of several."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from drawn import band, call, line, no_overlap, same_bytes, texts
from matplotlib.colors import to_rgb
from synthetic import METRIC, cells, floors, paper, values

from ldm_scaling.figures import distill_gain, distill_vs_cost, guided_distill_gain
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.tables import to_csv, write_cells
from ldm_scaling.tables.curves import CROSSES, LARGER_AHEAD, SMALLER_OVERTAKES, best_points
from ldm_scaling.tables.values import Values

CONFIDENCE = 0.95
STUDENTS = {"c8": [60, 45, 42], "c16": [70, 5, 6]}
STAGES = {"guided_distill8": 1.2, "guided_distill4": 0.9}


def undistilled(**options):
    return values(cells(**({"failed": None} | options)))


def student(base=STUDENTS, stage="distill", **options):
    sampler = "lcm" if stage == "distill" else "ddim"
    return undistilled(base=base, stage=stage, sampler=sampler, **options)


def of_paper(stage, sampler, factor):
    """Students of the paper's eleven sizes at up to 10 steps, each at one forward pass."""
    own = paper()
    own = own.where(own.rows["steps"] <= 10)
    rows = own.rows.assign(stage=stage, sampler=sampler, guided_cost=own.rows["sampling_cost"])
    return Values(rows, own.draws * factor)


@cache
def gain_figure(**options):
    return distill_gain.draw([undistilled(**options), student(**options)], floors(), CONFIDENCE)


@cache
def cost_figure(**options):
    return distill_vs_cost.draw([undistilled(**options), student(**options)], floors(), CONFIDENCE)


@cache
def guided_figure(**options):
    bases = [{"c8": [70 * f, 50 * f, 45 * f]} for f in STAGES.values()]
    students = [student(base, stage, **options) for base, stage in zip(bases, STAGES, strict=True)]
    return guided_distill_gain.draw([undistilled(**options), *students], floors(), CONFIDENCE)


@cache
def paper_gain():
    return distill_gain.draw([paper(), of_paper("distill", "lcm", 0.8)], floors(), CONFIDENCE)


@cache
def paper_cost():
    return distill_vs_cost.draw([paper(), of_paper("distill", "lcm", 0.8)], floors(), CONFIDENCE)


@cache
def paper_guided():
    students = [of_paper(stage, "ddim", factor) for stage, factor in STAGES.items()]
    return guided_distill_gain.draw([paper(), *students], floors(), CONFIDENCE)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


# ------------------------------------------------------------ distill_gain


def test_students_at_four_steps_stand_beside_every_step_count():
    left = gain_figure().axes[0]
    assert np.allclose(line(left, "distilled").get_xydata(), [[0.105, 45], [4.1, 5]])
    assert np.allclose(line(left, "4 steps").get_xydata(), [[0.105, 50], [4.1, 30]])
    assert line(left, "2 steps, hollow").get_ydata().tolist() == [100, 80]
    assert left.get_ylabel() == "Fréchet distance (EfficientNet-Lite0)\nn = 64 images a cell"
    assert {"real against real", "reconstruction"} <= set(texts(left))
    wanted = {"distilled, 4 steps (lcm)", "undistilled, 2 steps", "undistilled, 8 steps"}
    assert wanted | {"guidance chosen at an end of the grid"} <= set(legend(gain_figure()))


def test_the_acceleration_has_its_interval_or_an_arrow():
    right = gain_figure().axes[1]
    known, beyond = line(right, "c8: ok"), line(right, "c16: beyond the grid")
    assert np.allclose(known.get_xydata(), [[0.105, 2**0.5]]) and known.get_marker() == "*"
    assert np.allclose(beyond.get_xydata(), [[4.1, 2]]) and beyond.get_marker() == "^"
    span = line(right, "c16 interval").get_ydata()
    assert span[0] == 2 and span[1] == right.get_ylim()[1]  # no upper end
    assert "at least: better than undistilled at every step count" in legend(gain_figure())
    below = [undistilled(), student({"c8": [300, 200, 150], "c16": [70, 25, 20]})]
    figure = distill_gain.draw(below, floors(), CONFIDENCE)
    assert line(figure.axes[1], "c8: below the grid").get_marker() == "v"
    assert "at most: worse than undistilled at the fewest steps" in legend(figure)
    no_overlap(figure)


def test_sizes_are_named_above_their_parameters():
    for axes in gain_figure().axes[:2]:
        (above,) = axes.child_axes
        assert [text.get_text() for text in above.get_xticklabels()] == ["c8", "c16"]
        assert np.allclose(above.get_xticks(), [0.105, 4.1])
        assert axes.get_xlabel() == "Parameters (millions)"


def test_what_failed_is_a_cross_in_both_panels():
    students = student(failed=("c16", 4))
    figure = distill_gain.draw([undistilled(), students], floors(), CONFIDENCE)
    for axes in figure.axes[:2]:
        assert line(axes, "failed").get_xdata().tolist() == [4.1]
    assert "failed" in legend(figure) and "failed" not in legend(gain_figure())
    no_overlap(figure)


# ------------------------------------------------------------ distill_vs_cost


def test_both_families_stand_on_both_costs():
    figure = cost_figure()
    by_steps, by_evaluations = figure.axes[:2]
    for axes, factor in ((by_steps, 1), (by_evaluations, 2)):
        dashed, solid = line(axes, "c8, ddim"), line(axes, "c8, lcm")
        assert dashed.is_dashed() and not solid.is_dashed()
        assert np.allclose(
            dashed.get_xydata(), [[0.5 * factor, 100], [factor, 50], [2 * factor, 40]]
        )
        assert np.allclose(solid.get_xydata(), [[0.5, 60], [1, 45], [2, 42]])
        assert to_rgb(dashed.get_markerfacecolor()) == (1, 1, 1)
        assert to_rgb(solid.get_markerfacecolor()) == to_rgb(solid.get_color())
        assert [item.get_label() for item in axes.get_lines()].count("envelope") == 2
        assert {"real against real", "reconstruction"} <= set(texts(axes))
    assert by_steps.get_ylim() == by_evaluations.get_ylim()
    assert {"distilled (lcm)", "undistilled (ddim)"} <= set(legend(figure))
    assert "normalized cost \N{MULTIPLICATION SIGN} steps" in figure.axes[2].get_xlabel()
    assert "network evaluations" in figure.axes[3].get_xlabel()


def test_the_strip_says_where_an_undistilled_size_meets_the_largest_distilled_one():
    # the large student at costs 2, 4 and 8; the small undistilled size up to 2 or, guided, 4
    figure = cost_figure()
    left, right = figure.axes[2:]
    assert [label.get_text() for label in left.get_yticklabels()] == ["c8"]
    assert line(left, "c8 to c16: smaller ahead throughout").get_xdata().tolist() == [2]
    mark = line(right, "c8 to c16: crosses")
    # 50 at cost 2 and 40 at 4 against 70 and 5: 20 behind, then 35 ahead
    assert mark.get_marker() == "|" and np.isclose(mark.get_xdata()[0], 2 * 2 ** (20 / 55))
    wanted = {"distilled c16 overtakes", "undistilled size ahead at the end"}
    assert wanted <= set(legend(figure))


@pytest.mark.parametrize(
    ("large", "status", "cost"),
    [
        ([70, 5, 6], CROSSES, 2 * 2 ** (20 / 55)),
        ([45, 43, 42], SMALLER_OVERTAKES, 2 * 2 ** (5 / 8)),
        ([40, 30, 20], LARGER_AHEAD, np.nan),
    ],
)
def test_meetings_are_in_either_direction(large, status, cost):
    teachers, students = undistilled(), student(STUDENTS | {"c16": large})
    points = [best_points(own, CONFIDENCE) for own in (teachers, students)]
    (row,) = distill_vs_cost.meetings(*points, "guided_cost", CONFIDENCE).itertuples()
    assert (row.small, row.large, row.status) == ("c8", "c16", status)
    assert np.isclose(row.cost, cost, equal_nan=True)
    if np.isfinite(cost):  # resamples move both curves alike
        assert np.allclose([row.lo, row.hi], cost)


def test_a_diamond_marks_where_the_undistilled_size_overtakes():
    students = student(STUDENTS | {"c16": [45, 43, 42]})
    figure = distill_vs_cost.draw([undistilled(), students], floors(), CONFIDENCE)
    assert line(figure.axes[3], f"c8 to c16: {SMALLER_OVERTAKES}").get_marker() == "D"
    assert "undistilled size overtakes" in legend(figure)
    no_overlap(figure)


def test_one_size_has_nothing_to_meet():
    alone = [undistilled(base={"c8": [100, 50, 40]}), student({"c8": [60, 45, 42]})]
    figure = distill_vs_cost.draw(alone, floors(), CONFIDENCE)
    assert len(figure.axes) == 2
    no_overlap(figure)


# ------------------------------------------------------------ guided_distill_gain


def test_a_panel_a_size_of_the_students_and_a_line_a_student():
    (axes,) = guided_figure().axes
    assert axes.get_title() == "c8 (0.10 M)"
    assert line(axes, "undistilled (ddim)").get_xydata().tolist() == [[2, 100], [4, 50], [8, 40]]
    assert line(axes, "undistilled (ddim)").is_dashed()
    for steps, factor in ((8, 1.2), (4, 0.9)):
        drawn = line(axes, f"student of {steps} steps").get_xydata()
        assert np.allclose(drawn, [[2, 70 * factor], [4, 50 * factor], [8, 45 * factor]])
    assert line(axes, "student of 4 steps, hollow").get_xdata().tolist() == [2]
    assert "real against real: 4 (3.5 to 4.5)" in texts(axes)[0]  # far below
    assert [text.get_text() for text in axes.get_xticklabels()] == ["2", "4", "8"]
    wanted = ["undistilled (ddim)", "student of 8 steps", "student of 4 steps"]
    assert legend(guided_figure())[:3] == wanted


def test_failed_students_have_crosses_of_their_own():
    figure = guided_figure(failed=("c8", 4))
    crosses = [item for item in figure.axes[0].get_lines() if item.get_label() == "failed"]
    assert [cross.get_xdata().tolist() for cross in crosses] == [[4]] * 3
    assert len({cross.get_ydata()[0] for cross in crosses}) == 3
    assert "failed" in legend(figure)


def test_eleven_sizes_have_eleven_panels_within_the_steps_of_students():
    figure = paper_guided()
    assert len(figure.axes) == 11
    assert max(line(figure.axes[0], "undistilled (ddim)").get_xdata()) == 20  # twice 10


# ------------------------------------------------------------ all


ONE = [gain_figure, cost_figure, guided_figure]


@pytest.mark.parametrize(
    ("make", "name"),
    [*zip(ONE, ["distilled", "c8, lcm", "student of 4 steps"], strict=True)],
)
def test_several_seeds_have_bands_and_one_has_bars(make, name):
    one, several = make().axes[0], make(seeds=(0, 2)).axes[0]
    assert len(band(several, f"{name} band")) and line(several, name)
    assert name not in [bars.get_label() for bars in several.containers]
    assert name in [bars.get_label() for bars in one.containers]
    label = "interval over images and 2 training seeds"
    assert label in legend(make(seeds=(0, 2))) and label not in legend(make())


def test_different_n_are_refused():
    for module in (distill_gain, distill_vs_cost, guided_distill_gain):
        stage = "guided_distill4" if module is guided_distill_gain else "distill"
        with pytest.raises(InputError, match="n = 32, 64: different n"):
            module.draw([undistilled(), student(stage=stage, n=32)], floors(), CONFIDENCE)


def three_seeds(make):
    return lambda: make(seeds=(0, 1, 4))


FIGURES = [*ONE, *map(three_seeds, ONE), paper_gain, paper_cost, paper_guided]


@pytest.mark.parametrize("make", FIGURES)
def test_nothing_is_cut_off_or_overlaps(make):
    no_overlap(make())


@pytest.mark.parametrize("make", ONE)
def test_saving_twice_gives_identical_bytes(make, tmp_path):
    same_bytes(make.__wrapped__, tmp_path)


def test_commands_draw_what_the_tables_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tables = {"a": undistilled(), "b": student(), "c": student(stage="guided_distill4")}
    for name, own in tables.items():
        write_cells(own.rows, own.draws[:, 1:], Path(f"{name}.csv"), Path(name))
    Path("floors.csv").write_text(to_csv(floors()))
    others = {"distill_gain": "b", "distill_vs_cost": "b", "guided_distill_gain": "c"}
    for name, other in others.items():
        words = ["--cells", "a.csv", "a", "--cells", f"{other}.csv", other]
        words += ["--floors", "floors.csv", "--metric", METRIC, "--confidence", "0.95"]
        files = ["--pdf", f"out/{name}.pdf", "--png", f"out/{name}.png"]
        call(monkeypatch, name, *words, *files)
    assert len(list(Path("out").iterdir())) == 6
