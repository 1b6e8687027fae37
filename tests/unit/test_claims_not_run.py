"""Claims that a study cannot decide, and the reasons that it gives."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from claim_effects import (
    distilled,
    larger_is_better,
    negative,
)
from claim_worlds import world
from deciding import reason, verdict, with_failed, without

from ldm_scaling.claims.evidence import Evidence
from ldm_scaling.claims.registry import CLAIMS
from ldm_scaling.claims.statement import (
    FAILS,
    NOT_RUN,
    UNDECIDED,
    find,
)
from ldm_scaling.tables.values import Values


def reasons(evidence):
    findings = [find(claim, evidence) for claim in CLAIMS]
    return {found.claim.id: found.reason for found in findings if found.verdict == NOT_RUN}


def test_a_whole_study_runs_every_claim():
    assert reasons(world(larger_is_better)) == {}


@pytest.mark.parametrize(
    ("lacking", "id_", "said"),
    [
        (lambda r: r["trained"] < 1, "quality-improves-with-training", "no checkpoints"),
        (lambda r: r["size"] != "c320", "quality-improves-with-size", "one size only"),
        *[
            (lambda r: r["grid"] & (r["guidance"] > 1.5), id_, "scale only")
            for id_ in (
                "few-steps-want-weaker-guidance",
                "retuning-guidance-beats-size",
                "guidance-moves-quality-more-than-alignment",
            )
        ],
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
