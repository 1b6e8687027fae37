"""Stitched trajectories: one size denoises the first steps, another one the rest.

Needs: <results>/models of pretrained sizes, the autoencoder, the embeddings of the test captions,
<results>/tables of single sizes. Gives: features of its cells in
<results>/cells/stitch/{sizes}/seed{seed}/{sampler}, which rule `measure` measures as all others;
<results>/tables/stitch.csv and <results>/figures/stitch_vs_cost.pdf and .png.
"""


rule stitch:
    """All stitched trajectories as a tidy table, with what they cost."""
    input:
        metrics=stitched_cells("metrics.csv"),
        draws=stitched_cells("draws.safetensors"),
        family="<results>/tables/family.csv",
        module="src/ldm_scaling/tables/stitch.py",
        collect="src/ldm_scaling/tables/collect.py",
    output:
        table=table("<results>/tables/stitch.csv"),
        draws="<results>/tables/stitch/draws.safetensors",
    log:
        "<logs>/stitch.log",
    benchmark:
        "<benchmarks>/stitch.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        metrics=stitch_arguments,
        select_by=SELECT_BY,
        guidance=sorted(STUDY.sampling.guidance),
        sampler=stitched_sampler,  # the caption in the report names it
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.stitch {params.metrics} --family {input.family:q}"
        " --select-by {params.select_by:q} --guidance {params.guidance}"
        " --out {output.table:q} --draws-out {output.draws:q}"


rule stitch_vs_cost:
    """Stitched trajectories beside single sizes at the same sampling cost."""
    input:
        cells=stitched_beside("cells.csv"),
        draws=stitched_beside("draws.safetensors"),
        stitch="<results>/tables/stitch.csv",
        stitch_draws="<results>/tables/stitch/draws.safetensors",
        floors="<results>/tables/floors.csv",
        module="src/ldm_scaling/figures/stitch_vs_cost.py",
        stitched="src/ldm_scaling/tables/stitch.py",
        shared="src/ldm_scaling/figures/quality_curves.py",
        curves="src/ldm_scaling/tables/curves.py",
        values="src/ldm_scaling/tables/values.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("stitch_vs_cost", "Quality and cost"),
    log:
        "<logs>/stitch_vs_cost.log",
    benchmark:
        "<benchmarks>/stitch_vs_cost.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        metric=SELECT_BY,
        sampler=stitched_sampler,
        confidence=STUDY.metrics.confidence,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.stitch_vs_cost --cells {input.cells:q} {input.draws:q}"
        " --stitch {input.stitch:q} {input.stitch_draws:q} --floors {input.floors:q}"
        " --metric {params.metric:q} --confidence {params.confidence}"
        " --pdf {output.pdf:q} --png {output.png:q}"
