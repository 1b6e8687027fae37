"""Helpers of the rules of stitched trajectories.

Needs: rules/common.smk, rules/common_results.smk, rules/common_search.smk. Gives: functions that rules name.
"""

from types import SimpleNamespace

from ldm_scaling.study.stitch import SEPARATOR

TRAJECTORIES = stages.trajectories(STUDY)
# of cells that are measured: a stage and a size, or stitch and several sizes
MEASURED, SEQUENCE = r"[a-z_]+\d*|budget_[\w.-]+", r"c\d+(-c\d+){0,2}"


# ------------------------------------------------------------ inputs


def stitched_files(name):
    """A function of wildcards: a file of the model of each size, in their order."""

    def of_sizes(wildcards):
        return [f"{folder}/{name}" for folder in stitched_models(wildcards)]

    return of_sizes


def stitched_reference(wildcards):
    """What a sweep of trajectories compares with, if it searches its guidance."""
    return reference_of(SweepSpec.of_stitched(STUDY, wildcards.sizes))


def stitched_cells(name):
    """A function of wildcards: a file of the cells of all trajectories."""

    def of_study(wildcards):
        sampler = stages.stitched_sampler(STUDY)
        return [
            f"<results>/cells/stitch/{sizes}/seed{seed}/{sampler}/{name}"
            for sizes, seed in TRAJECTORIES
        ]

    return of_study


def stitched_beside(name):
    """A function of wildcards: a table of the single sizes, with the sampler of trajectories."""

    def of_study(wildcards):
        return f"<results>/tables/pretrain/{stages.stitched_sampler(STUDY)}/{name}"

    return of_study


def stitch_table(wildcards):
    """The table of trajectories and the draws beside it, if there are any."""
    names = ("stitch.csv", "stitch/draws.safetensors")
    return [f"<results>/tables/{name}" for name in names] if STUDY.stitch else []


# ------------------------------------------------------------ params


def stitched_models(wildcards):
    """The folder of the model of each size, in their order."""
    return [
        f"{STUDY.results}/models/pretrain/{size}/seed{wildcards.seed}"
        for size in wildcards.sizes.split(SEPARATOR)
    ]


def stitched_option(wildcards):
    """The options that name the model that begins, and those that take over."""
    first, *others = stitched_models(wildcards)
    return [f"--model {first}", *(f"--then {folder}" for folder in others)]


def stitch_spec(wildcards):
    """What decides the cells of a trajectory's sizes. Raises StudyError for another sampler."""
    own = stages.stitched_sampler(STUDY)
    if wildcards.sampler != own:
        raise StudyError(
            f"config key stitch.sampler: trajectories are sampled by {own}, not by"
            f" {wildcards.sampler}"
        )
    return SweepSpec.of_stitched(STUDY, wildcards.sizes).model_dump_json()


def sampled(wildcards):
    """The cells that a job measures: of a stage and a sampler, or of sizes that are stitched."""
    if wildcards.stage == stages.STITCH:
        return SweepSpec.of_stitched(STUDY, wildcards.size)
    return SweepSpec.of(STUDY, wildcards.stage, wildcards.sampler)


def stitch_arguments(wildcards, input):
    """`--metrics SIZES SEED SAMPLER METRICS DRAWS` for each trajectory's sizes and seed."""
    sampler = stages.stitched_sampler(STUDY)
    return [
        f"--metrics {sizes} {seed} {sampler} {metrics} {draws}"
        for (sizes, seed), metrics, draws in zip(
            TRAJECTORIES, input.metrics, input.draws, strict=True
        )
    ]


def stitch_claims_option(wildcards, input):
    """`--stitch TABLE DRAWS`, if there are trajectories."""
    return f"--stitch {input.stitch}" if input.stitch else ""


def stitched_sampler(wildcards):
    """How trajectories are sampled."""
    return stages.stitched_sampler(STUDY)


# ------------------------------------------------------------ hardware


def of_largest(getter):
    """A function of wildcards: what a getter of rules/hardware.smk says of the largest size."""

    def of_sizes(wildcards):
        return getter(SimpleNamespace(size=max(sizes_of(wildcards), key=channels)))

    return of_sizes


def sizes_of(wildcards):
    """The sizes of a trajectory."""
    return wildcards.sizes.split(SEPARATOR)


def stitched_memory(wildcards):
    """MB: no more than sampling every one of the sizes by itself."""
    return sum(
        sampling_memory(SimpleNamespace(size=size)) for size in sizes_of(wildcards)
    )
