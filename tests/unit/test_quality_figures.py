"""Figures of quality against cost: the artists that must be there, crossovers, and the files."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from drawn import band, call, line, no_overlap, same_bytes, texts
from matplotlib.colors import to_rgb
from synthetic import BASE, METRIC, cells, floors, paper, values

from ldm_scaling.figures import (
    fid_vs_cost,
    fid_vs_guided_cost,
    fid_vs_seconds,
    samplers_vs_cost,
    style,
)
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.tables import to_csv, write_cells

BUDGETS = [0.5, 2, 4]
CONFIDENCE = 0.95


def labels_of(artists):
    return [artist.get_label() for artist in artists]


@cache
def cost_figure(**options):
    return fid_vs_cost.draw(values(cells(**options)), floors(), CONFIDENCE, BUDGETS)


@cache
def guided_figure(**options):
    return fid_vs_guided_cost.draw(values(cells(**options)), floors(), CONFIDENCE)


@cache
def seconds_figure(**options):
    return fid_vs_seconds.draw(values(cells(**options)), floors(), CONFIDENCE)


@cache
def samplers_figure(**options):
    samplers = {"ddim": 1, "ddpm": 2, "dpmpp": 0.5}
    tables = [
        cells(
            sampler=name,
            base={size: [factor * v for v in row] for size, row in BASE.items()},
            **options,
        )
        for name, factor in samplers.items()
    ]
    return samplers_vs_cost.draw([values(table) for table in tables], floors(), CONFIDENCE)


@cache
def alone_figure():
    return samplers_vs_cost.draw([values(cells())], floors(), CONFIDENCE)


@cache
def paper_cost():
    budgets = [1, 3, 6, 12, 25, 50, 100, 200]
    return fid_vs_cost.draw(paper(), floors(), CONFIDENCE, budgets)


@cache
def paper_guided():
    return fid_vs_guided_cost.draw(paper(), floors(), CONFIDENCE)


@cache
def paper_samplers():
    samplers = [paper(name) for name in ("ddim", "ddpm", "dpmpp")]
    return samplers_vs_cost.draw(samplers, floors(), CONFIDENCE)


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
    hollow, filled = line(right, "c8 marks, hollow"), line(right, "c8 marks")
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
    near = values(cells(base=BASE | {"c8": [100, 50, 32]}))
    near.draws[near.rows["size"] == "c8", 1:] *= np.repeat(
        [1.1 / 0.9, 0.9 / 1.1], 20
    )  # turned round
    right = fid_vs_cost.draw(near, floors(), CONFIDENCE, [0.1, 4]).axes[1]
    assert {"none", "c16 ~ c8"} <= set(texts(right))


def test_seeds_are_drawn_lightly_under_their_mean():
    right = cost_figure(seeds=(0, 2)).axes[1]
    assert line(right, "c8").get_ydata().tolist() == [101, 51, 41]
    seeds = line(right, "c8 seeds")
    assert sorted(seeds.get_ydata()) == [40, 42, 50, 52, 100, 102]
    assert seeds.get_alpha() < 1
    assert "c8 seeds" not in [item.get_label() for item in cost_figure().axes[1].get_lines()]


@pytest.mark.parametrize(
    ("make", "panels"), [(cost_figure, 1), (guided_figure, 2), (seconds_figure, 1)]
)
def test_several_seeds_have_bands_and_one_has_bars(make, panels):
    several, one = make(seeds=(0, 2)), make()
    with_bands = [axes for axes in several.axes if "c8 band" in labels_of(axes.collections)]
    assert len(with_bands) == panels
    for axes in with_bands:
        corners = band(axes, "c8 band")
        first = corners[corners[:, 0] == corners[:, 0].min(), 1]
        # of 100 and 102 the mean has a standard error of 1, and Student's quantile of one degree
        # of freedom is 12.7; images move it by a tenth
        assert 101 - 22.8 < first.min() < 101 - 12.7 and 101 + 12.7 < first.max() < 101 + 22.8
        assert "c8" not in [bars.get_label() for bars in axes.containers]
    wanted = {"interval over images and 2 training seeds", "one training seed"}
    assert wanted <= {text.get_text() for text in several.legends[0].get_texts()}
    assert not wanted & {text.get_text() for text in one.legends[0].get_texts()}
    assert [bars.get_label() for axes in one.axes for bars in axes.containers][:1] == ["c8"]
    assert not [axes for axes in one.axes if "c8 band" in labels_of(axes.collections)]


def test_samplers_of_several_seeds_have_bands():
    for axes, other in zip(samplers_figure(seeds=(0, 2)).axes, ("ddpm", "dpmpp"), strict=True):
        assert len(band(axes, "c8, ddim band")) == len(band(axes, f"c8, {other} band"))
    legend = [text.get_text() for text in samplers_figure(seeds=(0, 2)).legends[0].get_texts()]
    assert "interval over images and 2 training seeds" in legend


def test_rings_mark_the_grids_end_for_every_sampler():
    for axes, other in zip(samplers_figure().axes, ("ddpm", "dpmpp"), strict=True):
        for sampler in ("ddim", other):
            ring = line(axes, f"c8, {sampler}, at an end")
            assert ring.get_xdata().tolist() == [0.5]
            assert ring.get_markersize() > 2 * line(axes, f"c8, {sampler}").get_markersize()
    legend = [text.get_text() for text in samplers_figure().legends[0].get_texts()]
    assert "guidance chosen at an end of the grid" in legend


def test_sizes_without_a_shared_range_say_so():
    table = cells(failed=None)
    far_away = table["size"] == "c16"
    costs = ["sampling_cost", "guided_cost", "total_cost", "seconds"]
    table.loc[far_away, costs] = 100 * table.loc[far_away, costs].to_numpy()
    strip = fid_vs_cost.draw(values(table), floors(), CONFIDENCE, BUDGETS).axes[2]
    assert texts(strip) == ["no shared range"]
    assert "no shared range" not in texts(cost_figure(failed=None).axes[2])


def test_narrow_range_stays_linear():
    near = {"c8": [7, 6.5, 6.2], "c16": [7, 6.4, 6.1]}
    figure = fid_vs_cost.draw(values(cells(base=near)), floors(), CONFIDENCE, BUDGETS)
    assert figure.axes[1].get_yscale() == "linear"
    assert cost_figure().axes[1].get_yscale() == "log"


def test_floors_far_below_are_named_with_their_values_instead():
    near = {"c8": [100, 99, 98], "c16": [101, 97, 96]}
    right = fid_vs_cost.draw(values(cells(base=near)), floors(), CONFIDENCE, BUDGETS).axes[1]
    assert "real against real" not in [item.get_label() for item in right.get_lines()]
    note = next(text for text in texts(right) if "real against real" in text)
    assert note.split("\n") == [
        "\N{DOWNWARDS ARROW} real against real: 4 (3.5 to 4.5)",
        "\N{DOWNWARDS ARROW} reconstruction: 6 (5.5 to 6.5)",
    ]
    assert right.get_ylim()[0] > 50


@pytest.mark.parametrize("far", ["real", "reconstruction"])
def test_a_floor_is_a_line_if_only_the_other_is_far_below(far):
    near = {"c8": [100, 99, 98], "c16": [101, 97, 96]}
    table = floors()
    table.loc[table["kind"] != far, ["value", "lo", "hi"]] = [102, 101, 103]
    figure = fid_vs_cost.draw(values(cells(base=near)), table, CONFIDENCE, BUDGETS)
    right, names = figure.axes[1], {kind: style.FLOORS[kind][0] for kind in table["kind"]}
    far_name, near_name = names.pop(far), *names.values()
    assert set(line(right, near_name).get_ydata()) == {102}
    assert far_name not in [item.get_label() for item in right.get_lines()]
    shown = {text.partition(":")[0] for text in texts(right)}
    assert {f"\N{DOWNWARDS ARROW} {far_name}", near_name} <= shown
    assert right.get_ylim()[0] > 50
    no_overlap(figure)


def test_the_envelope_is_the_best_within_a_cost():
    envelope = line(cost_figure().axes[1], "envelope")
    assert envelope.get_drawstyle() == "steps-post"
    expected = [[0.5, 100], [1, 50], [2, 40], [4, 30], [8, 10], [8, 10]]
    assert envelope.get_xydata().tolist() == expected


def test_a_crossover_stands_below_the_panel_with_its_interval():
    base = {"c8": [100, 60, 40], "c16": [44, 30, 10]}
    figure = fid_vs_cost.draw(values(cells(base=base, failed=None)), floors(), 0.95, BUDGETS)
    _, right, strip = figure.axes
    assert right.get_shared_x_axes().joined(right, strip)
    assert [label.get_text() for label in strip.get_yticklabels()] == [
        "c8 \N{RIGHTWARDS ARROW} c16"
    ]
    # only cost 2 is covered by both, where c8 is ahead
    mark = line(strip, "c8 to c16: smaller ahead throughout")
    assert (mark.get_marker(), mark.get_xydata().tolist()) == (">", [[2, 0]])
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "smaller ahead at the end" in legend and "larger ahead throughout" not in legend


def test_eleven_sizes_have_ten_rows_and_bars_that_hold_their_crossovers():
    strip = paper_cost().axes[2]
    assert len(strip.get_yticks()) == 10
    mark = line(strip, "c512 to c768: crosses")
    (cost,), (row,) = mark.get_data()
    (bar,) = [
        item
        for item in strip.get_lines()
        if item.get_linewidth() > 2 and item.get_ydata()[0] == row == 9
    ]
    assert bar.get_xdata()[0] < cost < bar.get_xdata()[1]


def test_one_size_has_no_crossovers():
    alone = values(cells(base={"c8": BASE["c8"]}))
    figure = fid_vs_cost.draw(alone, floors(), CONFIDENCE, BUDGETS)
    assert len(figure.axes) == 2
    no_overlap(figure)


def test_budgets_are_lines_of_equal_cost():
    left = cost_figure().axes[0]
    lines = [item for item in left.get_lines() if item.get_label() == "_budget"]
    assert [item.get_ydata()[0] for item in lines] == BUDGETS


def test_guidance_and_the_whole_pipeline_count():
    guided, total = guided_figure().axes[:2]
    # c8 has its best at scales 4, 2, 2, which take two evaluations a step
    assert line(guided, "c8").get_xdata().tolist() == [1, 2, 4]
    # 2 GFLOPs are one forward pass of c16; texts 0.02, decoder 0.1, text encoder 0.06
    gflops = [2 * steps * 0.48 + 2 * (0.02 + 0.06) + 0.1 for steps in (2, 4, 8)]
    assert np.allclose(line(total, "c8").get_xdata(), np.array(gflops) / 2)
    assert "network evaluations" in guided_figure().axes[2].get_xlabel()
    assert "all arithmetic of an image" in guided_figure().axes[3].get_xlabel()
    assert guided.get_ylim() == total.get_ylim()


def test_seconds_are_those_of_the_chosen_cells():
    left, right = seconds_figure().axes[:2]
    assert np.allclose(line(left, "c8 (0.10 M)").get_xydata(), [[2, 0.02], [4, 0.04], [8, 0.08]])
    assert np.allclose(line(right, "c8").get_xdata(), [0.02, 0.04, 0.08])


def test_samplers_share_axes_and_the_first_is_dashed():
    first, second = samplers_figure().axes
    assert first.get_shared_x_axes().joined(first, second)
    assert first.get_shared_y_axes().joined(first, second)
    assert first.get_title() == "ddpm against ddim (dashed)"
    assert second.get_title() == "dpmpp against ddim (dashed)"
    for axes, other, factor in ((first, "ddpm", 2), (second, "dpmpp", 0.5)):
        dashed, solid = line(axes, "c8, ddim"), line(axes, f"c8, {other}")
        assert dashed.is_dashed() and not solid.is_dashed()
        assert dashed.get_ydata().tolist() == BASE["c8"]
        assert solid.get_ydata().tolist() == [factor * value for value in BASE["c8"]]
        assert [item.get_label() for item in axes.get_lines()].count("envelope") == 2


def test_one_sampler_alone_is_drawn_and_named():
    (axes,) = alone_figure().axes
    assert axes.get_title() == "ddim alone: the study has no other sampler"
    assert not line(axes, "c8, ddim").is_dashed()


def test_axes_name_metric_sampler_and_n():
    wanted = "Fréchet distance (EfficientNet-Lite0)\nddim, n = 64 images a cell"
    for figure, panel in ((cost_figure(), 1), (guided_figure(), 0), (seconds_figure(), 1)):
        assert figure.axes[panel].get_ylabel() == wanted
    wanted = "Fréchet distance (EfficientNet-Lite0)\nn = 64 images a cell"
    assert samplers_figure().axes[0].get_ylabel() == wanted


def test_different_n_and_unknown_metrics_are_refused():
    for draw in (fid_vs_guided_cost.draw, fid_vs_seconds.draw):
        with pytest.raises(InputError, match="n = 32, 64: different n"):
            draw(values(cells(n=32)), floors(), CONFIDENCE)
    both = [values(cells()), values(cells(n=32, sampler="ddpm"))]
    with pytest.raises(InputError, match="n = 32, 64: different n"):
        samplers_vs_cost.draw(both, floors(), CONFIDENCE)
    other = values(cells().assign(metric="kid_x"))
    with pytest.raises(InputError, match="kid_x is not in the table"):
        fid_vs_seconds.draw(other, floors(), CONFIDENCE)


def several_seeds(make):
    """The figure of three training seeds."""
    return lambda: make(seeds=(0, 1, 4))


FIGURES = [
    *map(several_seeds, (cost_figure, guided_figure, seconds_figure, samplers_figure)),
    cost_figure,
    guided_figure,
    seconds_figure,
    samplers_figure,
    alone_figure,
    paper_cost,
    paper_guided,
    paper_samplers,
]


@pytest.mark.parametrize("make", FIGURES)
def test_nothing_is_cut_off_or_overlaps(make):
    no_overlap(make())


@pytest.mark.parametrize("make", FIGURES[4:8])
def test_saving_twice_gives_identical_bytes(make, tmp_path):
    same_bytes(make.__wrapped__, tmp_path)


def test_commands_draw_what_the_tables_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for sampler in ("ddim", "ddpm"):
        table = values(cells(sampler=sampler))
        paths = Path(f"{sampler}.csv"), Path(f"{sampler}.safetensors")
        write_cells(table.rows, table.draws[:, 1:], *paths)
    Path("floors.csv").write_text(to_csv(floors()))
    one, two = (["--cells", f"{name}.csv", f"{name}.safetensors"] for name in ("ddim", "ddpm"))
    shared = ["--floors", "floors.csv", "--metric", METRIC, "--confidence", "0.95"]
    commands = {
        "fid_vs_cost": [*one, "--budgets", *map(str, BUDGETS)],
        "fid_vs_guided_cost": one,
        "fid_vs_seconds": one,
        "samplers_vs_cost": [*one, *two],
    }
    for name, options in commands.items():
        files = ["--pdf", f"out/{name}.pdf", "--png", f"out/{name}.png"]
        call(monkeypatch, name, *options, *shared, *files)
    assert len(list(Path("out").iterdir())) == 2 * len(commands)
    # The same cells drawn without files give the same bytes.
    style.save(cost_figure.__wrapped__(), Path("again.pdf"), Path("again.png"))
    for kind in ("pdf", "png"):
        assert Path(f"again.{kind}").read_bytes() == Path(f"out/fid_vs_cost.{kind}").read_bytes()
