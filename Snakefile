"""Scaling study of latent diffusion models: data -> latents -> models -> cells -> tables -> figures.

The study is config.yaml, overlaid by `--configfile=studies/<name>.yaml`. Every figure is a target.
"""

import sys

from snakemake.utils import min_version

min_version("9.25")
# workflow.basedir of a module is that of the workflow that includes it
sys.path.insert(0, f"{workflow.current_basedir}/src")

from ldm_scaling.workflow import entry, paths, patterns
from ldm_scaling.workflow.entry import ENVIRONMENT
from ldm_scaling.workflow.hardware import Hardware
from ldm_scaling.workflow.inputs import Inputs
from ldm_scaling.workflow.options import Options


configfile: entry.configfile(workflow)


STUDY = entry.begin(workflow, config)


if entry.is_main(workflow):

    report: "report/workflow.rst"


container: entry.image


pathvars:
    **paths.pathvars(STUDY),


inputs, options, hardware = Inputs(STUDY), Options(STUDY), Hardware(STUDY)


wildcard_constraints:
    **patterns.wildcards(STUDY),


include: "rules/targets.smk"


rule all:
    """Every table and figure of the study, and the page to explore them."""
    input:
        rules.figures.input,
        rules.tables.input,
        "<results>/explorer.html",
    localrule: True


include: "rules/data.smk"
include: "rules/latents.smk"
include: "rules/costs.smk"
include: "rules/models.smk" if STUDY.trains else "rules/adopted.smk"
include: "rules/export.smk"
include: "rules/cells.smk"
include: "rules/bias.smk"
include: "rules/candidates.smk"
include: "rules/inversion.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/explorer.smk"
