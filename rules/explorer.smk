"""The explorer: one page for a browser that shows what a study has measured.

Needs: <results>/tables, <results>/cells, <results>/data. Gives: <results>/explorer.html.
"""

from ldm_scaling.workflow import explorer, targets


rule explorer:
    """Curves, the choice for each budget, images, claims and costs: a page that needs no network."""
    input:
        **explorer.inputs(STUDY),
    output:
        report("<results>/explorer.html", **targets.told("explorer.html")),
    log:
        "<logs>/explorer.log",
    benchmark:
        "<benchmarks>/explorer.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        tables=subpath(input.frontier, parent=True),
        images=explorer.images(STUDY),
        study=targets.literal(STUDY.model_dump_json()),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.explorer --tables {params.tables:q} --out {output:q}"
        " --study {params.study:q} --captions {input.captions:q} {params.images:q}"
