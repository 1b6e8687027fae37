"""Every claim on worlds in which it is true, false, or neither."""

import re
from dataclasses import replace
from functools import cache

import claim_worlds
import numpy as np
import pandas as pd
import pytest
from claim_effects import (
    BORDERLINE,
    FALSE_WITHOUT_EFFECT,
    NEAREST,
    WORLDS,
    arms,
    distilled,
    larger_is_better,
    negative,
    scott,
)
from claim_worlds import family, nothing, world

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

BY_ID = {claim.id: claim for claim in CLAIMS}
EXACT = {"parameters-are-as-printed", "costs-are-as-printed"}


def verdict(id_, evidence):
    """The verdict, of one training or of several."""
    return find(BY_ID[id_], evidence).verdict.removesuffix(" for this training")


def reason(id_, evidence):
    """Why a claim is not run, or None if it is."""
    found = find(BY_ID[id_], evidence)
    return found.reason if found.verdict == NOT_RUN else None


def test_every_claim_has_worlds():
    assert set(WORLDS) | EXACT == {claim.id for claim in CLAIMS}


@pytest.mark.parametrize("id_", WORLDS)
def test_a_planted_effect_holds_and_its_reverse_does_not(id_):
    holds, fails = WORLDS[id_]
    assert verdict(id_, world(**holds)) == HOLDS
    assert verdict(id_, world(**fails)) == FAILS


@pytest.mark.parametrize("id_", NEAREST)
def test_the_nearest_false_world_does_not_hold(id_):
    assert verdict(id_, world(**NEAREST[id_])) == FAILS


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
        return luck - 0.02 * r["stage"].isin(list(claim_worlds.ARMS))

    def others(r):
        return r["stage"].isin(list(claim_worlds.ARMS)) & ~r["size"].isin(["c64", "c128"])

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
    ("id_", "effect"),
    [
        ("scott-gain-shrinks-with-steps", scott(lambda r: 0.02 * r["steps"])),
        ("scott-gain-grows-with-size", scott(lambda r: 0.5 - 0.1 * r["z"])),
        ("scott-gain-shrinks-with-size", scott(lambda r: 0.5 + 0.1 * r["z"])),
        ("curriculum-helps-small-sizes-more", arms(lambda r: 0.5 + 0.1 * r["z"])),
    ],
)
def test_what_is_worse_everywhere_gains_nowhere_more(id_, effect):
    assert verdict(id_, world(quality=effect)) == FAILS


def test_a_curriculum_at_one_size_says_nothing_of_sizes():
    def others(r):
        return r["stage"].isin(list(claim_worlds.ARMS)) & (r["size"] != "c64")

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
    monkeypatch.setattr(claim_worlds, "STEPS", steps)
    assert verdict("distill-accelerates-five-times", world(distilled(lambda r: worth))) == expected


@pytest.mark.parametrize(
    ("worth", "expected"),
    [(lambda r: 50, UNDECIDED), (lambda r: np.where(r["z"] > 0, 50, 2), FAILS)],
)
def test_sizes_beyond_the_grid_are_not_called_alike(worth, expected):
    # all of them; the larger ones, which are further from the smaller than the grid shows
    evidence = world(distilled(worth))
    assert verdict("distill-accelerates-all-sizes-alike", evidence) == expected


def gain_after(share):
    """Each doubling up to half of the training gains as much, those after it a share of that."""
    return lambda r: (
        -0.3
        * (np.log(np.minimum(r["trained"], 0.5)) + share * np.log(np.maximum(r["trained"], 0.5)))
    )


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


# ------------------------------------------------------------ what is not run


def reasons(evidence):
    findings = [find(claim, evidence) for claim in CLAIMS]
    return {found.claim.id: found.reason for found in findings if found.verdict == NOT_RUN}


def test_a_whole_study_runs_every_claim():
    assert reasons(world(larger_is_better)) == {}


def without(evidence, mask):
    """The evidence without the cells for which `mask` of the rows is true."""
    kept = {key: values.where(~mask(values.rows)) for key, values in evidence.cells.items()}
    kept = {key: values for key, values in kept.items() if len(values.rows)}
    return Evidence(evidence.spec, evidence.family, kept)


@pytest.mark.parametrize(
    ("lacking", "id_", "said"),
    [
        (lambda r: r["trained"] < 1, "quality-improves-with-training", "no checkpoints"),
        (lambda r: r["size"] != "c320", "quality-improves-with-size", "one size only"),
        (lambda r: r["guidance"].between(3, 8), "few-steps-want-weaker-guidance", "scale only"),
        (
            lambda r: (r["guidance"] == 8) & (r["size"] == "c96"),
            "few-steps-want-weaker-guidance",
            "not every combination",
        ),
        (lambda r: r["steps"] != 50, "smaller-wins-at-the-cost-of-4-steps", "two step counts"),
        (
            lambda r: (r["steps"] == 50) & r["grid"],
            "retuning-guidance-beats-size",
            "not in the grid",
        ),
        (lambda r: r["size"] == "c96", "c96-is-best-at-cost-3", "c96 was not sampled"),
        (lambda r: r["steps"] <= 20, "dpmpp-is-better-up-to-20-steps", "no such step count"),
        (lambda r: r["steps"] == 20, "distill-reaches-20-steps", "not sampled at 20 steps"),
        (lambda r: r["steps"] == 4, "distill-improves-every-size", "no student was sampled at 4"),
        (
            lambda r: (r["steps"] != 4) & (r["stage"] == "pretrain"),
            "distill-accelerates-five-times",
            "fewer than two step counts",
        ),
        (
            lambda r: (r["size"] != "c320") & (r["stage"] == "pretrain"),
            "distill-leaves-a-smaller-size-as-good",
            "no smaller size",
        ),
        (
            lambda r: (r["steps"] == 4) & (r["stage"] == "pretrain"),
            "guided-distill-gains-are-inconsistent",
            "too few step counts",
        ),
        (lambda r: r["steps"].between(5, 50), "smaller-wins-over-a-range-of-budgets", None),
    ],
)
def test_what_is_missing_is_said(lacking, id_, said):
    found = reason(id_, without(world(larger_is_better, noise=(0.01, 0.001)), lacking))
    assert said in found if said else found is None


