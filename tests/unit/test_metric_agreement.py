"""Rankings of sizes by several metrics, their table and figure."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from drawn import no_overlap, same_bytes, texts
from scipy.stats import kendalltau, rankdata
from synthetic import METRIC, cells, paper, values

from ldm_scaling.figures import metric_agreement as figure_module
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.tables import CELLS, read_table, write_cells
from ldm_scaling.tables import metric_agreement as command
from ldm_scaling.tables.metric_agreement import (
    AGREEMENT,
    RANKING,
    TOO_FEW,
    agreement_row,
    compared,
    gaps,
    kendall,
    ranking_rows,
    ranks,
    within,
)
from ldm_scaling.tables.values import Values, degrees_of

ENDLESS, KID, SCORE = "fd_infinity_effnet_lite0", "kid_effnet_lite0", "clip_like"
COUNTS = {"params", "steps", "sizes", "agreeing", "contradicting"}
CONFIDENCE, BUDGETS = 0.95, [0.1, 0.5, 2, 8]


def named(own, metric, change=lambda draws: draws):
    """The same cells by another metric."""
    return Values(own.rows.assign(metric=metric), change(own.draws))


def metrics(own, score=lambda draws: 1 / draws):
    """Cells by four metrics that agree, unless the score does not."""
    return [
        own,
        named(own, ENDLESS, lambda draws: draws - 2),
        named(own, KID, lambda draws: draws / 50),
        named(own, SCORE, score),
    ]


@cache
def tables(score=lambda draws: 1 / draws):
    return compared(metrics(paper(), score), METRIC, BUDGETS, CONFIDENCE)


def test_tau_is_scipys_in_every_draw():
    generator = np.random.default_rng(0)
    rows = pd.DataFrame({"metric": [METRIC] * 7})
    ours, theirs = (Values(rows, generator.standard_normal((7, 30))) for _ in range(2))
    found = kendall(gaps(ours), gaps(theirs))
    pairs = zip(ours.draws.T, theirs.draws.T, strict=True)
    assert found == pytest.approx([kendalltau(a, b).statistic for a, b in pairs])
    higher = Values(rows.assign(metric=SCORE), -theirs.draws)
    assert kendall(gaps(ours), gaps(higher)) == pytest.approx(found)
    assert (ranks(ours) == rankdata(ours.draws, axis=0)).all()
    assert (ranks(higher) == rankdata(theirs.draws, axis=0)).all()


def ranked_by(draws, metric=METRIC):
    """Sizes of one metric with these draws [S, 1 + R]."""
    rows = pd.DataFrame({"size": [f"c{n}" for n in range(len(draws))], "metric": metric})
    return Values(rows.assign(sampler="ddim", n=64), draws)


def rank_table(own):
    return pd.DataFrame(ranking_rows(own, 1, CONFIDENCE))


def test_a_tau_of_1_in_almost_every_draw_is_not_certain():
    """Neighbours are 2.4 standard errors apart, and 6 differences are compared."""
    steps = 2.4 * np.sqrt(2) * np.arange(3)[:, None]
    noise = np.random.default_rng(0).standard_normal((3, 1001))
    noise[:, 0] = 0
    sure, unsure = ranked_by(np.tile(steps, 1001)), ranked_by(steps + noise, KID)
    taus = kendall(gaps(sure), gaps(unsure))
    assert np.quantile(taus[1:], 0.025) == 1
    row = agreement_row(sure, unsure, 1, CONFIDENCE)
    assert row["tau"] == 1 and row["lo"] < 1 and row["hi"] == 1
    alike = agreement_row(sure, sure, 1, CONFIDENCE)
    assert (alike["tau"], alike["lo"], alike["hi"], alike["agreeing"]) == (1, 1, 1, 3)


def test_ranks_of_sizes_are_covered_however_near_they_are():
    """All ranks of a study together; quantiles of the ranks over draws cover fewer."""
    generator, means = np.random.default_rng(0), np.array([0, 0.3, 0.6, 0.9, 5.0])
    truth, covered, by_quantiles, studies = np.arange(1, 6), 0, 0, 200
    for _ in range(studies):
        values_ = means + generator.standard_normal(5)
        draws = values_ + generator.standard_normal((1000, 5))
        found = rank_table(ranked_by(np.vstack([values_, draws]).T))
        assert ((found["rank_lo"] <= found["rank"]) & (found["rank"] <= found["rank_hi"])).all()
        covered += ((found["rank_lo"] <= truth) & (truth <= found["rank_hi"])).all()
        lo, hi = np.quantile(rankdata(draws, axis=1), [0.025, 0.975], axis=0)
        by_quantiles += ((lo <= truth) & (truth <= hi)).all()
    assert covered >= 0.95 * studies > by_quantiles
    assert found["rank_hi"].iloc[0] < 5 and found["rank_lo"].iloc[4] == 5


@pytest.mark.parametrize(("sizes", "replicates"), [(4, 1000), (11, 200)])
def test_few_replicates_put_few_equal_sizes_in_order(sizes, replicates):
    """Some pairs of equal sizes are put in order in at most 9 % of the studies.

    The aim is 5 %; the smallest of 200 replicates alone would give 29 %.
    """
    generator, wrong, studies = np.random.default_rng(1), 0, 100
    for _ in range(studies):
        values_ = generator.standard_normal(sizes)
        draws = values_ + generator.standard_normal((replicates, sizes))
        found = rank_table(ranked_by(np.vstack([values_, draws]).T))
        wrong += ((found["rank_lo"] > 1) | (found["rank_hi"] < sizes)).any()
    assert wrong <= 0.09 * studies


def test_ranks_over_seeds_know_how_few_seeds_there_are():
    """Sizes are equal, and seeds alone make them differ."""
    generator, wrong, studies = np.random.default_rng(0), 0, 60
    sizes = [f"c{8 * (n + 1)}" for n in range(4)]
    base = {"stage": "pretrain", "sampler": "ddim", "steps": 4, "guidance": 1.0, "trained": 1.0}
    rows = pd.DataFrame(
        [(size, seed) for size in sizes for seed in (0, 1)], columns=["size", "seed"]
    )
    rows = rows.assign(**base, metric=METRIC, n=64, seconds=0.1, params=1)
    for study in range(studies):
        luck = np.exp(0.1 * generator.standard_normal(len(rows)))
        own = Values(rows, np.tile(luck[:, None], 1001)).over_seeds(CONFIDENCE, seed=study)
        found = pd.DataFrame(ranking_rows(own, 1, CONFIDENCE, degrees_of(rows)))
        wrong += ((found["rank_lo"] > 1) | (found["rank_hi"] < 4)).any()
    assert wrong <= 0.09 * studies


def test_guidance_is_chosen_by_one_metric_in_each_draw():
    rows = pd.DataFrame(
        {
            **{"stage": "pretrain", "size": "c8", "sampler": "ddim", "steps": 4},
            **{"guidance": [1.0, 2.0, 3.0], "grid": True, "metric": METRIC},
            "at_boundary": [False, False, True],
        }
    )
    selecting = Values(rows, np.array([[3.0, 1, 3], [1, 3, 2], [2, 2, np.nan]]))
    other = named(selecting, KID, lambda _: np.array([[10.0, 11, 12], [20, 21, 22], [0, 0, 0]]))
    found = other.at_best_guidance(selecting)
    assert found.draws.tolist() == [[20, 11, 22]]  # never the scale that failed in a draw
    assert found.rows["guidance"].tolist() == [2.0]
    own = selecting.at_best_guidance(selecting)
    np.testing.assert_array_equal(own.draws, selecting.at_best_guidance().draws)
    with pytest.raises(InputError, match="have different cells"):
        other.where(other.rows["guidance"] < 3).at_best_guidance(selecting)


def test_each_size_has_the_best_that_it_affords():
    means = values(cells(failed=None)).over_seeds(CONFIDENCE)
    points = means.at_best_guidance(means)
    assert within(points, 0.4).rows.empty
    # c8 costs 0.25 a step, c16 costs 1
    assert within(points, 1.9).draws[:, 0].tolist() == [50]
    assert within(points, 2).draws[:, 0].tolist() == [40, 80]
    assert within(points, 100).draws[:, 0].tolist() == [40, 10]
    score = named(points, SCORE)
    assert within(score, 100).draws[:, 0].tolist() == [100, 80]


def test_metrics_that_agree_have_tau_1_and_rankings_have_values():
    ranking, agreement = tables()
    assert list(ranking) == RANKING and list(agreement) == AGREEMENT
    assert set(ranking["budget"]) == {0.5, 2, 8}  # the lowest buys not one step
    compared_ = agreement[agreement["sizes"] > 1]
    assert (compared_["tau"] == 1).all() and (compared_["contradicting"] == 0).all()
    assert (compared_["hi"] == 1).all() and compared_["agreeing"].max() >= 15
    # sizes that are not told apart may be in opposite orders
    pairs = compared_["sizes"] * (compared_["sizes"] - 1) / 2
    assert (compared_["lo"] == 2 * compared_["agreeing"] / pairs - 1).all()
    assert len(agreement) == 6 * 3
    one = ranking[(ranking["budget"] == 8) & (ranking["metric"] == METRIC)]
    assert sorted(one["rank"]) == list(range(1, len(one) + 1))
    assert one.sort_values("rank")["value"].is_monotonic_increasing
    assert ((one["rank_lo"] <= one["rank"]) & (one["rank"] <= one["rank_hi"])).all()
    assert (one["rank_lo"] < one["rank_hi"]).any()
    best = ranking[(ranking["budget"] == 8) & (ranking["metric"] == SCORE)]
    assert best.sort_values("rank")["value"].is_monotonic_decreasing


def test_a_metric_that_ranks_the_other_way_contradicts():
    _, agreement = tables(score=np.negative)  # its name says that higher is better
    assert (agreement.loc[agreement["other"] == SCORE, "tau"].dropna() == 1).all()
    _, agreement = tables(score=np.positive)
    # steps are chosen by it too, so not all pairs are reversed, but many
    against = agreement[(agreement["other"] == SCORE) & (agreement["budget"] == 8)]
    assert (against["tau"] < 0.5).all() and (against["contradicting"] > 0).all()


def test_one_size_has_no_tau_and_failed_sizes_are_rows():
    failed = values(cells())  # c16 at 2 steps, all that a budget of 2 buys of it
    ranking, agreement = compared(metrics(failed), METRIC, [1, 2, 8], CONFIDENCE)
    assert (agreement.loc[agreement["budget"] < 8, "status"] == TOO_FEW).all()
    assert agreement.loc[agreement["budget"] < 8, "tau"].isna().all()
    own = ranking[(ranking["budget"] == 2) & (ranking["size"] == "c16")]
    assert set(own["status"]) == {"diverged"} and own[["rank", "value"]].isna().all(axis=None)
    assert (agreement.loc[agreement["budget"] == 8, "sizes"] == 2).all()


def test_the_choosing_metric_must_be_there():
    with pytest.raises(InputError, match="is not among the metrics"):
        compared(metrics(paper())[1:], METRIC, BUDGETS, CONFIDENCE)


# ------------------------------------------------------------ the figure


@cache
def figure(score=lambda draws: 1 / draws):
    return figure_module.draw(*tables(score), "ddim")


def figure_of(**options):
    every = metrics(values(cells(**options)))
    return figure_module.draw(*compared(every, METRIC, [0.5, 1, 2, 4, 8], CONFIDENCE), "ddim")


def one_size_figure():
    return figure_of(failed=None, base={"c8": [100, 50, 40]})


def seeds_figure():
    return figure_of(seeds=(0, 1, 2))


def figure_of_many_metrics():
    """With precision, recall, density and coverage, which every study of images has."""
    every = metrics(paper(), np.positive)
    more = [f"{name}_effnet_lite0" for name in ("precision", "recall", "density", "coverage")]
    every[3:3] = [named(every[0], name, lambda draws: 1 / draws) for name in more]
    return figure_module.draw(*compared(every, METRIC, BUDGETS, CONFIDENCE), "ddim")


@pytest.mark.parametrize(
    "make",
    [
        figure,
        lambda: figure(np.positive),
        figure_of,
        one_size_figure,
        seeds_figure,
        figure_of_many_metrics,
    ],
)
def test_nothing_overlaps(make):
    no_overlap(make())


def test_equal_tables_give_equal_bytes(tmp_path):
    same_bytes(lambda: figure_module.draw(*tables(), "ddim"), tmp_path)


def test_ranks_and_taus_are_drawn():
    *panels, below = figure(np.positive).axes
    assert [axes.get_title().split("\n")[0] for axes in panels] == [
        *("Fréchet distance", "Fréchet distance, n → ∞", "KID", "CLIP-like score")
    ]
    ranking, agreement = tables(np.positive)
    bars = {own.get_label(): own for own in panels[0].containers}
    own = ranking[(ranking["metric"] == METRIC) & (ranking["size"] == "c64")]
    assert list(bars["c64"][0].get_ydata()) == own["rank"].tolist()
    assert len(below.containers) == 3
    taus = agreement[(agreement["metric"] == METRIC) & (agreement["other"] == SCORE)]
    drawn = below.containers[-1][0].get_ydata()
    assert list(drawn) == taus["tau"].dropna().tolist()
    rings = [line for line in below.get_lines() if line.get_label() == "contradicts"]
    assert (
        sum(len(line.get_xdata()) for line in rings)
        == (agreement[agreement["metric"] == METRIC]["contradicting"] > 0).sum()
    )
    assert "opposite" in str([text.get_text() for text in below.get_legend().get_texts()])
    assert not texts(below)


def test_the_command_writes_both_tables(tmp_path, monkeypatch):
    every = metrics(paper())
    rows = pd.concat([own.rows for own in every], ignore_index=True)[CELLS]
    draws = np.concatenate([own.draws for own in every])
    rows = rows.assign(value=draws[:, 0])
    write_cells(rows, draws[:, 1:], tmp_path / "cells.csv", tmp_path / "draws")
    arguments = ["--cells", tmp_path / "cells.csv", tmp_path / "draws", "--metrics"]
    arguments += [METRIC, ENDLESS, KID, SCORE, "--select-by", METRIC, "--budgets", *BUDGETS]
    arguments += ["--confidence", 0.95, "--ranking-out", tmp_path / "ranking.csv"]
    arguments += ["--out", tmp_path / "agreement.csv"]
    monkeypatch.setattr("sys.argv", ["metric_agreement", *map(str, arguments)])
    command.main()
    read = [(tmp_path / "ranking.csv", RANKING), (tmp_path / "agreement.csv", AGREEMENT)]
    for table, (path, columns) in zip(tables(), read, strict=True):
        expected = table.astype({"n": float} | dict.fromkeys(set(columns) & COUNTS, float))
        found = read_table(path, columns).astype(expected.dtypes)
        pd.testing.assert_frame_equal(found, expected, rtol=1e-4)
