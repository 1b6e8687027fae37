"""Figures of super-resolution.

Needs: <results>/tables, <results>/cells of its stages, low-resolution images and their originals.
Gives: <results>/figures/{name}.pdf and .png.
"""


rule sr_compute:
    """Metrics of super-resolution against the compute of finetuning."""
    input:
        cells=superres_tables("cells.csv"),
        draws=superres_tables("draws.safetensors"),
        baselines="<results>/tables/superres_baselines.csv",
        module="src/ldm_scaling/figures/sr_compute.py",
        shared="src/ldm_scaling/figures/train_compute.py",
        values="src/ldm_scaling/tables/values.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("sr_compute", "Super-resolution"),
    log:
        "<logs>/sr_compute.log",
    benchmark:
        "<benchmarks>/sr_compute.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        cells=cells_arguments,
        metrics=superres_metrics,
        setting=superres_setting,
        images=superres_images,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.sr_compute {params.cells}"
        " --baselines {input.baselines:q} --metrics {params.metrics:q} {params.setting}"
        " --images {params.images} --pdf {output.pdf:q} --png {output.png:q}"


rule sr_vs_cost:
    """Super-resolution against sampling cost, at few steps and at many."""
    input:
        cells=superres_tables("cells.csv"),
        draws=superres_tables("draws.safetensors"),
        baselines="<results>/tables/superres_baselines.csv",
        module="src/ldm_scaling/figures/sr_vs_cost.py",
        shared="src/ldm_scaling/figures/quality_curves.py",
        curves="src/ldm_scaling/tables/curves.py",
        values="src/ldm_scaling/tables/values.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("sr_vs_cost", "Super-resolution"),
    log:
        "<logs>/sr_vs_cost.log",
    benchmark:
        "<benchmarks>/sr_vs_cost.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        metric=SELECT_BY,
        confidence=STUDY.metrics.confidence,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.sr_vs_cost --cells {input.cells[0]:q} {input.draws[0]:q}"
        " --floors {input.baselines:q} --metric {params.metric:q}"
        " --confidence {params.confidence} --pdf {output.pdf:q} --png {output.png:q}"


rule sr_samples:
    """The same low-resolution images enlarged by every size."""
    input:
        images=shown_models(
            STUDY.family.sizes, f"{FIXED.sampler}/images.safetensors", stages.SUPERRES
        ),
        enlarged="<results>/data/superres/validation.safetensors",
        originals=reference("<results>/data/SPLIT.safetensors", superres=True),
        captions=reference("<results>/data/SPLIT.csv", superres=True),
        family="<results>/tables/family.csv",
        module="src/ldm_scaling/figures/sr_samples.py",
        samples="src/ldm_scaling/figures/samples.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("sr_samples", "Super-resolution"),
    log:
        "<logs>/sr_samples.log",
    benchmark:
        "<benchmarks>/sr_samples.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        images=images_arguments(STUDY.family.sizes),
        drawn_with=FIXED.sampler,  # with the steps, what the caption in the report names
        steps=superres_steps,
        prompts=STUDY.figures.prompts,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.sr_samples {params.images}"
        " --captions {input.captions:q} --prompts {params.prompts}"
        " --enlarged {input.enlarged:q} --originals {input.originals:q}"
        " --family {input.family:q} --sampler {params.drawn_with:q} --steps {params.steps}"
        " --pdf {output.pdf:q} --png {output.png:q}"
