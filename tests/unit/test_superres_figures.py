"""Figures and the table of super-resolution: what must be there, and what lies where."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from drawn import line, no_overlap, same_bytes, texts
from synthetic import METRIC, cells, values

from ldm_scaling.figures import sr_compute, sr_samples, sr_vs_cost
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.tables import FLOOR_COLUMNS
from ldm_scaling.tables.superres import SUPERRES, superres_table
from ldm_scaling.tables.values import Values

CONFIDENCE = 0.95
METRICS = [METRIC, "psnr", "ssim", "lpips_like_squeezenet"]
SCALES = {METRIC: 1, "psnr": 0.5, "ssim": 0.01, "lpips_like_squeezenet": 0.1}


def baselines(n=64, metrics=METRICS):
    rows = []
    for metric in metrics:
        for kind, value in (("bicubic", 90), ("reconstruction", 20)):
            value *= SCALES[metric]
            rows.append((kind, metric, value, value * 0.9, value * 1.1, n))
    return pd.DataFrame(rows, columns=FLOOR_COLUMNS)


def checkpoints(stage="superres", sizes=("c8", "c16"), n=64):
    """A table a metric: values fall with training, and with size."""
    tables = []
    for metric in METRICS:
        rows = []
        for number, size in enumerate(sizes):
            for trained in (0.25, 0.5, 1.0):
                value = SCALES[metric] * (60 - 10 * number - 20 * trained)
                own = (stage, size, 10**6 * 4**number, trained, 1e12 * 4**number * trained)
                rows.append((*own, metric, value, value * 0.95, value * 1.05, n, "ok", 4))
        columns = ["stage", "size", "params", "trained", "compute", "metric"]
        columns += ["value", "lo", "hi", "n", "status", "steps"]
        tables.append(pd.DataFrame(rows, columns=columns))
    return tables


@cache
def compute_figure(seeds=1, scratch=True):
    others = checkpoints("superres_scratch", ("c8",)) if scratch else []
    return sr_compute.draw([checkpoints(), others], baselines(), seeds)


def finetuned(steps=(8, 16, 32), **options):
    """Cells without guidance at other step counts than the synthetic ones."""
    own = values(cells(**({"failed": None, "stage": "superres"} | options)))
    own = own.where(own.rows["guidance"] == 1)
    times = dict(zip((2, 4, 8), steps, strict=True))
    counts = own.rows["steps"].map(times).astype("Int64")
    cost = own.rows["normalized_cost"] * counts.astype(float)
    return Values(own.rows.assign(steps=counts, sampling_cost=cost, guided_cost=cost), own.draws)


@cache
def cost_figure(**options):
    return sr_vs_cost.draw(finetuned(**options), baselines(), CONFIDENCE)


def image(value, side=8):
    return np.full((3, side, side), value, dtype=np.uint8)


@cache
def samples_figure():
    around = {
        "low res.": [image(1, 2), image(2, 2)],
        "bicubic": [image(3), image(4)],
        "original": [image(9), image(10)],
    }
    sizes = {"c8": [image(5), image(6)], "c16": [image(7), "diverged"]}
    family = pd.DataFrame({"size": ["c8", "c16"], "params": [105_000, 4_100_000]})
    return sr_samples.draw(around, sizes, ["a cat", "a $5 hat"], family, "ddim, 4 steps")


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


# ------------------------------------------------------------ against compute


def test_every_metric_has_a_panel_with_all_checkpoints():
    panels = compute_figure().axes
    assert [axes.get_ylabel() for axes in panels] == [
        "Fréchet distance\n(EfficientNet-Lite0)",
        "PSNR\n(dB)",
        "SSIM",
        "LPIPS-like distance\n(SqueezeNet, unweighted)",
    ]
    for axes, own in zip(panels, checkpoints(), strict=True):
        rows = own[own["size"] == "c16"]
        np.testing.assert_allclose(line(axes, "c16").get_xydata(), rows[["compute", "value"]])


def test_sizes_from_scratch_are_dashed_in_the_colour_of_their_size():
    axes = compute_figure().axes[0]
    lines = [bars[0] for bars in axes.containers if bars.get_label() == "c8"]
    assert len(lines) == 2
    assert lines[0].get_color() == lines[1].get_color()
    assert lines[0].get_linestyle() == "-" != lines[1].get_linestyle()
    assert "without pretraining" in legend(compute_figure())
    assert "without pretraining" not in legend(compute_figure(scratch=False))


def test_baselines_are_lines_in_every_panel():
    for axes in compute_figure().axes:
        assert line(axes, "bicubic").get_ydata()[0] > 0
    assert {"bicubic", "reconstruction"} <= set(legend(compute_figure()))


def test_different_n_are_never_on_one_axis():
    with pytest.raises(InputError, match="n = 32, 64: different n"):
        sr_compute.draw([checkpoints(), []], baselines(n=32), 1)
    with pytest.raises(InputError, match="n = 32, 64: different n"):
        sr_vs_cost.draw(finetuned(), baselines(n=32), CONFIDENCE)
    with pytest.raises(InputError, match="psnr"):
        sr_compute.draw([checkpoints(), []], baselines(metrics=[METRIC]))


# ------------------------------------------------------------ against cost


def test_few_steps_are_on_the_left_and_many_on_the_right():
    left, right = cost_figure().axes[:2]
    assert [axes.get_title() for axes in (left, right)] == ["up to 20 steps", "beyond 20 steps"]
    own = finetuned().rows.query("size == 'c16'").sort_values("steps")
    costs = own["sampling_cost"].tolist()
    assert line(left, "c16").get_xdata().tolist() == costs[:2]
    assert line(right, "c16").get_xdata().tolist() == costs[2:]


def test_a_side_without_steps_says_so():
    assert "not sampled" in texts(cost_figure(steps=(4, 8, 16)).axes[1])
    assert "not sampled" in texts(cost_figure(steps=(25, 50, 100)).axes[0])


# ------------------------------------------------------------ samples


def test_images_stand_between_low_resolution_and_the_original():
    (axes,) = samples_figure().axes
    shown = [int(tile.get_array()[0, 0, 0]) for tile in axes.get_images()]
    assert shown == [1, 3, 5, 7, 9, 2, 4, 6, 10]
    wanted = {"low res.", "bicubic", "original", "a $5 hat", "diverged"}
    assert wanted <= set(texts(axes))


# ------------------------------------------------------------ all of them

FIGURES = [
    compute_figure,
    lambda: compute_figure(seeds=3),
    cost_figure,
    lambda: cost_figure(seeds=(0, 1)),
]


@pytest.mark.parametrize("make", FIGURES)
def test_nothing_lies_over_anything(make):
    no_overlap(make())


@pytest.mark.parametrize("draw", [compute_figure, cost_figure])
def test_equal_figures_give_equal_bytes(draw, tmp_path):
    same_bytes(draw.__wrapped__, tmp_path)


# ------------------------------------------------------------ the table


def test_the_table_has_the_baselines_above_every_model():
    table = superres_table(baselines(), [*checkpoints(), *checkpoints("superres_scratch", ("c8",))])
    assert list(table.columns) == SUPERRES
    own = table[table["metric"] == "psnr"]
    assert own["model"].tolist() == [
        *("bicubic", "reconstruction", "superres", "superres", "superres_scratch")
    ]
    assert own["size"].tolist()[2:] == ["c8", "c16", "c8"]
    assert own["value"].tolist() == [45, 10, 20, 15, 20]
    assert own["size"].isna().tolist() == [True, True, False, False, False]
