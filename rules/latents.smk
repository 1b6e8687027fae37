"""Autoencoder latents and text embeddings, computed once.

Needs: <results>/data. Gives: <results>/latents/{split}.safetensors, also of super-resolution's images,
and text_{split}.safetensors, those of pairs' text encoders in <results>/latents/budget_{encoder};
subjects.safetensors; and <results>/latents/autoencoder where the study trains one. With tar shards, both
of the training data are in the parts <results>/latents/train/part{part}.safetensors.
"""

from ldm_scaling.workflow import paths, patterns
from ldm_scaling.workflow.hardware import ENCODING_FIRST
from ldm_scaling.workflow.specs.dreambooth import EncodeSubjectsSpec
from ldm_scaling.workflow.specs.latents import (
    AutoencoderSpec,
    EncodeImagesSpec,
    EncodePartSpec,
    EncodeTextSpec,
)


rule train_autoencoder:
    """Train the autoencoder on the training split."""
    input:
        train="<results>/data/train.safetensors",
        test="<results>/data/test.safetensors",
    output:
        weights="<results>/latents/autoencoder/diffusion_pytorch_model.safetensors",
        config="<results>/latents/autoencoder/config.json",
        metrics="<results>/latents/autoencoder/metrics.jsonl",
        summary="<results>/latents/autoencoder/summary.json",
    log:
        "<logs>/train_autoencoder.log",
    benchmark:
        "<benchmarks>/train_autoencoder.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=8000,
        runtime=480,
        gpu=1,
    params:
        spec=options.spec(AutoencoderSpec.of),
        out=subpath(output.summary, parent=True),
        work=options.work("train_autoencoder"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.latents.autoencoder --spec {params.spec:q}"
        " --train {input.train:q} --test {input.test:q} --out {params.out:q}"
        " --work-dir {params.work:q}"


rule encode_images:
    """Turn a split's images into latents."""
    input:
        images="<results>/data/{split}.safetensors",
        autoencoder=inputs.autoencoder,
    output:
        "<results>/latents/{split}.safetensors",
    log:
        "<logs>/encode_images/{split}.log",
    benchmark:
        "<benchmarks>/encode_images/{split}.tsv"
    wildcard_constraints:
        split=patterns.IMAGES,
    priority: ENCODING_FIRST
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=240,
        gpu=1,
    params:
        spec=options.spec(EncodeImagesSpec.of),
        work=options.work("encode_images"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.latents.encode_images --spec {params.spec:q}"
        " --images {input.images:q} --out {output:q} --work-dir {params.work:q}"


rule encode_text:
    """Turn a split's captions into text embeddings."""
    input:
        captions="<results>/data/{split}.csv",
        encoder=inputs.text_encoder,
    output:
        "<results>/latents/text_{split}.safetensors",
    log:
        "<logs>/encode_text/{split}.log",
    benchmark:
        "<benchmarks>/encode_text/{split}.tsv"
    priority: ENCODING_FIRST
    conda:
        ENVIRONMENT
    resources:
        mem_mb=hardware.with_text_encoder(8000),
        runtime=240,
        gpu=1,
    params:
        spec=options.spec(EncodeTextSpec.of),
        work=options.work("encode_text"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.latents.encode_text --spec {params.spec:q}"
        " --captions {input.captions:q} --out {output:q} --work-dir {params.work:q}"


use rule encode_text as encode_text_of with:
    input:
        captions="<results>/data/{split}.csv",
        encoder=inputs.pair_text_encoder,
    output:
        "<results>/latents/{stage}/text_{split}.safetensors",
    log:
        "<logs>/encode_text_of/{stage}_{split}.log",
    benchmark:
        "<benchmarks>/encode_text_of/{stage}_{split}.tsv"
    params:
        spec=options.spec(EncodeTextSpec.of, "stage"),
        work=options.work("encode_text_of"),


rule encode_part:
    """Turn one part of the tar shards' images and captions into latents and embeddings."""
    input:
        index="<results>/data/index.safetensors",
        autoencoder=inputs.autoencoder,
        encoder=inputs.text_encoder,
    output:
        "<results>/latents/train/part{part}.safetensors",
    log:
        "<logs>/encode_part/{part}.log",
    benchmark:
        "<benchmarks>/encode_part/{part}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=hardware.with_text_encoder(16000),
        runtime=hardware.walltime,
        gpu=1,
    params:
        spec=options.spec(EncodePartSpec.of, "part"),
        shards=paths.shards(STUDY),
        work=options.work("encode_part"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.latents.encode_part --spec {params.spec:q}"
        " --index {input.index:q} --shards {params.shards:q} --out {output:q}"
        " --work-dir {params.work:q}"


rule encode_subjects:
    """Turn subjects' images into latents, and the prompts that name them into embeddings."""
    input:
        images="<results>/data/subjects.safetensors",
        table="<results>/data/subjects.csv",
        autoencoder=inputs.autoencoder,
        encoder=inputs.text_encoder,
    output:
        "<results>/latents/subjects.safetensors",
    log:
        "<logs>/encode_subjects.log",
    benchmark:
        "<benchmarks>/encode_subjects.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=hardware.with_text_encoder(8000),
        runtime=60,
        gpu=1,
    params:
        spec=options.spec(EncodeSubjectsSpec.of),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.latents.encode_subjects --spec {params.spec:q}"
        " --images {input.images:q} --table {input.table:q} --out {output:q}"
