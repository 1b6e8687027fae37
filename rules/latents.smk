"""Autoencoder latents and text embeddings, computed once.

Needs: <results>/data. Gives: <results>/latents/{split}.safetensors, also of super-resolution's images,
<results>/latents/text_{split}
.safetensors, and <results>/latents/autoencoder where the study trains one. Of tar shards, both of
the training data are in the parts <results>/latents/train/part{part}.safetensors.
"""


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
        spec=AutoencoderSpec.of(STUDY).model_dump_json(),
        out=subpath(output.summary, parent=True),
        work=work_dir("train_autoencoder"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.latents.autoencoder --spec {params.spec:q}"
        " --train {input.train:q} --test {input.test:q} --out {params.out:q}"
        " --work-dir {params.work:q}"


rule encode_images:
    """Turn a split's images into latents."""
    input:
        images="<results>/data/{split}.safetensors",
        autoencoder=autoencoder_files,
    output:
        "<results>/latents/{split}.safetensors",
    log:
        "<logs>/encode_images/{split}.log",
    benchmark:
        "<benchmarks>/encode_images/{split}.tsv"
    wildcard_constraints:
        split=SPLITS,
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=240,
        gpu=1,
    params:
        spec=EncodeImagesSpec.of(STUDY).model_dump_json(),
        work=work_dir("encode_images"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.latents.encode_images --spec {params.spec:q}"
        " --images {input.images:q} --out {output:q} --work-dir {params.work:q}"


rule encode_text:
    """Turn a split's captions into text embeddings."""
    input:
        captions="<results>/data/{split}.csv",
        encoder=text_encoder_files,
    output:
        "<results>/latents/text_{split}.safetensors",
    log:
        "<logs>/encode_text/{split}.log",
    benchmark:
        "<benchmarks>/encode_text/{split}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=240,
        gpu=1,
    params:
        spec=EncodeTextSpec.of(STUDY).model_dump_json(),
        work=work_dir("encode_text"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.latents.encode_text --spec {params.spec:q}"
        " --captions {input.captions:q} --out {output:q} --work-dir {params.work:q}"


rule encode_part:
    """Turn one part of the tar shards' images and captions into latents and embeddings."""
    input:
        index="<results>/data/index.safetensors",
        autoencoder=autoencoder_files,
        encoder=text_encoder_files,
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
        mem_mb=16000,
        runtime=walltime,
        gpu=1,
    params:
        spec=encode_part_spec,
        shards=SHARDS,
        work=work_dir("encode_part"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.latents.encode_part --spec {params.spec:q}"
        " --index {input.index:q} --shards {params.shards:q} --out {output:q}"
        " --work-dir {params.work:q}"
