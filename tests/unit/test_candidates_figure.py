"""The figure of candidates against cost: envelopes, lines over their number, gains."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from drawn import no_overlap, same_bytes

from ldm_scaling.figures import candidates_vs_cost, style
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.tables.values import Values

COUNTS = (1, 2, 4)
LEVELS = {"judge": 0.2, "clip_like": 0.3, "fd_effnet_lite0": 40}


def values(metric, n=64):
    """Two sizes at two step counts; each doubling adds to scores what LEVELS and size say."""
    rows = []
    for stage, size, cost in (("pretrain", "c8", 1), ("pretrain", "c16", 4), ("distill", "c8", 1)):
        for steps in (2, 4):
            for method, counts in (("best_of", COUNTS), ("zero_order", COUNTS[1:])):
                for count in counts:
                    doublings, scores = np.log2(count), metric != "fd_effnet_lite0"
                    gain = 0.05 if metric == "clip_like" else 0.02
                    value = LEVELS[metric] + (gain * doublings if scores else doublings)
                    value += (0.01 if scores else -5) * (cost + steps)
                    rows.append(
                        {"stage": stage, "size": size, "params": cost, "seed": 0, "sampler": "x"}
                        | {"steps": steps, "guidance": 3.0, "trained": 1.0, "metric": metric}
                        | {"method": method, "candidates": count, "spread": 0.05, "n": n}
                        | {"total_cost": count * (cost * steps + 2), "status": "ok", "seconds": 1}
                        | {"guided_cost": count * cost * steps, "value": value}
                    )
    table = pd.DataFrame(rows)
    noise = np.random.default_rng(0).normal(size=(len(table), 50))
    draws = table["value"].to_numpy()[:, None] * (1 + 0.01 * noise)
    return Values(table, np.hstack([table["value"].to_numpy()[:, None], draws]))


def draw(**changed):
    names = {"judged": "judge", "quality": "fd_effnet_lite0", "looked": "clip_like"}
    parts = {name: values(metric) for name, metric in names.items()} | changed
    return candidates_vs_cost.draw(**parts, confidence=0.95)


figure = cache(draw)


def test_envelopes_are_the_best_within_a_cost():
    above, beside, below, _ = figure().axes
    for axes, axis, sign in (
        (above, "total_cost", 1),
        (beside, "guided_cost", 1),
        (below, "total_cost", -1),
    ):
        rows = values("judge" if sign > 0 else "fd_effnet_lite0").rows
        steps = [line for line in axes.get_lines() if line.get_drawstyle() == "steps-post"]
        for line, own in zip(steps, (rows[rows["candidates"] == 1], rows), strict=True):
            for cost, value in line.get_xydata():
                within = own[own[axis] <= cost * (1 + 1e-9)]
                assert value == pytest.approx(sign * (sign * within["value"]).max())


def test_gains_are_in_standard_deviations_of_candidates():
    *_, gains = figure().axes
    (diagonal,) = [line for line in gains.get_lines() if line.get_linestyle() == "--"]
    assert np.allclose(diagonal.get_xydata(), [[0, 0], [2, 2]])
    points = np.concatenate([bars[0].get_xydata() for bars in gains.containers])
    assert len(points) == 3 * 2 * (2 + 2)  # models, steps, counts of both methods
    for seen, judged in points:
        assert judged == pytest.approx(seen * 0.02 / 0.05)
    assert np.allclose(sorted(set(points[:, 0].round(6))), [1, 2])


def test_the_legend_names_sizes_methods_and_lines():
    (legend,) = figure().legends
    shown = [text.get_text() for text in legend.get_texts()]
    for part in ("c8", "c16", "Best of N", "Zero-order", "with candidates", "students"):
        assert any(text.startswith(part) for text in shown), part
    assert not any(text.startswith("Resampling") for text in shown)


def test_different_n_are_never_on_one_axis():
    with pytest.raises(InputError, match="n = 32, 64: different n"):
        draw(looked=values("clip_like", n=32))


def test_nothing_lies_over_anything_and_equal_figures_are_equal_bytes(tmp_path):
    no_overlap(figure())
    with style.theme():
        same_bytes(draw, tmp_path)
