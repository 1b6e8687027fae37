"""Sampled and measured cells.

Needs: <results>/models, the autoencoder, the test captions and their embeddings, and what images are
measured with. Gives: cells of models and of stitched trajectories in <results>/cells, those of real
and reconstructed images in <results>/cells/reference.

Outputs of `sweep` are the same files whatever the grid: Snakemake does not notice changed
parameters of a job that has a new, missing output which nobody asked for.
"""

from ldm_scaling.workflow import paths, patterns, targets
from ldm_scaling.workflow.closure import closure
from ldm_scaling.workflow.options import LAUNCH
from ldm_scaling.workflow.specs.cells import IllustrateSpec, SweepSpec
from ldm_scaling.workflow.specs.dreambooth import ScoreSubjectsSpec
from ldm_scaling.workflow.specs.measuring import (
    BaselinesSpec,
    ClipLikeSpec,
    FeaturesSpec,
    MeasureSpec,
)

SAMPLING = (
    " --text {input.text:q} {params.measuring} {params.reference} --out {params.out:q}"
    " --work-dir {params.work:q} --gpus {resources.gpu} --batch {resources.batch}"
)


rule sweep:
    """Sample every (steps, guidance) of one model and sampler, or few where guidance is searched."""
    input:
        unpack(inputs.model),
        text=inputs.prompts,
        extractor=inputs.extractor,
        scored=inputs.scored,
        superres=inputs.superres,
        reference=inputs.searched_reference,
    output:
        **paths.sampled("{stage}/{size}/seed{seed}/{sampler}"),
    log:
        "<logs>/sweep/{stage}_{size}_seed{seed}_{sampler}.log",
    benchmark:
        "<benchmarks>/sweep/{stage}_{size}_seed{seed}_{sampler}.tsv"
    priority: hardware.large_first
    conda:
        ENVIRONMENT
    threads: hardware.sampling_threads
    resources:
        **hardware.sampling,
    params:
        spec=options.spec(SweepSpec.of, "stage", "sampler", "size"),
        model=options.model,
        measuring=options.measuring,
        reference=options.reference,
        out=subpath(output.records, parent=True),
        work=options.sweep_work,
    shell:
        "exec &> >(tee {log:q}); "
        + LAUNCH
        + "$launch -m ldm_scaling.cells.sweep --spec {params.spec:q} {params.model}"
        + SAMPLING


rule sample_stitched:
    """Sample every (steps, allocation, guidance) of a sequence of sizes, or few as `sweep`."""
    input:
        weights=inputs.stitched("weights"),
        config=inputs.stitched("config"),
        summary=inputs.stitched("summary"),
        autoencoder=inputs.autoencoder,
        text="<results>/latents/text_test.safetensors",
        extractor=inputs.extractor,
        scored=inputs.scored,
        reference=inputs.stitched_reference,
    output:
        **paths.sampled("stitch/{sizes}/seed{seed}/{sampler}"),
    log:
        "<logs>/sample_stitched/{sizes}_seed{seed}_{sampler}.log",
    benchmark:
        "<benchmarks>/sample_stitched/{sizes}_seed{seed}_{sampler}.tsv"
    priority: hardware.large_first
    conda:
        ENVIRONMENT
    threads: hardware.sampling_threads
    resources:
        **hardware.sampling,
    params:
        spec=options.spec(SweepSpec.of_stitched, "sizes", "sampler"),
        models=options.stitched,
        measuring=options.measuring,
        reference=options.reference,
        out=subpath(output.records, parent=True),
        work=options.work("sample_stitched"),
    shell:
        "exec &> >(tee {log:q}); "
        + LAUNCH
        + "$launch -m ldm_scaling.cells.sweep --spec {params.spec:q} {params.models}"
        + SAMPLING


rule contact_sheet:
    """Draw the first images of one cell above their captions."""
    input:
        images="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/images.safetensors",
        captions="<results>/data/test.csv",
        sources=closure("ldm_scaling.cells.sheet"),
    output:
        "<results>/cells/{stage}/{size}/seed{seed}/{sampler}/sheets/{cell}.png",
    log:
        "<logs>/contact_sheet/{stage}_{size}_seed{seed}_{sampler}_{cell}.log",
    benchmark:
        "<benchmarks>/contact_sheet/{stage}_{size}_seed{seed}_{sampler}_{cell}.tsv"
    wildcard_constraints:
        stage=patterns.MEASURED_STAGE,
        size=patterns.measured_size(STUDY),
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
        unpack(inputs.pretrained_model),
        text=inputs.pretrained_prompts,
        metrics=f"<results>/cells/pretrain/{{size}}/seed{{seed}}/{STUDY.sampling.fixed.sampler}/metrics.csv",
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
        mem_mb=hardware.model_memory,
        runtime=120,
        gpu=1,
    params:
        spec=options.spec(IllustrateSpec.of, "size", "seed"),
        model=options.pretrained_model,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.illustrate --spec {params.spec:q} {params.model}"
        " --text {input.text:q}"
        " --metrics {input.metrics:q} --family {input.family:q} --out {output:q}"
        " --gpus {resources.gpu}"


