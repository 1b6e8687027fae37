"""Stitched trajectories: one size denoises the first steps, another one the rest.

Needs: <results>/models of pretrained sizes, the autoencoder, the embeddings of the test captions,
<results>/tables of single sizes. Gives: features of its cells in
<results>/cells/stitch/{sizes}/seed{seed}/{sampler}, which rule `measure` measures as all others;
<results>/tables/stitch.csv and <results>/figures/stitch_vs_cost.pdf and .png.
"""


rule sample_stitched:
    """Sample every (steps, allocation, guidance) of a sequence of sizes, or few as `sweep`."""
    input:
        weights=stitched_files("unet/diffusion_pytorch_model.safetensors"),
        config=stitched_files("unet/config.json"),
        summary=stitched_files("summary.json"),
        autoencoder=autoencoder_files,
        text="<results>/latents/text_test.safetensors",
        extractor=extractor_files,
        clip=clip_files,
        reference=stitched_reference,
    output:
        features="<results>/cells/stitch/{sizes}/seed{seed}/{sampler}/features.safetensors",
        records="<results>/cells/stitch/{sizes}/seed{seed}/{sampler}/cells.json",
        images="<results>/cells/stitch/{sizes}/seed{seed}/{sampler}/images.safetensors",
    log:
        "<logs>/sample_stitched/{sizes}_seed{seed}_{sampler}.log",
    benchmark:
        "<benchmarks>/sample_stitched/{sizes}_seed{seed}_{sampler}.tsv"
    wildcard_constraints:
        sizes=r"c\d+(-c\d+){1,2}",
    priority: of_largest(large_first)
    conda:
        ENVIRONMENT
    threads: of_largest(sampling_threads)
    resources:
        mem_mb=stitched_memory,
        runtime=walltime,
        gpu=of_largest(sampling_gpus),
        nodes=1,
        batch=of_largest(sampling_batch),
    params:
        spec=stitch_spec,
        models=stitched_option,
        autoencoder=AUTOENCODER,
        revision=autoencoder_revision,
        measuring=measuring_options,
        reference=search_option,
        out=subpath(output.records, parent=True),
        work=work_dir("sample_stitched"),
    shell:
        "exec &> >(tee {log:q}); "
        + LAUNCH
        + "$launch -m ldm_scaling.cells.sweep --spec {params.spec:q} {params.models}"
        " --autoencoder {params.autoencoder:q} {params.revision}"
        " --text {input.text:q} {params.measuring} {params.reference} --out {params.out:q}"
        " --work-dir {params.work:q} --gpus {resources.gpu}"
        " --batch {resources.batch}"


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
