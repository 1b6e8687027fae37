"""Subjects that every size is taught: DreamBooth.

Needs: <results>/models/pretrain, the splits or a folder of subjects, the autoencoder, the text
encoder, and what scores images. Gives: <results>/data/subjects.safetensors and .csv,
<results>/latents/subjects.safetensors, a diffusers folder a subject and a file of class images in
<results>/models/dreambooth/{size}/seed{seed}, scores and images in
<results>/cells/dreambooth/{size}/seed{seed}, <results>/tables/dreambooth.csv and two figures.
"""


rule prepare_subjects:
    """Choose the subjects and pack their images."""
    input:
        subject_files,
    output:
        images="<results>/data/subjects.safetensors",
        table="<results>/data/subjects.csv",
    log:
        "<logs>/prepare_subjects.log",
    benchmark:
        "<benchmarks>/prepare_subjects.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        spec=subjects_spec,
        source=subject_source,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.subjects --spec {params.spec:q} {params.source}"
        " --images-out {output.images:q} --table-out {output.table:q}"


rule encode_subjects:
    """Turn subjects' images into latents, and the prompts that name them into embeddings."""
    input:
        images="<results>/data/subjects.safetensors",
        table="<results>/data/subjects.csv",
        autoencoder=autoencoder_files,
        encoder=text_encoder_files,
    output:
        "<results>/latents/subjects.safetensors",
    log:
        "<logs>/encode_subjects.log",
    benchmark:
        "<benchmarks>/encode_subjects.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=60,
        gpu=1,
    params:
        spec=encode_subjects_spec,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.latents.encode_subjects --spec {params.spec:q}"
        " --images {input.images:q} --table {input.table:q} --out {output:q}"


rule sample_prior:
    """Sample images of the subjects' classes from a pretrained model."""
    input:
        model=pretrained_files,
        subjects="<results>/latents/subjects.safetensors",
    output:
        "<results>/models/dreambooth/{size}/seed{seed}/prior.safetensors",
    log:
        "<logs>/sample_prior/{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/sample_prior/{size}_seed{seed}.tsv"
    priority: large_first
    conda:
        ENVIRONMENT
    resources:
        mem_mb=model_memory,
        runtime=walltime,
        gpu=1,
        batch=sampling_batch,
    params:
        spec=prior_spec,
        model=pretrained_folder,
        work=work_dir("sample_prior"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.models.prior --spec {params.spec:q} --model {params.model:q}"
        " --subjects {input.subjects:q} --out {output:q} --work-dir {params.work:q}"
        " --gpus {resources.gpu} --batch {resources.batch}"


rule dreambooth:
    """Teach one pretrained model one subject."""
    input:
        model=pretrained_files,
        subjects="<results>/latents/subjects.safetensors",
        prior="<results>/models/dreambooth/{size}/seed{seed}/prior.safetensors",
    output:
        weights="<results>/models/dreambooth/{size}/seed{seed}/subject{subject}/unet/diffusion_pytorch_model.safetensors",
        config="<results>/models/dreambooth/{size}/seed{seed}/subject{subject}/unet/config.json",
        kept="<results>/models/dreambooth/{size}/seed{seed}/subject{subject}/kept.safetensors",
        scheduler="<results>/models/dreambooth/{size}/seed{seed}/subject{subject}/scheduler/scheduler_config.json",
        metrics="<results>/models/dreambooth/{size}/seed{seed}/subject{subject}/metrics.jsonl",
        summary="<results>/models/dreambooth/{size}/seed{seed}/subject{subject}/summary.json",
    log:
        "<logs>/dreambooth/{size}_seed{seed}_subject{subject}.log",
    benchmark:
        "<benchmarks>/dreambooth/{size}_seed{seed}_subject{subject}.tsv"
    priority: large_first
    conda:
        ENVIRONMENT
    resources:
        mem_mb=training_memory,
        runtime=walltime,
        gpu=1,
        micro_batch=micro_batch,
        switches=teaching_switches,
    params:
        spec=dreambooth_spec,
        model=pretrained_folder,
        out=subpath(output.summary, parent=True),
        work=work_dir("dreambooth"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.models.dreambooth --spec {params.spec:q}"
        " --model {params.model:q} --subjects {input.subjects:q} --prior {input.prior:q}"
        " --out {params.out:q} --work-dir {params.work:q} --gpus {resources.gpu}"
        " --micro-batch {resources.micro_batch} {resources.switches}"


rule score_subjects:
    """Sample subjects' prompts from a model before and after, and score the images."""
    input:
        model=pretrained_files,
        taught=taught_files,
        autoencoder=autoencoder_files,
        subjects="<results>/latents/subjects.safetensors",
        images="<results>/data/subjects.safetensors",
        table="<results>/data/subjects.csv",
        extractor=extractor_files,
        clip=subject_clip_files,
        clip_like=clip_like_files,
        dino=dino_files,
    output:
        "<results>/cells/dreambooth/{size}/seed{seed}/scores.safetensors",
    log:
        "<logs>/score_subjects/{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/score_subjects/{size}_seed{seed}.tsv"
    priority: large_first
    conda:
        ENVIRONMENT
    resources:
        mem_mb=model_memory,
        runtime=walltime,
        gpu=1,
        batch=sampling_batch,
    params:
        spec=score_subjects_spec,
        model=pretrained_folder,
        taught=taught_folders,
        autoencoder=AUTOENCODER,
        revision=autoencoder_revision,
        weights=subject_weights_option,
        clip_like=clip_like_option,
        work=work_dir("score_subjects"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.score_subjects --spec {params.spec:q}"
        " --model {params.model:q} --taught {params.taught:q}"
        " --autoencoder {params.autoencoder:q} {params.revision}"
        " --subjects {input.subjects:q} --images {input.images:q} --table {input.table:q}"
        " {params.weights} {params.clip_like} --out {output:q} --work-dir {params.work:q}"
        " --gpus {resources.gpu} --batch {resources.batch}"


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
