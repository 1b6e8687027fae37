"""Candidates: several images of a prompt; a score keeps one, and the judge of what is kept.

Needs: <results>/models, <results>/data, and of each model its cells, which found its guidance.
Gives: what is kept in <results>/cells/candidates, the judge in <results>/cells/reference.
"""

from ldm_scaling.workflow import paths, patterns
from ldm_scaling.workflow.specs.candidates import CandidatesSpec
from ldm_scaling.workflow.specs.measuring import FeaturesSpec, MeasureSpec


use rule real_features as judge_features with:
    input:
        images="<results>/data/{split}.safetensors",
        extractor=inputs.judge,
    output:
        "<results>/cells/reference/judge/{split}.safetensors",
    log:
        "<logs>/judge_features/{split}.log",
    benchmark:
        "<benchmarks>/judge_features/{split}.tsv"
    wildcard_constraints:
        split=patterns.SPLIT,
    params:
        spec=options.spec(FeaturesSpec.of_judge),
        measuring=options.judge_weights,


use rule fit_clip_like as fit_judge with:
    input:
        train="<results>/cells/reference/judge/train.safetensors",
        train_captions="<results>/data/train.csv",
        validation="<results>/cells/reference/judge/validation.safetensors",
        validation_captions="<results>/data/validation.csv",
        test="<results>/cells/reference/judge/test.safetensors",
        test_captions="<results>/data/test.csv",
        encoder=inputs.text_encoder,
    output:
        scorer="<results>/cells/reference/judge.safetensors",
        retrieval="<results>/cells/reference/judge_retrieval.csv",
    log:
        "<logs>/fit_judge.log",
    benchmark:
        "<benchmarks>/fit_judge.tsv"


rule sample_candidates:
    """Make several images of each prompt with one model, and keep the one that a score likes best."""
    input:
        unpack(inputs.model),
        text=inputs.prompts,
        metrics=inputs.candidates_metrics,
        extractor=inputs.extractor,
        scored=inputs.scored,
        captions=inputs.captions_of_judge,
        clip_like=inputs.clip_like,
        judge=inputs.judge,
        judge_maps=inputs.judge_maps,
    output:
        **paths.sampled("candidates/{stage}/{size}/seed{seed}"),
    log:
        "<logs>/sample_candidates/{stage}_{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/sample_candidates/{stage}_{size}_seed{seed}.tsv"
    priority: hardware.large_first
    conda:
        ENVIRONMENT
    resources:
        mem_mb=hardware.candidates_memory,
        runtime=hardware.walltime,
        gpu=1,
        batch=hardware.sampling_batch,
    params:
        spec=options.spec(CandidatesSpec.of, "stage", "size"),
        model=options.model,
        measuring=options.candidates,
        out=subpath(output.records, parent=True),
        work=options.work("sample_candidates"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.sample_candidates --spec {params.spec:q} {params.model}"
        " --text {input.text:q} --metrics {input.metrics:q} {params.measuring}"
        " --out {params.out:q} --work-dir {params.work:q} --gpus {resources.gpu}"
        " --batch {resources.batch}"


use rule measure as measure_candidates with:
    input:
        features="<results>/cells/candidates/{stage}/{size}/seed{seed}/features.safetensors",
        records="<results>/cells/candidates/{stage}/{size}/seed{seed}/cells.json",
        reference=inputs.compared_features,
        captions=inputs.compared("data", "csv"),
        clip_like=inputs.clip_like,
        head=inputs.head,
    output:
        metrics="<results>/cells/candidates/{stage}/{size}/seed{seed}/metrics.csv",
        draws="<results>/cells/candidates/{stage}/{size}/seed{seed}/draws.safetensors",
    log:
        "<logs>/measure_candidates/{stage}_{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/measure_candidates/{stage}_{size}_seed{seed}.tsv"
    wildcard_constraints:
        stage=patterns.STAGE,
        size=patterns.SIZE,
    resources:
        mem_mb=8000,
        runtime=hardware.measure_candidates_runtime,
    params:
        spec=options.spec(MeasureSpec.of_candidates),
        reference=options.reference,
        clip_like=options.clip_like,
        head=options.head,
