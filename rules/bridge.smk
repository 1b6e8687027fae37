"""Helpers of the rules of tables and figures, until those are made from their registry."""

import shlex
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from ldm_scaling.study.distill import FEW_STEPS
from ldm_scaling.study.fields import StudyError
from ldm_scaling.workflow import needed, stages, targets
from ldm_scaling.workflow.searches import (
    sampler_of,
    searched_samplers,
    shown_grids,
    whole_grid,
)
from ldm_scaling.workflow.specs.claims import ClaimsSpec
from ldm_scaling.workflow.specs.costs import CostSpec, LatencySpec
from ldm_scaling.workflow.specs.measuring import MeasureSpec
from ldm_scaling.workflow.specs.tables import ParamBudgetSpec, SearchCostSpec

SPECS = SimpleNamespace(
    measure=partial(MeasureSpec.of, STUDY),
    cost=partial(CostSpec.of, STUDY),
    latency=partial(LatencySpec.of, STUDY),
)
FIGURES = targets.of_study(targets.FIGURES, STUDY)
TABLES = targets.of_study(targets.TABLES, STUDY)
clip_like_files, clip_like_option = inputs.clip_like, options.clip_like
family_memory, walltime = hardware.family_memory, hardware.walltime


def reference(pattern, superres=None):
    """A function of wildcards: the file on the real images that a job compares with."""
    folder, name = pattern.removeprefix("<results>/").rsplit("/", 1)
    return inputs.compared(folder, name.split(".")[1], superres)


def claims_spec(study, _):
    """What decides the claims."""
    return ClaimsSpec.of(study)


SELECT_BY = STUDY.metrics.names[STUDY.metrics.select_by]
ALIGNMENT = STUDY.metrics.alignment
CLAIM_MODULES = [
    f"src/ldm_scaling/claims/{path.name}"
    for path in sorted(Path(entry.REPOSITORY, "src/ldm_scaling/claims").glob("*.py"))
]
MODELS = stages.models(STUDY)
SAMPLER = STUDY.sampling.samplers[0]
FIXED = STUDY.sampling.fixed
FIXED_SETTING = (
    f"--steps {FIXED.steps} --guidance {FIXED.guidance:g}"
    f" --confidence {STUDY.metrics.confidence:g}"
)
STAGES_AND_SAMPLERS = [
    (stage, sampler)
    for stage, samplers in stages.samplers(STUDY).items()
    for sampler in samplers
]


def whole_study(wildcards):
    """The study; a function, since it has braces of its own, which are no wildcards."""
    return STUDY.model_dump_json()


def superres_settings():
    """The section superres. Raises StudyError if the study has none."""
    if STUDY.superres is None:
        raise StudyError("config key superres: is null; nothing is enlarged")
    return STUDY.superres


def superres_tables(name):
    """A function of wildcards: a table of finetuned models, then that of those from scratch."""

    def of_study(wildcards):
        superres_settings()
        return [
            f"<results>/tables/{stage}/{sampler}/{name}"
            for stage, sampler in STAGES_AND_SAMPLERS
            if stages.is_superres(stage)
        ]

    return of_study


def superres_metrics(wildcards):
    """The metrics that figures of super-resolution show, the choosing one first."""
    more = [
        name
        for name in MeasureSpec.of(STUDY, stages.SUPERRES).names
        if name != SELECT_BY
    ]
    return [
        SELECT_BY,
        *(name for name in more if name not in STUDY.metrics.names.values()),
    ]


def superres_setting(wildcards):
    """The options that name the steps of checkpoints' cells, and the intervals' confidence."""
    steps, confidence = superres_settings().fixed_steps, STUDY.metrics.confidence
    return f"--steps {steps} --confidence {confidence:g}"


def superres_images(wildcards):
    """Images that finetuning sees."""
    return superres_settings().images


def superres_steps(wildcards):
    """Steps of the cells that are compared along the finetuning."""
    return superres_settings().fixed_steps


SEARCHED = [
    (stage, size, seed, sampler)
    for stage, size, seed in MODELS
    for kind, sampler in searched_samplers(STUDY)
    if kind == stage
]
SAMPLER_GRID, FIXED_GRID = shown_grids(STUDY)
CLAIMED = list(dict.fromkeys([*STAGES_AND_SAMPLERS, (stages.PRETRAIN, FIXED_GRID)]))


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


