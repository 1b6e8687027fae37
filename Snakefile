"""Scaling study of latent diffusion models: data -> latents -> models -> cells -> tables -> figures.

The study is config.yaml, overlaid by `--configfile=studies/<name>.yaml`. Every figure is a target.
What a rule needs and gives stands at the top of its file.
"""

from snakemake.utils import min_version

min_version("9.25")


configfile: "config.yaml"


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/hardware.smk"
include: "rules/common_superres.smk"
include: "rules/common_search.smk"
include: "rules/common_results.smk"
include: "rules/common_dreambooth.smk"
include: "rules/common_stitch.smk"
include: "rules/common_param_budget.smk"


pathvars:
    results=STUDY.results,
    logs=f"{STUDY.results}/logs",
    benchmarks=f"{STUDY.results}/benchmarks",


wildcard_constraints:
    split="train|validation|test",
    stage=r"pretrain|distill|guided_distill\d+|superres(_scratch)?|budget_[\w.-]+",
    steps=r"\d+",
    size=r"c\d+",
    seed=r"\d+",
    sampler=r"[a-z]+(_grid)?",
    kind="models|datasets",
    revision="[0-9a-f]{40}",
    part=r"\d+",
    subject=r"\d+",
    cell=r"steps\d+_guidance[\d.]+(_trained[\d.]+|_stitched\d+(-\d+)+)?",


localrules:
    all,


rule all:
    """Every table and figure of the study."""
    input:
        expand("<results>/figures/{name}.{kind}", name=FIGURES, kind=["pdf", "png"]),
        expand("<results>/tables/{name}.csv", name=TABLES),
        "<results>/claims.md",


include: "rules/downloads.smk"
include: "rules/data.smk"
include: "rules/latents.smk"
include: "rules/models.smk"
include: "rules/superres.smk"
include: "rules/cells.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/sample_figures.smk"
include: "rules/distill_figures.smk"
include: "rules/superres_figures.smk"
include: "rules/dreambooth.smk"
include: "rules/stitch.smk"
include: "rules/search.smk"
include: "rules/param_budget.smk"
include: "rules/targets.smk"
