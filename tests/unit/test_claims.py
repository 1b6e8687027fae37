"""Every claim on worlds in which it is true, false, or neither."""

import re
from dataclasses import replace
from functools import cache

import claim_cells
import numpy as np
import pytest
from claim_cells import family, nothing
from claim_effects import (
    BORDERLINE,
    FALSE_WITHOUT_EFFECT,
    WORLDS,
    arms,
    by_both,
    distilled,
    gain_after,
    is_made,
    larger_is_better,
    negative,
    scott,
)
from claim_nearest import CARELESS, NEAREST
from claim_worlds import world
from deciding import BY_ID, reason, verdict, with_failed, without

from ldm_scaling.claims.evidence import Evidence
from ldm_scaling.claims.registry import CLAIMS
from ldm_scaling.claims.statement import (
    FAILS,
    HERE,
    HOLDS,
    NOT_RUN,
    UNDECIDED,
    find,
)
from ldm_scaling.tables.values import Values
from ldm_scaling.workflow.targets import FIGURES

EXACT = {"parameters-are-as-printed", "costs-are-as-printed"}


def test_every_claim_has_worlds():
    assert set(WORLDS) | EXACT == {claim.id for claim in CLAIMS}
    assert set(NEAREST) | set(BORDERLINE) == set(WORLDS)


@pytest.mark.parametrize("id_", WORLDS)
def test_a_planted_effect_holds_and_its_reverse_does_not(id_):
    holds, fails = WORLDS[id_]
    assert verdict(id_, world(**holds)) == HOLDS
    assert verdict(id_, world(**fails)) == FAILS


@pytest.mark.parametrize("id_", NEAREST)
def test_the_nearest_false_world_does_not_hold(id_):
    """Where a claim is easily taken for another one, that one holds there."""
    evidence = world(**NEAREST[id_])
    assert verdict(id_, evidence) == FAILS
    if id_ in CARELESS:
        assert verdict(CARELESS[id_], evidence) == HOLDS


def test_a_sampler_that_ranks_nothing_is_not_alike():
    level = world(lambda r: larger_is_better(r) * (r["sampler"] != "ddpm"))
    assert verdict("sizes-compare-alike-with-ddpm", level) == FAILS


def test_no_size_stands_in_for_a_largest_one_that_failed():
    claims = ("largest-wins-the-highest-budget", "smaller-wins-at-the-cost-of-4-steps")
    largest = world(larger_is_better).family["size"].iloc[-1]
    nowhere = with_failed(world(larger_is_better), lambda r: r["grid"] & (r["size"] == largest))
    for id_ in claims:
        assert "the largest size has fewer than two step counts" in reason(id_, nowhere)
    at_four = with_failed(
        world(larger_is_better), lambda r: (r["steps"] == 4) & (r["size"] == largest)
    )
    for id_ in (claims[1], "smaller-wins-over-a-range-of-budgets"):
        assert "no value at 4 steps" in reason(id_, at_four)


def test_what_real_images_have_is_as_uncertain_as_the_floors_say():
    id_ = "alignment-gains-less-than-quality-with-size"
    evidence = world(**WORLDS[id_][0])
    half = (evidence.floors["hi"] - evidence.floors["lo"]) / 2
    wide = evidence.floors.assign(
        lo=evidence.floors["value"] - 40 * half, hi=evidence.floors["value"] + 40 * half
    )
    assert verdict(id_, evidence) == HOLDS
    assert verdict(id_, replace(evidence, floors=wide)) == UNDECIDED


def test_trajectories_of_the_same_models_have_one_luck():
    """Allocations that seeds move alike are moved alike by what other seeds would give."""
    luck = np.array([0.1, -0.1])
    evidence = world(stitched=lambda r: r["rising"] * luck[r["seed"]], seeds=2, noise=(1e-6, 1e-6))
    points = evidence.trajectories()
    first = points.rows["sizes"] == points.rows["sizes"][points.rows["rising"]].iloc[0]
    levels = np.log(points.where(first).draws)
    moves = levels - levels[:, :1]
    assert len(moves) > 2 and moves[0].std() > 0.05
    for other in moves[1:]:
        np.testing.assert_allclose(other, moves[0], atol=1e-3)