def search_claims_option(wildcards, input):
    """`--searches TABLE`, if there is one."""
    return [f"--searches {path}" for path in input.searches]


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


def scores_of_subjects(wildcards):
    """The scores of all models that were taught subjects."""
    return [
        f"<results>/cells/dreambooth/{size}/seed{seed}/scores.safetensors"
        for size, seed in taught_models(STUDY.training.seeds)
    ]


def shown_scores(wildcards):
    """The same of the first training seed: the one that figures show."""
    return [
        f"<results>/cells/dreambooth/{size}/seed{seed}/scores.safetensors"
        for size, seed in taught_models(STUDY.training.seeds[:1])
    ]


def dreambooth_table(wildcards):
    """The table of scores and the draws beside it, if there are subjects."""
    names = ("dreambooth.csv", "dreambooth/draws.safetensors")
    return [f"<results>/tables/{name}" for name in names] if STUDY.dreambooth else []


def taught_models(seeds):
    """Size and training seed of the models that are taught subjects, of these seeds."""
    needed.dreambooth(STUDY)  # says so where the study has no subjects
    return [model for model in stages.taught(STUDY) if model[1] in seeds]


def scores_arguments(wildcards, input):
    """`--scores SIZE SEED SCORES` for each model that was taught subjects."""
    models = taught_models(STUDY.training.seeds)
    return [
        f"--scores {size} {seed} {path}"
        for (size, seed), path in zip(models, input.scores, strict=True)
    ]


def shown_scores_arguments(wildcards, input):
    """`--images SIZE SCORES` for each size that was taught subjects."""
    models = taught_models(STUDY.training.seeds[:1])
    return [
        f"--images {size} {path}"
        for (size, _), path in zip(models, input.scores, strict=True)
    ]


def dreambooth_claims_option(wildcards, input):
    """`--dreambooth TABLE DRAWS`, if there are subjects."""
    return f"--dreambooth {input.dreambooth}" if input.dreambooth else ""


def dreambooth_prompts(wildcards):
    """The prompts of the scores."""
    return needed.dreambooth(STUDY).prompts


TRAJECTORIES = stages.trajectories(STUDY)


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


def cells_of_pairs(name):
    """A function of wildcards: a file's path for the cells of each pair and training seed."""

    def of_study(wildcards):
        needed.param_budget(STUDY)  # says so where the study has none
        return [
            f"<results>/cells/{stage}/{size}/seed{seed}/{FIXED.sampler}/{name}"
            for stage, size, seed in stages.pairs(STUDY)
        ]

    return of_study


def param_budget_table(wildcards):
    """The table of pairs and the draws beside it, if there are pairs."""
    names = ("param_budget.csv", "param_budget/draws.safetensors")
    return [f"<results>/tables/{name}" for name in names] if STUDY.param_budget else []


def param_budget_spec(wildcards):
    """What decides the comparison of splits."""
    return ParamBudgetSpec.of(STUDY).model_dump_json()


def pairs_arguments(wildcards, input):
    """`--metrics ENCODER SIZE SEED METRICS DRAWS` for each pair and training seed."""
    return [
        f"--metrics {stage.removeprefix(stages.BUDGET)} {size} {seed} {metrics} {draws}"
        for (stage, size, seed), metrics, draws in zip(
            stages.pairs(STUDY), input.metrics, input.draws, strict=True
        )
    ]


def param_budget_claims_option(wildcards, input):
    """`--param-budget TABLE DRAWS`, if there are pairs."""
    return f"--param-budget {input.param_budget}" if input.param_budget else ""


# ------------------------------------------------------------ inputs


def cells_of_models(name):
    """A function of wildcards: a file's path for each model of a stage, with a sampler."""

    def of_sampler(wildcards):
        return [
            f"<results>/cells/{stage}/{size}/seed{seed}/{wildcards.sampler}/{name}"
            for stage, size, seed in MODELS
            if stage == wildcards.stage
        ]

    return of_sampler


def tables_of_samplers(name):
    """A table's path for each stage and sampler."""
    return [
        f"<results>/tables/{stage}/{sampler}/{name}"
        for stage, sampler in STAGES_AND_SAMPLERS
    ]


