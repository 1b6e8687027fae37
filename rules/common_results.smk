"""Helpers of the rules of tables, figures and the report.

Needs: rules/common.smk, rules/common_search.smk. Gives: functions that rules name.
"""

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
