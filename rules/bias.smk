"""Cells of prompts that name no tone, and the judge of tones.

Needs: drawings of every tone and prompts in <results>/data, models and the heads that predict the
tone in <results>/models. Gives: cells in <results>/cells/bias and <results>/cells/bias_balanced,
the judge in <results>/cells/reference and the table of its errors.
"""

from ldm_scaling.workflow import paths, patterns, targets
from ldm_scaling.workflow.options import LAUNCH
from ldm_scaling.workflow.specs.bias import BiasSweepSpec, JudgeSpec, MeasureBiasSpec


rule judge_tones:
    """Prepare the judge of tones, and count its errors on unseen drawings."""
    input:
        images="<results>/data/tones.safetensors",
        drawings="<results>/data/tones.csv",
        autoencoder=inputs.autoencoder,
    output:
        judge="<results>/cells/reference/tone_judge.safetensors",
        table=report(
            "<results>/tables/tone_judge.csv", **targets.told("tone_judge.csv")
        ),
    log:
        "<logs>/judge_tones.log",
    benchmark:
        "<benchmarks>/judge_tones.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=120,
        gpu=1,
    params:
        spec=options.spec(JudgeSpec.of),
        autoencoder=paths.autoencoder(STUDY),
        revision=options.autoencoder_revision,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.judge_tones --spec {params.spec:q}"
        " --images {input.images:q} --drawings {input.drawings:q}"
        " --autoencoder {params.autoencoder:q} {params.revision}"
        " --out {output.judge:q} --table {output.table:q}"


rule sample_bias:
    """Sample one model's cells of prompts that name no tone: as it is, guided, or best of two."""
    input:
        unpack(inputs.toned_model),
        text="<results>/latents/text_test.safetensors",
        prompts="<results>/data/prompts.csv",
        extractor=inputs.extractor,
        scored=inputs.scored,
    output:
        **paths.sampled("{stage}/{size}/seed{seed}/{sampler}"),
    log:
        "<logs>/sample_bias/{stage}_{size}_seed{seed}_{sampler}.log",
    benchmark:
        "<benchmarks>/sample_bias/{stage}_{size}_seed{seed}_{sampler}.tsv"
    wildcard_constraints:
        stage=patterns.TONED_STAGE,
    priority: hardware.large_first
    conda:
        ENVIRONMENT
    threads: hardware.sampling_threads
    resources:
        **hardware.sampling,
    params:
        spec=options.spec(BiasSweepSpec.of, "stage", "sampler"),
        model=options.toned_model,
        heads=options.heads,
        weights=options.weights,
        out=subpath(output.records, parent=True),
        work=options.work("sample_bias"),
    shell:
        "exec &> >(tee {log:q}); "
        + LAUNCH
        + "$launch -m ldm_scaling.cells.sample_bias --spec {params.spec:q} {params.model}"
        " {params.heads} {params.weights} --text {input.text:q} --prompts {input.prompts:q}"
        " --out {params.out:q} --work-dir {params.work:q} --gpus {resources.gpu}"
        " --batch {resources.batch}"


rule measure_bias:
    """Judge the tones of one model's cells, and compare them with drawings of every tone."""
    input:
        features="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/features.safetensors",
        records="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/cells.json",
        prompts="<results>/data/prompts.csv",
        judge="<results>/cells/reference/tone_judge.safetensors",
        drawings="<results>/data/tones.csv",
        reference="<results>/cells/reference/tones.safetensors",
        clip_like=inputs.clip_like,
    output:
        metrics="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/metrics.csv",
        draws="<results>/cells/{stage}/{size}/seed{seed}/{sampler}/draws.safetensors",
    log:
        "<logs>/measure_bias/{stage}_{size}_seed{seed}_{sampler}.log",
    benchmark:
        "<benchmarks>/measure_bias/{stage}_{size}_seed{seed}_{sampler}.tsv"
    wildcard_constraints:
        stage=patterns.TONED_STAGE,
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        spec=options.spec(MeasureBiasSpec.of),
        clip_like=options.clip_like,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.measure_bias --spec {params.spec:q}"
        " --cells {input.features:q} --records {input.records:q} --prompts {input.prompts:q}"
        " --judge {input.judge:q} --drawings {input.drawings:q} --reference {input.reference:q}"
        " {params.clip_like} --out {output.metrics:q} --draws {output.draws:q}"
