"""Replayed searches against counts by hand and the adaptive search itself; their figure."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn import line, no_overlap, same_bytes

from ldm_scaling.cells.adaptive import metric_of
from ldm_scaling.cells.comparison import prepare
from ldm_scaling.cells.search import search
from ldm_scaling.figures.search_cost import draw
from ldm_scaling.jobs.arrays import map_array, read_header, write_arrays
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.tables import MEASURED, read_table
from ldm_scaling.tables import search_cost
from ldm_scaling.tables.searches import SEARCH_COST, summary
from ldm_scaling.workflow.specs.tables import SearchCostSpec

METRIC, N, STEPS, SCALES = "fd_effnet_lite0", 64, [2, 4], [1.0, 2.0, 4.0, 8.0, 16.0]
BEST = {2: 2.0, 4: 16.0}
RANDOM = np.random.default_rng(0)
REFERENCE = RANDOM.normal(size=(200, 4))
SPEC = SearchCostSpec(
    grids={"pretrain": (STEPS, SCALES)},
    n=N,
    look=0.17,
    select_by="fd",
    metric=METRIC,
    components=4,
    confidence=0.9,
)
FD = metric_of(prepare(REFERENCE, 4), "fd")


@pytest.fixture
def files(tmp_path):
    """Features, metrics and draws of a model whose cells move away from the reference."""
    noise = RANDOM.normal(size=(N, 4))
    features, draws, rows = {}, {}, []
    for steps in STEPS:
        for scale in SCALES:
            name = f"steps{steps}_guidance{scale:g}"
            features[name] = (noise + abs(np.log2(scale / BEST[steps]))).astype("f2")
            value = FD(features[name].astype(float))
            ok = (steps, scale) != (2, 8.0)
            if ok:
                draws[f"{name}/{METRIC}"] = value + 0.1 * RANDOM.standard_normal(50)
            else:
                features[name] = features[name][:20]
            numbers = (value, value - 0.2, value + 0.3) if ok else (np.nan,) * 3
            cell = (steps, scale, 1.0, METRIC, *numbers, N, steps, 0.1)
            rows.append((*cell, "ok" if ok else "diverged"))
    rows.append((4, 3.0, 1.0, METRIC, 0.0, 0, 0, N, 4, 0.1, "ok"))  # the fixed setting
    write_arrays(tmp_path / "features", features, "a")
    write_arrays(tmp_path / "draws", draws, "a")
    write_arrays(tmp_path / "reference", {"features": REFERENCE.astype("f8")}, "a")
    pd.DataFrame(rows, columns=MEASURED).to_csv(tmp_path / "metrics", index=False)
    return [str(tmp_path / name) for name in ("features", "metrics", "draws")]


def run(files, folder, monkeypatch, capsys, **changed):
    spec = SPEC.model_copy(update=changed).model_dump_json()
    words = ["--spec", spec, "--cells", "pretrain", "c8", "0", "ddim", *files]
    words += ["--reference", str(folder / "reference"), "--out", str(folder / "out.csv")]
    monkeypatch.setattr(sys, "argv", ["search_cost", *words])
    search_cost.main()
    return read_table(folder / "out.csv", SEARCH_COST), capsys.readouterr().out


def test_a_size_is_replayed_at_the_steps_that_it_takes(files, tmp_path, monkeypatch, capsys):
    metrics = pd.read_csv(files[1])
    metrics[metrics["steps"] == 2].to_csv(files[1], index=False)
    for name in ("c8", "ddim"):
        table, _ = run(files, tmp_path, monkeypatch, capsys, most_steps={name: 3})
        assert table["steps"].tolist() == [2]
    with pytest.raises(InputError, match="4 steps lack a guidance"):
        run(files, tmp_path, monkeypatch, capsys, most_steps={"c16": 3})


def test_a_replay_is_the_search_with_what_it_would_have_sampled(
    files, tmp_path, monkeypatch, capsys
):
    table, printed = run(files, tmp_path, monkeypatch, capsys)
    assert table["steps"].tolist() == STEPS
    assert table["grid_guidance"].tolist() == table["guidance"].tolist() == [2.0, 16.0]
    assert (table["regret"] == 0).all() and table["success"].all()
    assert (table["images"] <= N + 4 * 0.17 * N).all()
    assert (table["grid_images"] == 5 * N).all()
    assert "2 searches sample" in printed and "in 2 (100.0%)" in printed


def test_a_missed_scale_is_a_regret_with_an_interval(files, tmp_path, monkeypatch, capsys):
    def misses(scales, evaluate, n, look):
        return search([scale for scale in scales if scale not in (2.0, 16.0)], evaluate, n, look)

    monkeypatch.setattr(search_cost, "search", misses)
    table, printed = run(files, tmp_path, monkeypatch, capsys)
    assert not table["success"].any() and (table["regret_lo"] > 0).all()
    np.testing.assert_allclose(table["regret"], table["value"] - table["grid_value"], rtol=1e-3)
    assert (table["regret_lo"] < table["regret"]).all()
    assert (table["regret"] < table["regret_hi"]).all()
    assert (table["regret_hi"] - table["regret_lo"]).max() < 4 * 1.645 * 0.1 * 2**0.5
    assert "not met" in printed


def test_a_search_succeeds_by_the_interval_of_the_difference(files, tmp_path, monkeypatch, capsys):
    """Replicates of the chosen scale and of the best that move together tell the two apart."""

    def misses(scales, evaluate, n, look):
        return search([scale for scale in scales if scale != 16.0], evaluate, n, look)

    monkeypatch.setattr(search_cost, "search", misses)
    draws = Path(files[2])
    names = [name for name in read_header(draws) if name != "__metadata__"]
    for common, apart in ((30.0, 0.01), (0.0, 30.0)):
        moved = RANDOM.standard_normal(50)
        found = {}
        for name in names:
            own = common * moved + apart * RANDOM.standard_normal(50)
            found[name] = map_array(draws, name).mean() + own
        write_arrays(draws, found, "a")
        table, _ = run(files, tmp_path, monkeypatch, capsys)
        row = table[table["steps"] == 4].iloc[0]
        assert (row["guidance"], row["grid_guidance"]) == (8.0, 16.0)
        assert row["success"] == (common == 0)


def test_a_grid_that_lacks_a_scale_is_one_line(files, tmp_path, monkeypatch, capsys):
    with pytest.raises(InputError, match="2 steps lack a guidance of the grid"):
        run(files, tmp_path, monkeypatch, capsys, grids={"pretrain": (STEPS, [*SCALES, 32.0])})


# ------------------------------------------------------------ the figure


def searches(failed=False):
    random, rows = np.random.default_rng(1), []
    for stage, sampler in (("pretrain", "ddim"), ("pretrain", "dpmpp"), ("distill", "lcm")):
        for size in ("c8", "c16"):
            for steps in (2, 4, 8):
                regret = float(max(0, random.normal(scale=0.5)))
                row = dict.fromkeys(SEARCH_COST, 1.0) | {"stage": stage, "size": size}
                row |= {"sampler": sampler, "seed": 0, "steps": steps, "n": N, "metric": METRIC}
                row |= {"images": 90, "grid_images": 5 * N, "regret": regret}
                rows.append(row | {"regret_lo": regret - 1, "success": regret <= 1, "status": "ok"})
    if failed:
        rows[0] |= {"status": "failed", "regret": np.nan, "value": np.nan}
    return pd.DataFrame(rows)


@pytest.mark.parametrize("failed", [False, True])
def test_every_search_is_a_point_and_a_step(failed):
    table = searches(failed)
    figure = draw(table)
    left, right = figure.axes
    points = [len(mark.get_xdata()) for mark in left.get_lines()]
    assert sum(points) == 18 - failed
    shown = np.concatenate([mark.get_ydata() for mark in left.get_lines()])
    assert sorted(shown) == sorted(table["regret"].dropna())
    steps = line(right, "searches").get_xydata()
    assert (steps[-1] == [1, table["regret"].max()]).all()
    assert summary(table).split(";")[0] in figure.get_suptitle()
    no_overlap(figure)


def test_equal_figures_give_equal_bytes(tmp_path):
    same_bytes(lambda: draw(searches()), tmp_path)


def test_nothing_found_is_one_line():
    with pytest.raises(InputError, match="no search that found anything"):
        draw(searches().assign(status="failed"))
