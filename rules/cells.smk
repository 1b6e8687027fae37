"""Sampled and measured cells.

Needs: <results>/models, the autoencoder, the embeddings of the test captions. Gives: features,
contact sheets and metrics in <results>/cells/{stage}/{size}/seed{seed}/{sampler}, and the features
of real and reconstructed images in <results>/cells/reference.
"""


rule sweep:
    """Sample every (steps, guidance) of one model and sampler."""
    input:
        weights="<results>/models/{stage}/{size}/seed{seed}/unet/diffusion_pytorch_model.safetensors",
        config="<results>/models/{stage}/{size}/seed{seed}/unet/config.json",
        summary="<results>/models/{stage}/{size}/seed{seed}/summary.json",
        autoencoder=autoencoder_files,
        text="<results>/latents/text_test.safetensors",
        captions="<results>/data/test.csv",
    output:
        features="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/features.safetensors",
        records="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/cells.json",
        sheets=expand(
            "<results>/cells/{{stage}}/{{size}}/seed{{seed}}/{{sampler}}/sheets/{cell}.png",
            cell=CELL_NAMES,
        ),
    log:
        "<logs>/sweep/{stage}_{size}_seed{seed}_{sampler}.log",
    benchmark:
        "<benchmarks>/sweep/{stage}_{size}_seed{seed}_{sampler}.tsv"
    priority: large_first
    conda:
        ENVIRONMENT
    resources:
        mem_mb=model_memory,
        runtime=model_runtime,
        gpu=1,
    params:
        spec=sweep_spec,
        model=subpath(input.summary, parent=True),
        autoencoder=AUTOENCODER,
        revision=autoencoder_revision,
        out=subpath(output.records, parent=True),
        work=work_dir("sweep"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.sweep --spec {params.spec:q} --model {params.model:q}"
        " --autoencoder {params.autoencoder:q} {params.revision}"
        " --text {input.text:q} --captions {input.captions:q} --out {params.out:q}"
        " --work-dir {params.work:q}"


rule real_features:
    """Features of a held-out split's images."""
    input:
        "<results>/data/{split}.safetensors",
    output:
        "<results>/cells/reference/{split}.safetensors",
    log:
        "<logs>/real_features/{split}.log",
    benchmark:
        "<benchmarks>/real_features/{split}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=120,
        gpu=1,
    params:
        spec=SPECS.features().model_dump_json(),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.features --spec {params.spec:q}"
        " --images {input:q} --out {output:q}"


rule reconstruction_features:
    """Features of the test images through the autoencoder and back."""
    input:
        images="<results>/data/test.safetensors",
        autoencoder=autoencoder_files,
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
        spec=SPECS.features().model_dump_json(),
        autoencoder=AUTOENCODER,
        revision=autoencoder_revision,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.features --spec {params.spec:q}"
        " --images {input.images:q} --out {output:q}"
        " --autoencoder {params.autoencoder:q} {params.revision}"


rule measure:
    """Compare every cell of one model and sampler with the held-out images."""
    input:
        features="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/features.safetensors",
        records="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/cells.json",
        reference="<results>/cells/reference/test.safetensors",
    output:
        "<results>/cells/{stage}/{size}/seed{seed}/{sampler}/metrics.csv",
    log:
        "<logs>/measure/{stage}_{size}_seed{seed}_{sampler}.log",
    benchmark:
        "<benchmarks>/measure/{stage}_{size}_seed{seed}_{sampler}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        spec=SPECS.measure().model_dump_json(),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.measure --spec {params.spec:q}"
        " --reference {input.reference:q} --cells {input.features:q}"
        " --records {input.records:q} --out {output:q}"
