"""Subjects that every size is taught: DreamBooth.

Needs: <results>/models/pretrain, the splits or a folder of subjects, the autoencoder, the text
encoder, and what scores images. Gives: <results>/data/subjects.safetensors and .csv,
<results>/latents/subjects.safetensors, a diffusers folder a subject and a file of class images in
<results>/models/dreambooth/{size}/seed{seed}, scores and images in
<results>/cells/dreambooth/{size}/seed{seed}, <results>/tables/dreambooth.csv and two figures.
"""


rule dreambooth_table:
    """How well each size keeps subjects, prompts and classes, with intervals."""
    input:
        scores=scores_of_subjects,
        subjects="<results>/data/subjects.csv",
        family="<results>/tables/family.csv",
        module="src/ldm_scaling/tables/dreambooth.py",
        values="src/ldm_scaling/tables/values.py",
    output:
        table=table("<results>/tables/dreambooth.csv"),
        draws="<results>/tables/dreambooth/draws.safetensors",
    log:
        "<logs>/dreambooth_table.log",
    benchmark:
        "<benchmarks>/dreambooth_table.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        scores=scores_arguments,
        sampler=FIXED.sampler,
        setting=FIXED_SETTING,
        bootstrap=STUDY.metrics.bootstrap,
        seed=STUDY.seed,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.dreambooth {params.scores}"
        " --subjects {input.subjects:q} --family {input.family:q}"
        " --sampler {params.sampler:q} {params.setting} --bootstrap {params.bootstrap}"
        " --seed {params.seed} --table-out {output.table:q} --draws-out {output.draws:q}"


rule dreambooth_scores:
    """Scores of subjects against size, before and after."""
    input:
        table="<results>/tables/dreambooth.csv",
        draws="<results>/tables/dreambooth/draws.safetensors",
        module="src/ldm_scaling/figures/dreambooth_scores.py",
        scores="src/ldm_scaling/tables/dreambooth.py",
        values="src/ldm_scaling/tables/values.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("dreambooth_scores", "DreamBooth"),
    log:
        "<logs>/dreambooth_scores.log",
    benchmark:
        "<benchmarks>/dreambooth_scores.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        sampler=FIXED.sampler,
        confidence=STUDY.metrics.confidence,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.dreambooth_scores --table {input.table:q}"
        " --draws {input.draws:q} --confidence {params.confidence}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule dreambooth_samples:
    """Subjects beside what each size makes of them with the same noise."""
    input:
        scores=shown_scores,
        subjects="<results>/data/subjects.csv",
        images="<results>/data/subjects.safetensors",
        family="<results>/tables/family.csv",
        module="src/ldm_scaling/figures/dreambooth_samples.py",
        samples="src/ldm_scaling/figures/samples.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("dreambooth_samples", "DreamBooth"),
    log:
        "<logs>/dreambooth_samples.log",
    benchmark:
        "<benchmarks>/dreambooth_samples.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        images=shown_scores_arguments,
        prompts=dreambooth_prompts,
        sampler=FIXED.sampler,
        steps=FIXED.steps,
        guidance=FIXED.guidance,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.dreambooth_samples {params.images}"
        " --subjects {input.subjects:q} --real {input.images:q} --prompts {params.prompts:q}"
        " --family {input.family:q}"
        " --sampler {params.sampler:q} --steps {params.steps} --guidance {params.guidance}"
        " --pdf {output.pdf:q} --png {output.png:q}"