rule real_features:
    """Features of a split's images."""
    input:
        images="<results>/data/{split}.safetensors",
        extractor=inputs.extractor,
        scored=inputs.scored,
    output:
        "<results>/cells/reference/{split}.safetensors",
    log:
        "<logs>/real_features/{split}.log",
    benchmark:
        "<benchmarks>/real_features/{split}.tsv"
    wildcard_constraints:
        split=patterns.IMAGES,
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=120,
        gpu=1,
    params:
        spec=options.spec(FeaturesSpec.of, "split"),
        measuring=options.measuring,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.features --spec {params.spec:q}"
        " --images {input.images:q} {params.measuring} --out {output:q}"


rule reconstruction_features:
    """Features of the test images through the autoencoder and back."""
    input:
        images="<results>/data/test.safetensors",
        autoencoder=inputs.autoencoder,
        extractor=inputs.extractor,
        scored=inputs.scored,
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
        spec=options.spec(FeaturesSpec.of),
        autoencoder=paths.autoencoder(STUDY),
        revision=options.autoencoder_revision,
        measuring=options.measuring,
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
        encoder=inputs.text_encoder,
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
        mem_mb=hardware.with_text_encoder(8000),
        runtime=120,
        gpu=1,
    params:
        spec=options.spec(ClipLikeSpec.of),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.fit_clip_like --spec {params.spec:q}"
        " --train {input.train:q} --train-captions {input.train_captions:q}"
        " --validation {input.validation:q} --validation-captions {input.validation_captions:q}"
        " --test {input.test:q} --test-captions {input.test_captions:q}"
        " --out {output.scorer:q} --retrieval-out {output.retrieval:q}"


rule measure:
    """Compare every cell of one model and sampler with the held-out images, or with prompts alone."""
    input:
        features="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/features.safetensors",
        records="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/cells.json",
        reference=inputs.compared_features,
        captions=inputs.compared("data", "csv"),
        clip_like=inputs.clip_like,
        head=inputs.head,
    output:
        metrics="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/metrics.csv",
        draws="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/draws.safetensors",
    log:
        "<logs>/measure/{stage}_{size}_seed{seed}_{sampler}.log",
    benchmark:
        "<benchmarks>/measure/{stage}_{size}_seed{seed}_{sampler}.tsv"
    wildcard_constraints:
        stage=patterns.MEASURED_STAGE,
        size=patterns.measured_size(STUDY),
    conda:
        ENVIRONMENT
    threads: hardware.measure_threads
    resources:
        mem_mb=8000,
        runtime=hardware.measure_runtime,
    params:
        spec=options.spec(MeasureSpec.of, "stage"),
        reference=options.reference,
        clip_like=options.clip_like,
        head=options.head,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.measure --spec {params.spec:q}"
        " {params.reference} --cells {input.features:q}"
        " --records {input.records:q} --captions {input.captions:q} {params.clip_like} {params.head}"
        " --out {output.metrics:q} --draws {output.draws:q}"


rule score_subjects:
    """Sample subjects' prompts from a model before and after, and score the images."""
    input:
        model=inputs.pretrained,
        taught=inputs.taught,
        autoencoder=inputs.autoencoder,
        subjects="<results>/latents/subjects.safetensors",
        images="<results>/data/subjects.safetensors",
        table="<results>/data/subjects.csv",
        extractor=inputs.extractor,
        clip=inputs.clip_model,
        clip_like=inputs.clip_like,
        dino=inputs.dino,
    output:
        "<results>/cells/dreambooth/{size}/seed{seed}/scores.safetensors",
    log:
        "<logs>/score_subjects/{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/score_subjects/{size}_seed{seed}.tsv"
    priority: hardware.large_first
    conda:
        ENVIRONMENT
    resources:
        mem_mb=hardware.model_memory,
        runtime=hardware.walltime,
        gpu=1,
        batch=hardware.sampling_batch,
    params:
        spec=options.spec(ScoreSubjectsSpec.of, "size", "seed"),
        model=options.pretrained,
        taught=options.taught,
        autoencoder=paths.autoencoder(STUDY),
        revision=options.autoencoder_revision,
        weights=options.weights,
        clip_like=options.clip_like,
        work=options.work("score_subjects"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.score_subjects --spec {params.spec:q}"
        " --model {params.model:q} --taught {params.taught:q}"
        " --autoencoder {params.autoencoder:q} {params.revision}"
        " --subjects {input.subjects:q} --images {input.images:q} --table {input.table:q}"
        " {params.weights} {params.clip_like} --out {output:q} --work-dir {params.work:q}"
        " --gpus {resources.gpu} --batch {resources.batch}"


rule superres_baselines:
    """Metrics of low-resolution images enlarged without a model, and of reconstructed originals."""
    input:
        enlarged="<results>/data/superres/validation.safetensors",
        originals=inputs.compared("data", "safetensors", superres=True),
        reference=inputs.compared("cells/reference", "safetensors", superres=True),
        concepts=inputs.compared("data", "csv", superres=True),
        perceptual=inputs.perceptual,
        autoencoder=inputs.autoencoder,
        extractor=inputs.extractor,
    output:
        report(
            "<results>/tables/superres_baselines.csv",
            **targets.told("superres_baselines.csv"),
        ),
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
        spec=options.spec(BaselinesSpec.of),
        autoencoder=paths.autoencoder(STUDY),
        revision=options.autoencoder_revision,
        weights=options.weights,
        perceptual=options.perceptual,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.baselines --spec {params.spec:q}"
        " --enlarged {input.enlarged:q} --originals {input.originals:q}"
        " --reference {input.reference:q} --concepts {input.concepts:q}"
        " {params.perceptual} {params.weights}"
        " --autoencoder {params.autoencoder:q} {params.revision} --out {output:q}"
