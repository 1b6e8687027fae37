"""Tidy tables: a rule for each line of kinds/tables.py, and those that are not alike.

Needs: <results>/cells, and what was counted of the family in <results>/models. Gives:
<results>/tables/*.csv, <results>/claims.md, and what the study would cost.
"""

from ldm_scaling.kinds.tables import TABLES as TABLE_KINDS
from ldm_scaling.workflow import collecting, settings, targets
from ldm_scaling.workflow.closure import closure, docstring
from ldm_scaling.workflow.specs.costs import LatencySpec

for table in TABLE_KINDS:
    made = targets.parts(table, STUDY)

    rule:
        name:
            table.name
        input:
            **made.inputs,
        output:
            **{
                option: report(path, **targets.told(path))
                for option, path in targets.tables_of(table, STUDY).items()
            },
            **targets.draws_of(table, STUDY),
        log:
            f"<logs>/{table.name}.log",
        benchmark:
            f"<benchmarks>/{table.name}.tsv"
        conda:
            ENVIRONMENT
        resources:
            mem_mb=table.memory,
            runtime=targets.runtime(table),
        params:
            **made.params,
        shell:
            "exec &> >(tee {log:q}); python -m {params.command}"

    getattr(rules, table.name).rule.docstring = docstring(
        f"ldm_scaling.{table.module}"
    )


rule family:
    """Parameters, GFLOPs and normalized cost of every size."""
    input:
        "<results>/models/family.csv",
    output:
        report("<results>/tables/family.csv", **targets.told("family.csv")),
    log:
        "<logs>/family.log",
    benchmark:
        "<benchmarks>/family.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "exec &> >(tee {log:q}); cp {input:q} {output:q}"


use rule family as retrieval with:
    """What the CLIP-like score is worth on unseen concepts."""
    input:
        "<results>/cells/reference/retrieval.csv",
    output:
        report("<results>/tables/retrieval.csv", **targets.told("retrieval.csv")),
    log:
        "<logs>/retrieval.log",
    benchmark:
        "<benchmarks>/retrieval.tsv"


rule collect:
    """The cells of a stage and sampler as tidy tables, with the best guidance of each step count."""
    input:
        metrics=collecting.files_of(STUDY),
        family=collecting.costs_of(STUDY),
        sources=closure("ldm_scaling.tables.collect"),
    output:
        cells="<results>/tables/{stage}/{sampler}/cells.csv",
        best="<results>/tables/{stage}/{sampler}/best.csv",
        draws="<results>/tables/{stage}/{sampler}/draws.safetensors",
    log:
        "<logs>/collect/{stage}_{sampler}.log",
    benchmark:
        "<benchmarks>/collect/{stage}_{sampler}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        metrics=collecting.options_of(STUDY),
        select_by=settings.metric(STUDY),
        grid=collecting.grid_of(STUDY),
        deviation=collecting.deviation_of(STUDY),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.collect {params.metrics} --family {input.family:q}"
        " --select-by {params.select_by:q} {params.grid} {params.deviation}"
        " --cells-out {output.cells:q} --best-out {output.best:q} --draws-out {output.draws:q}"


rule answer:
    """The best configuration for each budget of the figures, as `make answer` prints it."""
    input:
        frontier="<results>/tables/frontier.csv",
        family="<results>/tables/family.csv",
        sources=closure("ldm_scaling.answer.__main__"),
    output:
        report("<results>/answer.txt", **targets.told("answer.txt")),
    log:
        "<logs>/answer.log",
    benchmark:
        "<benchmarks>/answer.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        tables=subpath(input.frontier, parent=True),
        metric=settings.metric(STUDY),
        confidence=STUDY.metrics.confidence,
        budgets=[f"{budget:g}" for budget in STUDY.figures.budgets],
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.answer --tables {params.tables:q} --metric {params.metric:q}"
        " --confidence {params.confidence} --budget {params.budgets} --out {output:q}"


rule latency:
    """Seconds of a forward pass by size on this device; no other target needs it, none beside it."""
    input:
        pipelines=inputs.pipelines,
    output:
        report("<results>/tables/latency.csv", **targets.told("latency.csv")),
    log:
        "<logs>/latency.log",
    benchmark:
        "<benchmarks>/latency.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=hardware.family_memory,
        runtime=120,
        gpu=1,
        dtype="own",
    params:
        spec=options.spec(LatencySpec.of),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.costs.latency --spec {params.spec:q}"
        " --dtype {resources.dtype:q} --out {output:q}"
