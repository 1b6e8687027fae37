"""Helpers of the rules of guidance searches.

Needs: rules/common.smk. Gives: functions that rules name.
"""

from ldm_scaling.workflow.searches import (
    sampler_of,
    searched_samplers,
    shown_grids,
    whole_grid,
)

# stage, size, training seed and sampler of the models whose guidance is searched
SEARCHED = [
    (stage, size, seed, sampler)
    for stage, size, seed in MODELS
    for kind, sampler in searched_samplers(STUDY)
    if kind == stage
]
# the names of cells at every scale
SAMPLER_GRID, FIXED_GRID = shown_grids(STUDY)
# stage and sampler of the cells that claims are decided by
CLAIMED = list(dict.fromkeys([*STAGES_AND_SAMPLERS, (stages.PRETRAIN, FIXED_GRID)]))


# ------------------------------------------------------------ inputs


def reference_of(spec):
    """The features of real images, where a sweep searches its guidance adaptively."""
    return ["<results>/cells/reference/test.safetensors"] if spec.search else []


def search_files(wildcards):
    """What a sweep of one model and sampler compares with, if it does."""
    return reference_of(SweepSpec.of(STUDY, wildcards.stage, wildcards.sampler))


def search_before(wildcards):
    """Of a whole grid the search that goes before: which images come together rounds them."""
    own = sampler_of(wildcards.sampler)
    folder = "<results>/cells/{stage}/{size}/seed{seed}/"
    return [f"{folder}{own}/cells.json"] if own != wildcards.sampler else []


def cells_of_searched(name):
    """A file's path for each model and sampler with a guidance to find, with cells of all scales."""
    return [
        f"<results>/cells/{stage}/{size}/seed{seed}/{whole_grid(STUDY, stage, sampler)}/{name}"
        for stage, size, seed, sampler in SEARCHED
    ]


def search_table(wildcards):
    """What adaptive searches save and miss, if there is a guidance to find."""
    return ["<results>/tables/search_cost.csv"] if SEARCHED else []


def tables_of_claims(name):
    """A table's path for each stage and sampler that claims are decided by."""
    return [f"<results>/tables/{stage}/{sampler}/{name}" for stage, sampler in CLAIMED]


# ------------------------------------------------------------ params


def search_claims_option(wildcards, input):
    """`--searches TABLE`, if there is one."""
    return [f"--searches {path}" for path in input.searches]


def search_option(wildcards, input):
    """The option that names the features of real images, where they are needed."""
    return [f"--reference {path}" for path in input.reference]


def sweep_state(wildcards):
    """Where sweeps of a model and sampler keep their state: of its whole grid too."""
    model = (wildcards.stage, wildcards.size, wildcards.seed)
    return work_dir("sweep")([*model, sampler_of(wildcards.sampler)])


def search_cost_spec(wildcards):
    """What decides what adaptive searches are worth."""
    return SearchCostSpec.of(STUDY).model_dump_json()


def searched_arguments(wildcards, input):
    """`--cells STAGE SIZE SEED SAMPLER FEATURES METRICS DRAWS` for each of them."""
    files = zip(SEARCHED, input.features, input.metrics, input.draws, strict=True)
    return [
        f"--cells {' '.join(map(str, model))} {features} {metrics} {draws}"
        for model, features, metrics, draws in files
    ]