def capped(evidence, most):
    """The evidence where sizes take so many steps at most, except at the fixed setting."""

    def beyond(rows):
        of_grid = rows["grid"] & (rows["stage"] == "pretrain")
        return of_grid & (rows["steps"] > rows["size"].map(most).fillna(np.inf))

    return replace(evidence, cells=without(evidence, beyond).cells)


@pytest.mark.parametrize("effect", [larger_is_better, negative(larger_is_better)])
def test_sizes_that_take_fewer_steps_leave_every_claim_to_be_decided(effect):
    whole = world(effect)
    part = capped(whole, {"c320": 20, "c192": 50})
    assert reasons(part) == {}
    settled = ("guidance-moves-quality-more-than-alignment", "retuning-guidance-beats-size")
    for id_ in (*settled, "few-steps-want-weaker-guidance", "large-sizes-want-weaker-guidance"):
        assert verdict(id_, part) == verdict(id_, whole)


def test_steps_that_one_size_lacks_do_not_hide_what_others_reach():
    # students are worth 100 steps: far from 5 times, whatever the largest size was sampled at
    id_, largest = "distill-accelerates-five-times", {"c320": 20}
    evidence = world(distilled(lambda r: 25.0))
    assert verdict(id_, evidence) == verdict(id_, capped(evidence, largest)) == FAILS
    alike = "distill-accelerates-all-sizes-alike"
    assert verdict(alike, capped(evidence, largest)) != FAILS, "only the steps differ"


@pytest.mark.parametrize(
    ("changed", "id_", "said"),
    [
        ({"samplers": ["ddim"]}, "ddpm-is-worse-at-fewest-steps", "sampler ddpm is not in"),
        ({"samplers": ["ddpm"]}, "quality-improves-with-size", "sampler ddim is not in"),
        ({"alignment": None}, "alignment-improves-with-size", "no metric of alignment"),
        ({"text_shape": (20, 384)}, "c96-is-best-at-cost-3", "family is not the paper's"),
        (
            {"text_shape": (20, 384)},
            "distill-leaves-c96-as-good-as-c320",
            "family is not the paper's",
        ),
        ({"others": {}}, "distill-improves-every-size", "stage distill is not in the study"),
        (
            {"others": {}},
            "guided-distill-gains-are-inconsistent",
            "stage guided_distill is not in the study",
        ),
        ({"others": {}}, "superres-quality-follows-size", "stage superres is not in the study"),
        (
            {"stitched": None},
            "stitch-beats-every-size-at-some-budget",
            "no trajectory of the study is stitched",
        ),
        ({"made": None}, "ascent-beats-as-many-candidates", "makes no noise for a score"),
        ({"judged": None}, "inversion-beats-as-many-candidates", "makes one image of each prompt"),
        ({"split": None}, "bigger-text-encoder-wins-at-equal-flops", "splits no parameter budget"),
        ({"tones": None}, "bias-grows-with-guidance", "no bias of tones is measured"),
        ({"subjects": None}, "dreambooth-has-two-tiers", "stage dreambooth is not in the study"),
    ],
)
def test_what_the_study_lacks_is_said(changed, id_, said):
    assert said in reason(id_, world(larger_is_better, **changed))


def with_failed(evidence, mask):
    """The evidence with failed cells where `mask` of the rows is true."""
    cells_ = {}
    for key, values in evidence.cells.items():
        draws = np.where(mask(values.rows).to_numpy()[:, None], np.nan, values.draws)
        cells_[key] = Values(values.rows, draws)
    return Evidence(evidence.spec, evidence.family, cells_, floors=evidence.floors)


def test_a_failed_cell_is_missing_only_where_it_is_needed():
    failed = with_failed(world(larger_is_better), lambda r: (r["size"] == "c96") & ~r["grid"])
    needed = "a cell that it needs failed or has no value above 0"
    assert reason("quality-improves-with-size", failed) == needed
    assert reason("smaller-wins-at-the-cost-of-4-steps", failed) is None
    at_one_scale = with_failed(world(larger_is_better), lambda r: r["grid"] & (r["guidance"] == 8))
    assert reason("smaller-wins-at-the-cost-of-2-steps", at_one_scale) is None  # never the best


def test_a_metric_that_is_negative_on_some_resamples_is_not_cut_short():
    evidence = world(larger_is_better)
    for values in evidence.cells.values():
        values.draws[:, 7] *= -1
    assert reason("quality-improves-with-size", evidence).endswith("no value above 0")
    assert verdict("retuning-guidance-beats-size", evidence) != NOT_RUN  # takes no logarithm


def test_training_seeds_that_disagree_decide_nothing():
    up, down = world(larger_is_better), world(negative(larger_is_better))
    both = {}
    for key, values in up.cells.items():
        other = down.cells[key]
        rows = pd.concat([values.rows, other.rows.assign(seed=1)], ignore_index=True)
        both[key] = Values(rows, np.concatenate([values.draws, other.draws]))
    evidence = Evidence(up.spec, up.family, both)
    assert evidence.seeds["training"] == 2
    assert verdict("quality-improves-with-size", evidence) == UNDECIDED
