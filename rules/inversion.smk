"""Noise of one-step students that is made for the study's own score.

Needs: students in <results>/models, captions and their embeddings of both splits, the fitted score
and the judge. Gives: distributions of the noise and sampled cells in <results>/cells/inversion.
"""

from ldm_scaling.kinds.noises import FITTED
from ldm_scaling.workflow import paths
from ldm_scaling.workflow.options import LAUNCH
from ldm_scaling.workflow.specs.inversion import InvertedSpec, InvertSpec


rule invert:
    """Fit a distribution of the initial noise of one student to the study's own score."""
    input:
        unpack(inputs.student),
        text="<results>/latents/text_train.safetensors",
        captions="<results>/data/train.csv",
        extractor=inputs.extractor,
        verifier=inputs.verifier_extractor,
        encoder=inputs.text_encoder,
        clip_like=inputs.clip_like,
    output:
        noise="<results>/cells/inversion/{size}/seed{seed}/{noise}/noise.safetensors",
        metrics="<results>/cells/inversion/{size}/seed{seed}/{noise}/metrics.jsonl",
        summary="<results>/cells/inversion/{size}/seed{seed}/{noise}/summary.json",
    log:
        "<logs>/invert/{noise}_{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/invert/{noise}_{size}_seed{seed}.tsv"
    priority: hardware.training_first
    conda:
        ENVIRONMENT
    resources:
        mem_mb=hardware.model_memory,
        runtime=hardware.walltime,
        gpu=1,
    params:
        spec=options.spec(InvertSpec.of, "noise", "size", "seed"),
        model=options.student,
        weights=options.weights,
        clip_like=options.clip_like,
        out=subpath(output.noise, parent=True),
        work=options.work("invert"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.invert --spec {params.spec:q} {params.model}"
        " --text {input.text:q} --captions {input.captions:q} {params.weights}"
        " {params.clip_like} --out {params.out:q} --work-dir {params.work:q}"
        " --gpus {resources.gpu}"


rule sample_inverted:
    """Sample one student from unit noise, and from noise that was made for the study's own score."""
    input:
        unpack(inputs.student),
        text="<results>/latents/text_test.safetensors",
        captions=["<results>/data/test.csv"],
        extractor=inputs.extractor,
        scored=inputs.scored,
        verifier=inputs.verifier_extractor,
        encoder=inputs.text_encoder,
        clip_like=inputs.clip_like,
        judge=inputs.judge,
        judge_maps=inputs.judge_maps,
        noises=expand(
            "<results>/cells/inversion/{{size}}/seed{{seed}}/{noise}/noise.safetensors",
            noise=FITTED,
        ),
    output:
        **paths.sampled("inversion/{size}/seed{seed}/{sampler}"),
    log:
        "<logs>/sample_inverted/{size}_seed{seed}_{sampler}.log",
    benchmark:
        "<benchmarks>/sample_inverted/{size}_seed{seed}_{sampler}.tsv"
    priority: hardware.large_first
    conda:
        ENVIRONMENT
    threads: hardware.sampling_threads
    resources:
        **hardware.sampling,
    params:
        spec=options.spec(InvertedSpec.of, "sampler"),
        model=options.student,
        noises=options.noises,
        measuring=options.candidates,
        reference=[],
        out=subpath(output.records, parent=True),
        work=options.work("sample_inverted"),
    shell:
        "exec &> >(tee {log:q}); "
        + LAUNCH
        + "$launch -m ldm_scaling.cells.sweep --spec {params.spec:q} {params.model} {params.noises}"
        + SAMPLING
