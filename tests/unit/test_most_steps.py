"""Sizes and samplers that take fewer steps than others: which cells they have."""

from __future__ import annotations

import json

import pytest
from plans import changed
from snakemake.iocontainers import Wildcards
from studies import put

from ldm_scaling.study.load import load_study
from ldm_scaling.workflow import settings
from ldm_scaling.workflow.collecting import grid_of
from ldm_scaling.workflow.specs.cells import IllustrateSpec, SweepSpec
from ldm_scaling.workflow.specs.tables import SearchCostSpec

STEPS, KEPT = [2, 4, 8, 16], [0.25]


@pytest.fixture(params=["grid", "adaptive"])
def study(pocket_config, request):
    """c48 takes up to 7 steps and ddpm up to 8; the fixed setting has 16 at a scale of the grid."""
    put(pocket_config, "search.method", request.param)
    put(pocket_config, "training.keep", KEPT)
    put(pocket_config, "stitch.steps", None)
    put(pocket_config, "sampling.most_steps", {"c48": 7, "ddpm": 8})
    return load_study(pocket_config)


def steps_of(spec: SweepSpec) -> list[int]:
    """Step counts of the cells of the grid, and of one beyond it."""
    return sorted({cell.steps for cell in spec.possible if cell.trained is None})


def test_a_size_and_a_sampler_take_the_steps_up_to_their_most(study):
    assert study.sampling.steps == STEPS
    for sampler, size, expected in (
        ("ddpm", "c12", [2, 4, 8]),
        ("ddpm", "c48", [2, 4]),
        ("dpmpp", "c12", STEPS),
        ("dpmpp", "c48", [2, 4]),
        ("ddim/leading", "c48", [2, 4]),
        ("ddim", "c12", STEPS),
    ):
        assert steps_of(SweepSpec.of(study, "pretrain", sampler, size)) == expected
    # a student's steps are its own
    for size in ("c12", "c48"):
        assert steps_of(SweepSpec.of(study, "distill", "lcm", size)) == [1, 2, 4, 8]


def test_the_fixed_setting_is_sampled_of_every_size(study):
    spec = SweepSpec.of(study, "pretrain", "ddim", "c48")
    fixed = study.sampling.fixed
    beyond = [cell for cell in spec.possible if cell.steps > 7]
    assert [(cell.steps, cell.guidance, cell.trained) for cell in beyond] == [
        (fixed.steps, fixed.guidance, None),
        (fixed.steps, fixed.guidance, *KEPT),
    ]
    assert all(cell in spec.cells for cell in beyond), "no search chooses among them"


def test_what_needs_several_sizes_takes_the_steps_of_all(study):
    def allocated(sizes):
        return {sum(cell.allocation) for cell in SweepSpec.of_stitched(study, sizes).possible}

    assert allocated("c20-c48") == {2, 4} and allocated("c20-c32") == set(STEPS)
    assert settings.few_and_most_steps(study) == [4, 4]
    assert settings.steps_near_fixed(study) == 4  # figures show the smallest and the largest
    assert IllustrateSpec.of(study, "c48", 0).steps == [2, 4]
    assert IllustrateSpec.of(study, "c12", 0).steps == STEPS


def test_tables_are_told_which_sizes_take_fewer_steps(study):
    def words(stage, sampler):
        wildcards = Wildcards(fromdict={"stage": stage, "sampler": sampler})
        steps, _, rest = grid_of(study)(wildcards).partition(" --guidance ")
        return steps, rest.partition(" --grid-of ")[2]

    assert words("pretrain", "ddim") == ("--steps 2 4 8 16", "c48 2,4 1.0,3.0,6.0,10.0,15.0")
    assert words("pretrain", "ddpm") == ("--steps 2 4 8", "c48 2,4 1.0,3.0,6.0,10.0,15.0")
    assert words("distill", "lcm") == ("--steps 1 2 4 8", "")


def test_without_a_cap_all_sizes_have_the_same_spec():
    free = changed()
    specs = {
        SweepSpec.of(free, "pretrain", "ddim", size).model_dump_json()
        for size in ("", *free.family.sizes)
    }
    assert len(specs) == 1
    assert "most_steps" not in json.loads(SearchCostSpec.of(free).model_dump_json())
