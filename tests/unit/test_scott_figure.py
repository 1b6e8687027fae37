"""The figure of stochastic distillation: the artists that must be there."""

from functools import cache

import numpy as np
import pandas as pd
from drawn import band, line, no_overlap, same_bytes, texts
from synthetic import cells, floors, values

from ldm_scaling.figures import scott_vs_cost

COVERAGE = "coverage_effnet_lite0"
STAGES = {"distill": 1.0, "distill_noise": 0.9, "distill_all": 0.8}


def stage(name, factor, **options):
    """Cells whose distance is a factor of the common one; coverage grows with guidance."""
    own = {"stage": name, "sampler": "lcm", "failed": None} | options
    table = cells(**own)
    distance = table.assign(**{key: table[key] * factor for key in ("value", "lo", "hi")})
    share = table["guidance"].map({1: 0.2, 2: 0.4, 4: 0.6}) / factor
    share = share.where(table["value"].notna())
    covered = table.assign(metric=COVERAGE, value=share, lo=share - 0.05, hi=share + 0.05)
    return values(distance), values(covered)


@cache
def figure(**options):
    stages = [stage(name, factor, **options) for name, factor in STAGES.items()]
    real = floors()
    both = real.assign(metric=COVERAGE, value=[0.9, 0.85], lo=[0.89, 0.84], hi=[0.91, 0.86])
    return scott_vs_cost.draw(stages, pd.concat([real, both], ignore_index=True), 0.95)


def test_coverage_stands_at_the_guidance_that_the_distance_chooses():
    left, right = figure().axes
    assert np.allclose(line(left, "c8, plain").get_xydata(), [[0.5, 100], [1, 50], [2, 40]])
    assert np.allclose(line(left, "c8, all").get_ydata(), [80, 40, 32])
    # the distance is lowest at guidance 4 with two steps, and at 2 with more
    assert np.allclose(line(right, "c8, plain").get_xydata(), [[0.5, 0.6], [1, 0.4], [2, 0.4]])
    assert np.allclose(line(right, "c16, noise").get_ydata(), [2 / 3, 4 / 9, 4 / 9])


def test_arms_are_line_styles_and_sizes_are_colours():
    left = figure().axes[0]
    names = [f"{size}, {arm}" for size in ("c8", "c16") for arm in ("plain", "noise", "all")]
    looks = {name: line(left, name) for name in names}
    assert len({own.get_color() for own in looks.values()}) == 2
    assert not looks["c8, all"].is_dashed() and looks["c8, plain"].is_dashed()
    for arm in ("plain", "noise", "all"):
        small, large = (looks[f"{size}, {arm}"] for size in ("c8", "c16"))
        assert small._dash_pattern == large._dash_pattern
    legend = [text.get_text() for text in figure().legends[0].get_texts()]
    assert {"plain", "noise", "all"} < set(legend)
    for axes in figure().axes:
        assert {"real against real", "reconstruction"} <= set(texts(axes))
    no_overlap(figure())


def test_several_seeds_have_bands_and_failures_crosses():
    several = figure(seeds=(0, 1), failed=("c16", 8))
    assert len(band(several.axes[0], "c8, all band"))
    for axes in several.axes:
        crosses = [own for own in axes.get_lines() if own.get_label() == "failed"]
        assert [own.get_xdata().tolist() for own in crosses] == [[8.0]] * 3
    no_overlap(several)


def test_equal_figures_are_equal_files(tmp_path):
    same_bytes(lambda: figure.__wrapped__(), tmp_path)
