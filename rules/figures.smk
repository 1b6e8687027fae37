"""Figures, each a pure function of tables and sampled images: a rule for each line of kinds/figures.py.

Needs: <results>/tables, <results>/cells, <results>/data. Gives: <results>/figures/{name}.pdf and .png.
"""

from ldm_scaling.kinds.figures import FIGURES as FIGURE_KINDS
from ldm_scaling.workflow import targets
from ldm_scaling.workflow.closure import docstring

for figure in FIGURE_KINDS:
    made = targets.parts(figure, STUDY)

    rule:
        name:
            figure.name
        input:
            **made.inputs,
        output:
            pdf=f"<results>/figures/{figure.name}.pdf",
            png=report(
                f"<results>/figures/{figure.name}.png",
                caption=f"../report/figures/{figure.name}.rst",
                category=figure.category,
                labels=targets.label(figure, made),
            ),
        log:
            f"<logs>/{figure.name}.log",
        benchmark:
            f"<benchmarks>/{figure.name}.tsv"
        conda:
            ENVIRONMENT
        resources:
            mem_mb=2000,
            runtime=20,
        params:
            **made.params,
        shell:
            "exec &> >(tee {log:q}); python -m {params.command}"

    getattr(rules, figure.name).rule.docstring = docstring(
        f"ldm_scaling.figures.{figure.name}"
    )