def tables_of_all_sizes(name):
    """A table's path for each sampler of the pretrained models, and of the students of all sizes."""
    return [
        f"<results>/tables/{stage}/{sampler}/{name}"
        for stage, sampler in STAGES_AND_SAMPLERS
        if stage in (stages.PRETRAIN, stages.DISTILL)
    ]


def best_table(sampler):
    """The table of the best guidance of each pretrained model and step count, with a sampler."""
    return f"<results>/tables/pretrain/{sampler}/best.csv"


def cells_table(sampler):
    """The table of all cells of the pretrained models, with a sampler."""
    return f"<results>/tables/pretrain/{sampler}/cells.csv"


def draws_of_cells(sampler):
    """What resamples give instead of the values of `cells_table`."""
    return f"<results>/tables/pretrain/{sampler}/draws.safetensors"


def tables_of_students(kind, name):
    """A function of wildcards: a table of the undistilled models, then one of each student stage."""

    def of_study(wildcards):
        students = [pair for pair in STAGES_AND_SAMPLERS if pair[0].startswith(kind)]
        if not students:
            raise StudyError(f"config key {kind}: is null; nothing is distilled")
        return [
            f"<results>/tables/{stage}/{sampler}/{name}"
            for stage, sampler in [(stages.PRETRAIN, FIXED.sampler), *students]
        ]

    return of_study


def shown_models(sizes, name, stage=stages.PRETRAIN):
    """A file of the cells of each size, of the first training seed: the one that figures show."""
    seed = STUDY.training.seeds[0]
    return [f"<results>/cells/{stage}/{size}/seed{seed}/{name}" for size in sizes]


# ------------------------------------------------------------ params


def steps_up_to(most):
    """The most steps of the grid that are not more than these, else its fewest."""
    grid = STUDY.sampling.steps
    return max((steps for steps in grid if steps <= most), default=min(grid))


def images_arguments(sizes, name="images"):
    """A function of a job's inputs: `--images SIZE FILE` for each size, or another name."""

    def of_job(wildcards, input):
        pairs = zip(sizes, input[name], strict=True)
        return [f"--{name} {size} {path}" for size, path in pairs]

    return of_job


def metrics_arguments(wildcards, input):
    """`--metrics STAGE SIZE SEED SAMPLER METRICS DRAWS` for each model."""
    models = [model for model in MODELS if model[0] == wildcards.stage]
    sampler = sampler_of(wildcards.sampler)
    return [
        f"--metrics {stage} {size} {seed} {sampler} {metrics} {draws}"
        for (stage, size, seed), metrics, draws in zip(
            models, input.metrics, input.draws, strict=True
        )
    ]


def grid_arguments(wildcards):
    """`--steps COUNTS --guidance SCALES`: the grid at which the models of a stage are sampled."""
    steps, guidance = stages.grid(STUDY, wildcards.stage)
    return f"--steps {shlex.join(map(str, steps))} --guidance {shlex.join(map(str, guidance))}"


def claims_arguments(wildcards, input):
    """`--cells STAGE SAMPLER CELLS DRAWS` for each stage and sampler."""
    return [
        f"--cells {stage} {sampler} {cells} {draws}"
        for (stage, sampler), cells, draws in zip(
            CLAIMED, input.cells, input.draws, strict=True
        )
    ]


def cells_arguments(wildcards, input):
    """`--cells CELLS DRAWS` for each table of cells."""
    return [
        f"--cells {cells} {draws}"
        for cells, draws in zip(input.cells, input.draws, strict=True)
    ]


# ------------------------------------------------------------ outputs that the report shows


def figure(name, category):
    """The files of a figure; the report shows the png with report/figures/{name}.rst."""
    pdf, png = multiext(f"<results>/figures/{name}", pdf=".pdf", png=".png")
    caption = f"../report/figures/{name}.rst"
    return [pdf, report(png, caption=caption, category=category, labels=figure_labels)]


def figure_labels(wildcards, output, params):
    """What the report lists a figure as. One label: it may make a switch of a second one."""
    name, sampler = Path(output.png).stem, params.get("sampler")
    return {"figure": f"{name} ({sampler})" if sampler else name}


def table(path):
    """A table or text; the report offers it with report/tables/{stem of its name}.rst."""
    caption = f"../report/tables/{Path(path).stem}.rst"
    labels = {"table": Path(path).name}
    return report(path, caption=caption, category="Tables", labels=labels)