def test_arms_of_fewer_sizes_share_the_luck_of_their_own_models_alone():
    """What seeds bring to a model and its arm cancels, whatever other models there are."""

    def of_seeds(r):
        luck = np.where(r["seed"] == 0, 0.2, -0.2) * np.where(r["size"] < "c190", 1, -0.5)
        return luck - 0.02 * r["stage"].isin(list(claim_cells.ARMS))

    def others(r):
        return r["stage"].isin(list(claim_cells.ARMS)) & ~r["size"].isin(["c64", "c128"])

    part = without(world(of_seeds, seeds=2, noise=(1e-4, 1e-4)), others)
    found = find(BY_ID["curriculum-helps"], part)
    assert found.verdict == HOLDS
    assert found.estimate == pytest.approx(0.02, abs=0.002) and found.hi - found.lo < 0.01


def test_guidance_that_leaves_no_tone_does_not_halve_the_discrepancy():
    evidence = world(**WORLDS["guidance-halves-the-discrepancy-at-every-size"][0])
    found = evidence.toned["fairness_discrepancy"]
    lost = (found.rows["arm"] == "guided") & (found.rows["size"] == "c96")
    draws = np.where(lost.to_numpy()[:, None], np.nan, found.draws)
    toned = evidence.toned | {"fairness_discrepancy": Values(found.rows, draws)}
    id_ = "guidance-halves-the-discrepancy-at-every-size"
    assert verdict(id_, evidence) == HOLDS
    assert verdict(id_, replace(evidence, toned=toned, _means={}, _best={})) == FAILS


def test_a_discrepancy_that_is_unknown_without_guidance_is_not_halved():
    evidence = world(**WORLDS["guidance-halves-the-discrepancy-at-every-size"][0])
    found = evidence.toned["fairness_discrepancy"]
    lost = ((found.rows["arm"] == "plain") & (found.rows["size"] == "c96")).to_numpy()
    once = np.arange(found.draws.shape[1]) == 7  # in one resample
    id_ = "guidance-halves-the-discrepancy-at-every-size"
    for of in (True, once):
        draws = np.where(lost[:, None] & of, np.nan, found.draws)
        toned = evidence.toned | {"fairness_discrepancy": Values(found.rows, draws)}
        assert verdict(id_, replace(evidence, toned=toned, _means={}, _best={})) == NOT_RUN


@pytest.mark.parametrize(
    ("id_", "planted"),
    [
        ("scott-gain-shrinks-with-steps", {"quality": scott(lambda r: 0.02 * r["steps"])}),
        ("scott-gain-grows-with-size", {"quality": scott(lambda r: 0.5 - 0.1 * r["z"])}),
        ("scott-gain-shrinks-with-size", {"quality": scott(lambda r: 0.5 + 0.1 * r["z"])}),
        ("curriculum-helps-small-sizes-more", {"quality": arms(lambda r: 0.5 + 0.1 * r["z"])}),
        (
            "guidance-moves-quality-more-than-alignment",
            {"quality": by_both(-0.3, 0.1), "alignment": by_both(0.01, -0.01)},
        ),
        (
            "alignment-gains-less-than-quality-with-size",
            {"quality": lambda r: 0.01 * r["z"], "alignment": lambda r: -0.02 * r["z"]},
        ),
        (
            "inversion-gains-more-under-its-own-score",
            {"made": lambda r: -0.1 * is_made(r), "own_score": lambda r: -0.05 * is_made(r)},
        ),
    ],
)
def test_what_is_worse_everywhere_gains_nowhere_more(id_, planted):
    assert verdict(id_, world(**planted)) == FAILS


def test_a_curriculum_at_one_size_says_nothing_of_sizes():
    def others(r):
        return r["stage"].isin(list(claim_cells.ARMS)) & (r["size"] != "c64")

    part = without(world(), others)
    assert "one size only" in reason("curriculum-helps-small-sizes-more", part)


def test_one_training_decides_for_itself_only():
    claim = BY_ID["quality-improves-with-size"]
    assert find(claim, world(larger_is_better)).verdict == HOLDS + HERE
    assert find(claim, world(negative(larger_is_better))).verdict == FAILS + HERE
    several = world(larger_is_better, noise=(0.002, 0.0001), seeds=3)
    assert find(claim, several).verdict == HOLDS
    exact = find(BY_ID["costs-are-as-printed"], world())
    assert exact.verdict == HOLDS and exact.p is None  # a count needs no training


