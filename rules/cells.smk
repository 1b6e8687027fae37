"""Sampled and measured cells.

Needs: <results>/models, the autoencoder, the embeddings of the test captions, and what is not in
packages of the extractor and the CLIP model; for the CLIP-like score also all images, captions and
the text encoder. Gives: features and metrics in
<results>/cells/{stage}/{size}/seed{seed}/{sampler}, of all scales in {sampler}_grid, where
an adaptive search is in {sampler}; there on demand the contact sheet
sheets/steps{steps}_guidance{guidance}.png of a cell, a folder above it the illustrations; the
features of real and reconstructed images with the fitted CLIP-like score and its retrieval in
<results>/cells/reference.

Outputs of `sweep` are the same files whatever the grid: Snakemake does not notice changed
parameters of a job that has a new, missing output which nobody asked for.
"""


rule sweep:
    """Sample every (steps, guidance) of one model and sampler, or few where guidance is searched."""
    input:
        weights="<results>/models/{stage}/{size}/seed{seed}/unet/diffusion_pytorch_model.safetensors",
        config="<results>/models/{stage}/{size}/seed{seed}/unet/config.json",
        summary="<results>/models/{stage}/{size}/seed{seed}/summary.json",
        kept="<results>/models/{stage}/{size}/seed{seed}/kept.safetensors",
        autoencoder=autoencoder_files,
        text=prompts_file,
        extractor=extractor_files,
        clip=clip_files,
        superres=superres_files,
        reference=search_files,
        searched=search_before,
    output:
        features="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/features.safetensors",
        records="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/cells.json",
        images="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/images.safetensors",
    log:
        "<logs>/sweep/{stage}_{size}_seed{seed}_{sampler}.log",
    benchmark:
        "<benchmarks>/sweep/{stage}_{size}_seed{seed}_{sampler}.tsv"
    priority: large_first
    conda:
        ENVIRONMENT
    threads: sampling_threads
    resources:
        mem_mb=sampling_memory,
        runtime=walltime,
        gpu=sampling_gpus,
        nodes=1,
        batch=sampling_batch,
    params:
        spec=sweep_spec,
        model=subpath(input.summary, parent=True),
        autoencoder=AUTOENCODER,
        revision=autoencoder_revision,
        measuring=measuring_options,
        reference=search_option,
        out=subpath(output.records, parent=True),
        work=sweep_state,
    shell:
        "exec &> >(tee {log:q}); "
        + LAUNCH
        + "$launch -m ldm_scaling.cells.sweep --spec {params.spec:q} --model {params.model:q}"
        " --autoencoder {params.autoencoder:q} {params.revision}"
        " --text {input.text:q} {params.measuring} {params.reference} --out {params.out:q}"
        " --work-dir {params.work:q} --gpus {resources.gpu}"
        " --batch {resources.batch}"


rule contact_sheet:
    """Draw the first images of one cell above their captions."""
    input:
        images="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/images.safetensors",
        captions="<results>/data/test.csv",
        module="src/ldm_scaling/cells/sheet.py",
    output:
        "<results>/cells/{stage}/{size}/seed{seed}/{sampler}/sheets/{cell}.png",
    log:
        "<logs>/contact_sheet/{stage}_{size}_seed{seed}_{sampler}_{cell}.log",
    benchmark:
        "<benchmarks>/contact_sheet/{stage}_{size}_seed{seed}_{sampler}_{cell}.tsv"
    wildcard_constraints:
        stage=MEASURED,
        size=SEQUENCE,
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.sheet --images {input.images:q}"
        " --cell {wildcards.cell:q} --captions {input.captions:q} --out {output:q}"


rule illustrate:
    """Sample the few images of one model that figures show and no cell has."""
    input:
        weights="<results>/models/pretrain/{size}/seed{seed}/unet/diffusion_pytorch_model.safetensors",
        config="<results>/models/pretrain/{size}/seed{seed}/unet/config.json",
        summary="<results>/models/pretrain/{size}/seed{seed}/summary.json",
        autoencoder=autoencoder_files,
        text="<results>/latents/text_test.safetensors",
        metrics=f"<results>/cells/pretrain/{{size}}/seed{{seed}}/{FIXED.sampler}/metrics.csv",
        family="<results>/models/family.csv",
    output:
        "<results>/cells/pretrain/{size}/seed{seed}/illustrations.safetensors",
    log:
        "<logs>/illustrate/{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/illustrate/{size}_seed{seed}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=model_memory,
        runtime=120,
        gpu=1,
    params:
        spec=illustrate_spec,
        model=subpath(input.summary, parent=True),
        autoencoder=AUTOENCODER,
        revision=autoencoder_revision,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.illustrate --spec {params.spec:q} --model {params.model:q}"
        " --autoencoder {params.autoencoder:q} {params.revision} --text {input.text:q}"
        " --metrics {input.metrics:q} --family {input.family:q} --out {output:q}"
        " --gpus {resources.gpu}"


