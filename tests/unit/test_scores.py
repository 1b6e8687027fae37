"""Scores that choose: the mirror image of a distance, and planted scores whose best is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from commands import run_here
from synthetic import METRIC, cells, floors, paper, values

from ldm_scaling.cells.adaptive import find_guidance, looks_array, metric_of
from ldm_scaling.cells.search import search
from ldm_scaling.figures import fid_vs_cost, guidance_sweep
from ldm_scaling.figures.quality_curves import Quality
from ldm_scaling.figures.stitch_vs_cost import gains
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.choice import chosen_rows
from ldm_scaling.jobs.tables import MEASURED, read_table
from ldm_scaling.kinds.cells import cell_name
from ldm_scaling.kinds.metrics import LABELS, METRICS, SELECTING, sign
from ldm_scaling.tables import search_cost
from ldm_scaling.tables.acceleration import acceleration, steps_to_reach
from ldm_scaling.tables.arguments import read_floors
from ldm_scaling.tables.budgets import winners
from ldm_scaling.tables.collect import best_table, with_optimism
from ldm_scaling.tables.curves import AXES, Curve, best_points, crossovers, curve_of, envelope
from ldm_scaling.tables.metric_agreement import compared
from ldm_scaling.tables.searches import SEARCH_COST
from ldm_scaling.tables.values import Values
from ldm_scaling.workflow.specs.cells import CellSpec
from ldm_scaling.workflow.specs.tables import SearchCostSpec

SCORE = "clip_score"
CONFIDENCE = 0.95


def mirrored(own: Values) -> Values:
    """The same world, told by a score: what was low is high."""
    rows = own.rows
    turned = {"metric": SCORE, "value": -rows["value"], "lo": -rows["hi"], "hi": -rows["lo"]}
    return Values(rows.assign(**turned), -own.draws)


@pytest.fixture(params=["two sizes", "the paper's"])
def worlds(request):
    """Cells by a distance, and by the score that says the same."""
    own = values(cells()) if request.param == "two sizes" else paper()
    return own, mirrored(own)


def unsigned(table: pd.DataFrame) -> pd.DataFrame:
    """A table without what the mirror turns."""
    turned = ["metric", "value", "lo", "hi", "other", "optimism", "grid_value"]
    return table.drop(columns=[name for name in turned if name in table])


def test_a_sign_is_that_of_the_registry():
    assert sign(METRIC) == sign("lpips_vgg") == 1 and sign(SCORE) == sign("psnr") == -1
    assert all(METRICS[name].sign == 1 for name in ("fd", "kid"))
    assert {"fd", "kid", SCORE} <= set(SELECTING)
    assert set(map(sign, LABELS)) == {-1, 1}


def test_a_score_chooses_what_its_mirror_image_chooses(worlds):
    by_distance, by_score = (best_points(own, CONFIDENCE) for own in worlds)
    columns = ["size", "steps", "guidance", "at_boundary", "status"]
    pd.testing.assert_frame_equal(by_score.rows[columns], by_distance.rows[columns])
    np.testing.assert_array_equal(by_score.draws, -by_distance.draws)
    optimism = by_score.rows["optimism"]
    np.testing.assert_allclose(optimism, -by_distance.rows["optimism"])
    assert (optimism.dropna() <= 0).all(), "a chosen score is too high"


def test_curves_winners_and_crossovers_are_those_of_the_mirror_image(worlds):
    by_distance, by_score = (best_points(own, CONFIDENCE) for own in worlds)
    for axis in AXES:
        tables = [crossovers(own, axis, CONFIDENCE) for own in (by_distance, by_score)]
        costs = ["cost", "lo", "hi", "status"]
        pd.testing.assert_frame_equal(tables[1][costs], tables[0][costs])
        best, mirror = (envelope(own.rows, axis) for own in (by_distance, by_score))
        assert best["size"].tolist() == mirror["size"].tolist()
        assert best["value"].tolist() == (-mirror["value"]).tolist()
        for size in by_score.rows["size"].unique():
            curves = [curve_of(own, size, axis) for own in (by_distance, by_score)]
            np.testing.assert_array_equal(curves[1].draws, -curves[0].draws)
    won, mirror = (winners(own, [0.5, 2, 8], CONFIDENCE) for own in (by_distance, by_score))
    pd.testing.assert_frame_equal(unsigned(mirror), unsigned(won))


def test_metrics_rank_sizes_alike_whichever_of_them_chooses(worlds):
    (ranking, agreement), (mirror, mirrored_agreement) = (
        compared(list(worlds), name, [0.5, 2, 8], CONFIDENCE) for name in (METRIC, SCORE)
    )
    pd.testing.assert_frame_equal(mirror, ranking)
    pd.testing.assert_frame_equal(mirrored_agreement, agreement)
    assert (agreement["tau"].dropna() == 1).all()


def test_the_table_of_the_best_has_the_highest_score():
    own = cells().assign(metric=SCORE)
    rows = own[own["status"] == "ok"]
    best = best_table(own, SCORE)
    highest = rows.groupby(["size", "steps"])["value"].max()
    found = best[best["status"] == "ok"].set_index(["size", "steps"])["value"]
    pd.testing.assert_series_equal(found.sort_index(), highest.loc[found.index].sort_index())
    drawn = np.tile(own["value"].to_numpy()[:, None], 30)
    drawn = drawn * (1 + 0.3 * np.random.default_rng(0).standard_normal(drawn.shape))
    told = with_optimism(best, own.reset_index(drop=True), drawn, SCORE)["optimism"]
    assert (told.dropna() <= 0).all() and (told < 0).any()


def test_of_equal_scores_the_lowest_scale_is_chosen_and_failed_ones_are_not():
    rows = pd.DataFrame({"steps": 4, "guidance": [1.0, 2, 3, 4], "metric": SCORE})
    rows = rows.assign(value=[0.1, 0.3, 0.3, 0.9], status=["ok"] * 3 + ["diverged"])
    assert chosen_rows(rows, ["steps"])["guidance"].tolist() == [2]


def test_steps_to_reach_a_score_are_those_of_the_mirror_image():
    steps = np.array([2.0, 4, 8, 16])
    falling = Curve("c8", steps, 10 - np.log2(steps)[:, None] + np.array([0.0, 1, -1]))
    rising, target = Curve("c8", steps, -falling.draws), np.array([7.5, 6, 9.9])
    expected = steps_to_reach(falling, target)
    np.testing.assert_array_equal(steps_to_reach(rising, -target, -1), expected)


def test_students_that_score_higher_are_accelerated():
    base = {"c8": [0.1, 0.2, 0.25], "c16": [0.15, 0.25, 0.3]}
    student = {"c8": [0.2, 0.26, 0.27], "c16": [0.2, 0.24, 0.3]}
    best = {1: 0.4, 2: 0.5, 3: 1.0}  # the best scale has the factor 1, and others less

    def scored(**options):
        own = cells(failed=None, **options).assign(metric=SCORE)
        factor = own["value"] / own.groupby(["size", "steps"])["value"].transform("min")
        value = own["value"] / factor * factor.map(lambda by: best[4 - round(by)])
        return best_points(values(own.assign(value=value, lo=value, hi=value)), CONFIDENCE)

    students = scored(base=student, sampler="lcm", stage="distill")
    table = acceleration(students, scored(base=base), CONFIDENCE).set_index("size")
    assert table["gain"].round(6).tolist() == [
        pytest.approx(np.log(0.26 / 0.2), abs=1e-6),
        pytest.approx(np.log(0.24 / 0.25), abs=1e-6),
    ]
    assert table.loc["c8", "status"] == "beyond the grid" and table.loc["c16", "acceleration"] < 1


def test_a_trajectory_that_scores_higher_gains():
    single = values(cells(base={"c8": [0.1, 0.2, 0.2]}, failed=None).assign(metric=SCORE))
    points = best_points(single, CONFIDENCE)
    higher = Values(points.rows.assign(value=points.rows["value"] * 2), points.draws * 2)
    assert (gains(higher, points, "sampling_cost", CONFIDENCE)["gain"] > 0).all()


@pytest.mark.parametrize("figure", [fid_vs_cost, guidance_sweep])
def test_figures_without_floors_show_the_score(figure):
    own, more = mirrored(values(cells())), {"budgets": [1.0, 4.0]}
    options = more if figure is fid_vs_cost else {}
    drawn = figure.draw(own, read_floors(), CONFIDENCE, **options)
    labels = [axes.get_ylabel() for axes in drawn.axes]
    assert any(label.startswith("CLIP score\n") for label in labels)
    lines = [line.get_label() for axes in drawn.axes for line in axes.get_lines()]
    assert "reconstruction" not in lines and "real against real" not in lines
    assert Quality.of(own, floors().assign(metric=SCORE), CONFIDENCE).n == 64


# ---------------------------------------------------------------- searches

SCALES, N = [1.0, 2, 4, 8, 16], 512


def planted(best: float, noise: float = 0.05) -> dict[float, np.ndarray]:
    """Scores of images that rise with the scale up to one, and fall beyond; images vary alike."""
    random = np.random.default_rng(0)
    shared = noise * random.standard_normal(N)
    return {
        scale: 0.3
        - 0.02 * abs(np.log2(scale / best))
        + shared
        + 0.1 * noise * random.normal(size=N)
        for scale in SCALES
    }


@pytest.mark.parametrize("best", SCALES)
def test_a_search_finds_the_scale_up_to_which_scores_rise(best):
    scores = {scale: own.astype("f4") for scale, own in planted(best).items()}
    candidates = [
        CellSpec(
            sampler="ddim",
            steps=4,
            guidance=scale,
            n=N,
            seed=0,
            extractors=[],
            scorers=[{"name": SCORE, "pretrained": "x"}],
        )
        for scale in SCALES
    ]
    seen = []

    def kept_of(cell, images):
        seen.append((cell.guidance, images))
        return scores[cell.guidance][:images]

    found, whole = find_guidance(candidates, 0.17, kept_of, metric_of(None, SCORE))
    assert found.chosen == best and whole[0].guidance == best
    assert found.images < len(SCALES) * N / 2
    looks = looks_array(found, METRICS[SCORE].sign)
    assert looks[-1].tolist() == [best, N, pytest.approx(scores[best].mean(), rel=1e-5)]


@pytest.fixture
def replayed(tmp_path):
    """A function that replays a search on cells that keep planted scores; a row of its table."""
    spec = SearchCostSpec(
        grids={"pretrain": ([4], SCALES)},
        n=N,
        look=0.17,
        select_by=SCORE,
        metric=SCORE,
        components=None,
        confidence=0.9,
    )
    rows, kept, draws = [], {}, {}
    for scale, own in planted(4.0).items():
        name, value = cell_name(4, scale), float(own.mean())
        kept[f"{name}/{SCORE}"] = own.astype("f4")
        draws[f"{name}/{SCORE}"] = value + np.random.default_rng(0).normal(size=40) / 100
        numbers = (value, value - 0.01, value + 0.01)
        rows.append((4, scale, 1.0, SCORE, *numbers, N, 8, 0.1, "ok"))
    write_arrays(tmp_path / "features", kept, "a")
    write_arrays(tmp_path / "draws", draws, "a")
    pd.DataFrame(rows, columns=MEASURED).to_csv(tmp_path / "metrics.csv", index=False)
    cells_of = ["pretrain", "c8", 0, "ddim", "features", "metrics.csv", "draws"]
    words = ["--spec", spec.model_dump_json(), "--cells", *cells_of, "--out", "out.csv"]

    def run():
        done = run_here("tables.search_cost", *words, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        [row] = read_table(tmp_path / "out.csv", SEARCH_COST).to_dict("records")
        return row

    return run


def test_a_replayed_search_takes_the_scores_that_cells_keep(replayed):
    row = replayed()
    assert row["guidance"] == row["grid_guidance"] == 4 and row["regret"] == 0
    assert row["images"] < row["grid_images"] / 2 and row["success"]


def test_a_missed_score_is_a_regret_above_0(replayed, monkeypatch):
    def misses(scales, evaluate, n, look):
        return search([scale for scale in scales if scale != 4], evaluate, n, look)

    monkeypatch.setattr(search_cost, "search", misses)
    row = replayed()
    assert row["regret"] == pytest.approx(row["grid_value"] - row["value"], rel=1e-3)
    assert row["regret_lo"] > 0 and not row["success"]