@pytest.mark.parametrize("changed", [{"decay": "cosine"}, {"curriculum": True}])
def test_checkpoints_of_another_schedule_leave_nothing_to_say_along_training(changed):
    evidence = world(larger_is_better, **changed)
    along = [claim.id for claim in CLAIMS if claim.topic == "Training"]
    assert all("trained for so long" in reason(id_, evidence) for id_ in along)
    whole = world(larger_is_better)
    assert {reason(id_, whole) for id_ in along} == {None}


@cache
def noise_worlds(effect):
    # quality varies more than alignment, and less
    return [
        world(effect, noise=[(0.03, 0.0005), (0.002, 0.01)][seed % 2], values_vary=True, seed=seed)
        for seed in range(12)
    ]


@pytest.mark.parametrize("id_", WORLDS)
def test_noise_alone_is_undecided(id_):
    # One in twenty is decided by chance; four or more of twelve are in two of a thousand tests.
    worlds = noise_worlds(BORDERLINE.get(id_, nothing))
    verdicts = [verdict(id_, evidence) for evidence in worlds]
    undecided = verdicts.count(UNDECIDED) + (id_ in FALSE_WITHOUT_EFFECT) * verdicts.count(FAILS)
    assert undecided >= 9, verdicts


@cache
def seed_worlds(effect):
    return [
        world(effect, noise=[(0.03, 0.0005), (0.01, 0.01)][seed % 2], seeds=2 + seed % 3, seed=seed)
        for seed in range(12)
    ]


@pytest.mark.parametrize("id_", WORLDS)
def test_the_chance_of_trainings_alone_is_undecided(id_):
    worlds = seed_worlds(BORDERLINE.get(id_, nothing))
    verdicts = [verdict(id_, evidence) for evidence in worlds]
    undecided = verdicts.count(UNDECIDED) + (id_ in FALSE_WITHOUT_EFFECT) * verdicts.count(FAILS)
    assert undecided >= 9, verdicts


@pytest.mark.parametrize(
    ("steps", "worth", "expected"),
    [
        ([4, 20, 50, 100], 50, FAILS),  # beyond a grid that goes far enough to tell
        ([4, 8, 16], 5, UNDECIDED),  # beyond a grid that does not
        ([4, 8, 16], 2, FAILS),  # within it
        ([20, 50, 100], 0.5, UNDECIDED),  # below a grid that starts too late
        ([4, 20, 50, 100], 0.5, FAILS),
    ],
)
def test_an_acceleration_that_leaves_the_grid_decides_only_what_it_can(
    steps, worth, expected, monkeypatch
):
    monkeypatch.setattr(claim_cells, "STEPS", steps)
    assert verdict("distill-accelerates-five-times", world(distilled(lambda r: worth))) == expected


@pytest.mark.parametrize(
    ("worth", "expected"),
    [(lambda r: 50, UNDECIDED), (lambda r: np.where(r["z"] > 0, 50, 2), FAILS)],
)
def test_sizes_beyond_the_grid_are_not_called_alike(worth, expected):
    # all of them; the larger ones, which are further from the smaller than the grid shows
    evidence = world(distilled(worth))
    assert verdict("distill-accelerates-all-sizes-alike", evidence) == expected


@pytest.mark.parametrize(
    # of the 1.32 doublings after 40 %, the first 0.32 gain as much
    ("share", "expected"),
    [(0.9, FAILS), (0.45, FAILS), (0.2, HOLDS), (0, HOLDS), (-1.2, FAILS)],
)
def test_slower_is_not_settled(share, expected):
    assert verdict("training-trends-settle", world(gain_after(share))) == expected


def test_counts_are_compared_with_what_is_printed():
    right = world()
    for id_, column in zip(EXACT, ("params", "gflops"), strict=True):
        column = "params" if id_.startswith("parameters") else "gflops"
        wrong = Evidence(right.spec, family(**{column: 1.2}), right.cells)
        assert verdict(id_, right) == HOLDS
        assert verdict(id_, wrong) == FAILS
        assert find(BY_ID[id_], right).n is None


# ------------------------------------------------------------ the registry


def test_ids_are_kebab_case_and_stand_once():
    ids = [claim.id for claim in CLAIMS]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", id_) for id_ in ids)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_claim_says_where_it_comes_from_and_what_shows_it(claim):
    assert claim.topic and claim.source and claim.sentence and claim.statistic
    assert not claim.sentence.endswith(".")
    assert claim.figure in [*FIGURES, "cells.csv"]