rule real_features:
    """Features of a split's images."""
    input:
        images="<results>/data/{split}.safetensors",
        extractor=extractor_files,
        clip=clip_files,
    output:
        "<results>/cells/reference/{split}.safetensors",
    log:
        "<logs>/real_features/{split}.log",
    benchmark:
        "<benchmarks>/real_features/{split}.tsv"
    wildcard_constraints:
        split=SPLITS,
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=120,
        gpu=1,
    params:
        spec=features_spec,
        measuring=measuring_options,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.features --spec {params.spec:q}"
        " --images {input.images:q} {params.measuring} --out {output:q}"


rule reconstruction_features:
    """Features of the test images through the autoencoder and back."""
    input:
        images="<results>/data/test.safetensors",
        autoencoder=autoencoder_files,
        extractor=extractor_files,
        clip=clip_files,
    output:
        "<results>/cells/reference/reconstruction.safetensors",
    log:
        "<logs>/reconstruction_features.log",
    benchmark:
        "<benchmarks>/reconstruction_features.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=120,
        gpu=1,
    params:
        spec=FeaturesSpec.of(STUDY).model_dump_json(),
        autoencoder=AUTOENCODER,
        revision=autoencoder_revision,
        measuring=measuring_options,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.features --spec {params.spec:q}"
        " --images {input.images:q} {params.measuring} --out {output:q}"
        " --autoencoder {params.autoencoder:q} {params.revision}"


rule fit_clip_like:
    """Fit the CLIP-like score to the training split, and test it on the held-out ones."""
    input:
        train="<results>/cells/reference/train.safetensors",
        train_captions="<results>/data/train.csv",
        validation="<results>/cells/reference/validation.safetensors",
        validation_captions="<results>/data/validation.csv",
        test="<results>/cells/reference/test.safetensors",
        test_captions="<results>/data/test.csv",
        encoder=text_encoder_files,
    output:
        scorer="<results>/cells/reference/clip_like.safetensors",
        retrieval="<results>/cells/reference/retrieval.csv",
    log:
        "<logs>/fit_clip_like.log",
    benchmark:
        "<benchmarks>/fit_clip_like.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=120,
        gpu=1,
    params:
        spec=clip_like_spec,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.fit_clip_like --spec {params.spec:q}"
        " --train {input.train:q} --train-captions {input.train_captions:q}"
        " --validation {input.validation:q} --validation-captions {input.validation_captions:q}"
        " --test {input.test:q} --test-captions {input.test_captions:q}"
        " --out {output.scorer:q} --retrieval-out {output.retrieval:q}"


rule measure:
    """Compare every cell of one model and sampler with the held-out images."""
    input:
        features="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/features.safetensors",
        records="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/cells.json",
        reference=reference("<results>/cells/reference/SPLIT.safetensors"),
        captions=reference("<results>/data/SPLIT.csv"),
        clip_like=clip_like_files,
        head=head_files,
    output:
        metrics="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/metrics.csv",
        draws="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/draws.safetensors",
    log:
        "<logs>/measure/{stage}_{size}_seed{seed}_{sampler}.log",
    benchmark:
        "<benchmarks>/measure/{stage}_{size}_seed{seed}_{sampler}.tsv"
    wildcard_constraints:
        stage=MEASURED,
        size=SEQUENCE,
    conda:
        ENVIRONMENT
    threads: measure_threads
    resources:
        mem_mb=8000,
        runtime=measure_runtime,
    params:
        spec=measure_spec,
        clip_like=clip_like_option,
        head=head_option,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.measure --spec {params.spec:q}"
        " --reference {input.reference:q} --cells {input.features:q}"
        " --records {input.records:q} --captions {input.captions:q} {params.clip_like} {params.head}"
        " --out {output.metrics:q} --draws {output.draws:q}"
