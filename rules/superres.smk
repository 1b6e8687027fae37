"""Super-resolution: low-resolution images, and the models that enlarge them.

Needs: <results>/data, or folders of photographs; pretrained models, the autoencoder. Gives:
<results>/data/superres/{split}.safetensors (low-resolution images, and the same enlarged; crops of
photographs in photos_{split}), <results>/models/superres and superres_scratch, and
<results>/tables/superres_baselines.csv. Latents and features of these images, and cells of these
models, are made by the rules of all others.
"""


rule crop_photos:
    """Cut random squares out of a folder of photographs."""
    input:
        photographs,
    output:
        images="<results>/data/superres/photos_{split}.safetensors",
        table="<results>/data/superres/photos_{split}.csv",
    log:
        "<logs>/crop_photos/{split}.log",
    benchmark:
        "<benchmarks>/crop_photos/{split}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        spec=photos_spec,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.crop_photos --spec {params.spec:q} --out {output.images:q}"


rule degrade:
    """Make a low-resolution version of each image."""
    input:
        degraded_images,
    output:
        "<results>/data/superres/{split}.safetensors",
    log:
        "<logs>/degrade/{split}.log",
    benchmark:
        "<benchmarks>/degrade/{split}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=8000,
        runtime=walltime,
    params:
        spec=degrade_spec,
        work=work_dir("degrade"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.degrade --spec {params.spec:q} --images {input:q}"
        " --out {output:q} --work-dir {params.work:q} --workers {threads}"


rule train_superres:
    """Train one size for super-resolution, from its pretrained model or from scratch."""
    input:
        latents=clean_latents,
        condition="<results>/latents/superres/train.safetensors",
        text="<results>/latents/text_test.safetensors",  # has the empty caption
        base=base_files,
    output:
        weights="<results>/models/{stage}/{size}/seed{seed}/unet/diffusion_pytorch_model.safetensors",
        config="<results>/models/{stage}/{size}/seed{seed}/unet/config.json",
        kept="<results>/models/{stage}/{size}/seed{seed}/kept.safetensors",
        scheduler="<results>/models/{stage}/{size}/seed{seed}/scheduler/scheduler_config.json",
        metrics="<results>/models/{stage}/{size}/seed{seed}/metrics.jsonl",
        summary="<results>/models/{stage}/{size}/seed{seed}/summary.json",
    log:
        "<logs>/{stage}/{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/{stage}/{size}_seed{seed}.tsv"
    wildcard_constraints:
        stage="superres(_scratch)?",
    priority: large_first
    conda:
        ENVIRONMENT
    threads: training_threads
    resources:
        mem_mb=training_memory,
        runtime=walltime,
        gpu=training_gpus,
        nodes=1,
        micro_batch=micro_batch,
        switches=training_switches,
    params:
        spec=superres_spec,
        base=base_option,
        out=subpath(output.summary, parent=True),
        work=work_dir("train_superres"),
    shell:
        "exec &> >(tee {log:q}); "
        + LAUNCH
        + "$launch -m ldm_scaling.models.superres --spec {params.spec:q}"
        " --latents {input.latents:q} --text {input.text:q} --condition {input.condition:q}"
        " {params.base} --out {params.out:q} --work-dir {params.work:q} --gpus {resources.gpu}"
        " --micro-batch {resources.micro_batch} {resources.switches}"


rule superres_baselines:
    """Metrics of low-resolution images enlarged without a model, and of reconstructed originals."""
    input:
        enlarged="<results>/data/superres/validation.safetensors",
        originals=reference("<results>/data/SPLIT.safetensors", superres=True),
        reference=reference(
            "<results>/cells/reference/SPLIT.safetensors", superres=True
        ),
        concepts=reference("<results>/data/SPLIT.csv", superres=True),
        perceptual=perceptual_files,
        autoencoder=autoencoder_files,
        extractor=extractor_files,
        module="src/ldm_scaling/cells/baselines.py",
    output:
        table("<results>/tables/superres_baselines.csv"),
    log:
        "<logs>/superres_baselines.log",
    benchmark:
        "<benchmarks>/superres_baselines.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=120,
        gpu=1,
    params:
        spec=baselines_spec,
        autoencoder=AUTOENCODER,
        revision=autoencoder_revision,
        weights=weights_option,
        perceptual=perceptual_option,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.baselines --spec {params.spec:q}"
        " --enlarged {input.enlarged:q} --originals {input.originals:q}"
        " --reference {input.reference:q} --concepts {input.concepts:q}"
        " {params.perceptual} {params.weights}"
        " --autoencoder {params.autoencoder:q} {params.revision} --out {output:q}"


rule superres:
    """Every model of super-resolution after its whole training, beside enlarging without one."""
    input:
        baselines="<results>/tables/superres_baselines.csv",
        cells=superres_tables("cells.csv"),
        draws=superres_tables("draws.safetensors"),
        module="src/ldm_scaling/tables/superres.py",
        values="src/ldm_scaling/tables/values.py",
    output:
        table("<results>/tables/superres.csv"),
    log:
        "<logs>/superres.log",
    benchmark:
        "<benchmarks>/superres.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        cells=cells_arguments,
        setting=superres_setting,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.superres --baselines {input.baselines:q} {params.cells}"
        " {params.setting} --out {output:q}"
