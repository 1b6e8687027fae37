"""Adopted models: what their pipelines cost, and prompts as they encode them. Nothing is trained.

Needs: the pipelines, and the captions of the test split. Gives: prompts.safetensors and
summary.json of each model in <results>/latents/{stage}/{size}, family.csv and students.csv in
<results>/models.
"""

from ldm_scaling.workflow.closure import closure
from ldm_scaling.workflow.specs.costs import CountAdoptedSpec
from ldm_scaling.workflow.specs.latents import EncodePromptsSpec


rule encode_prompts:
    """Encode the prompts as one adopted pipeline does."""
    input:
        pipeline=inputs.pipeline,
        captions="<results>/data/test.csv",
    output:
        prompts="<results>/latents/{stage}/{size}/prompts.safetensors",
        summary="<results>/latents/{stage}/{size}/summary.json",
    log:
        "<logs>/encode_prompts/{stage}_{size}.log",
    benchmark:
        "<benchmarks>/encode_prompts/{stage}_{size}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=hardware.pipeline_memory,
        runtime=hardware.walltime,
        gpu=1,
    params:
        spec=options.spec(EncodePromptsSpec.of, "stage", "size"),
        work=options.work("encode_prompts"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.models.encode_prompts --spec {params.spec:q}"
        " --captions {input.captions:q} --out {output.prompts:q}"
        " --summary {output.summary:q} --work-dir {params.work:q}"


rule count_adopted:
    """Count the parameters and FLOPs of every adopted model, without its weights.

    It comes first, since it also checks that each model can be sampled as the study asks.
    """
    input:
        pipelines=inputs.pipelines,
        sources=closure("ldm_scaling.costs.count_adopted"),
    output:
        "<results>/models/family.csv",
    log:
        "<logs>/count_adopted.log",
    benchmark:
        "<benchmarks>/count_adopted.tsv"
    priority: 1
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        spec=options.spec(CountAdoptedSpec.of),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.costs.count_adopted --spec {params.spec:q} --out {output:q}"


use rule count_adopted as count_students with:
    """The same of the students, by the names of their teachers."""
    input:
        pipelines=inputs.counted_pipelines,
        sources=closure("ldm_scaling.costs.count_adopted"),
    output:
        "<results>/models/students.csv",
    log:
        "<logs>/count_students.log",
    benchmark:
        "<benchmarks>/count_students.tsv"
    params:
        spec=options.spec(CountAdoptedSpec.of_students),
