"""Tidy tables.

Needs: <results>/cells. Gives: <results>/tables/*.csv, and what the study would cost.
"""


localrules:
    plan,


rule family:
    """Parameters, GFLOPs and normalized cost of every size."""
    input:
        module="src/ldm_scaling/tables/cost.py",
        networks="src/ldm_scaling/tables/networks.py",
        published="src/ldm_scaling/tables/published.py",
    output:
        "<results>/tables/family.csv",
    log:
        "<logs>/family.log",
    benchmark:
        "<benchmarks>/family.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        spec=SPECS.family().model_dump_json(),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.cost --spec {params.spec:q} --out {output:q}"


rule floors:
    """Metrics of real and of reconstructed images: what no model can be better than."""
    input:
        reference="<results>/cells/reference/test.safetensors",
        real="<results>/cells/reference/validation.safetensors",
        reconstruction="<results>/cells/reference/reconstruction.safetensors",
        captions="<results>/data/test.csv",
        real_captions="<results>/data/validation.csv",
        module="src/ldm_scaling/cells/floors.py",
    output:
        "<results>/tables/floors.csv",
    log:
        "<logs>/floors.log",
    benchmark:
        "<benchmarks>/floors.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        spec=SPECS.measure().model_dump_json(),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.floors --spec {params.spec:q}"
        " --reference {input.reference:q} --real {input.real:q}"
        " --reconstruction {input.reconstruction:q} --captions {input.captions:q}"
        " --real-captions {input.real_captions:q} --out {output:q}"


rule collect:
    """The cells of a stage and sampler as tidy tables, with the best guidance of each step count."""
    input:
        metrics=cells_of_models("metrics.csv"),
        draws=cells_of_models("draws.safetensors"),
        family="<results>/tables/family.csv",
        module="src/ldm_scaling/tables/collect.py",
    output:
        cells="<results>/tables/{stage}/{sampler}/cells.csv",
        best="<results>/tables/{stage}/{sampler}/best.csv",
        draws="<results>/tables/{stage}/{sampler}/draws.safetensors",
    log:
        "<logs>/collect/{stage}_{sampler}.log",
    benchmark:
        "<benchmarks>/collect/{stage}_{sampler}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        metrics=metrics_arguments,
        select_by=SELECT_BY,
        steps=STUDY.sampling.steps,
        guidance=STUDY.sampling.guidance,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.collect {params.metrics} --family {input.family:q}"
        " --select-by {params.select_by:q} --steps {params.steps} --guidance {params.guidance}"
        " --cells-out {output.cells:q} --best-out {output.best:q} --draws-out {output.draws:q}"


rule concatenate:
    """One table of all stages and samplers."""
    input:
        [
            f"<results>/tables/{stage}/{sampler}/{{table}}.csv"
            for stage, sampler in STAGES_AND_SAMPLERS
        ],
    output:
        "<results>/tables/{table}.csv",
    log:
        "<logs>/concatenate/{table}.log",
    benchmark:
        "<benchmarks>/concatenate/{table}.tsv"
    wildcard_constraints:
        table="cells|best",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.concatenate {input:q} --out {output:q}"


rule crossovers:
    """The cost at which each size overtakes each smaller one, by sampler and kind of cost."""
    input:
        cells=[cells_table(sampler) for sampler in STUDY.sampling.samplers],
        draws=[draws_table(sampler) for sampler in STUDY.sampling.samplers],
        module="src/ldm_scaling/tables/curves.py",
        values="src/ldm_scaling/tables/values.py",
    output:
        "<results>/tables/crossovers.csv",
    log:
        "<logs>/crossovers.log",
    benchmark:
        "<benchmarks>/crossovers.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        cells=cells_arguments,
        metric=SELECT_BY,
        confidence=STUDY.metrics.confidence,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.curves {params.cells} --metric {params.metric:q}"
        " --confidence {params.confidence} --out {output:q}"


rule latency:
    """Seconds of a forward pass by size on this device; no other target needs it, none beside it."""
    input:
        module="src/ldm_scaling/tables/latency.py",
    output:
        "<results>/tables/latency.csv",
    log:
        "<logs>/latency.log",
    benchmark:
        "<benchmarks>/latency.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=family_memory,
        runtime=120,
        gpu=1,
        dtype="float32",
    params:
        spec=SPECS.latency().model_dump_json(),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.latency --spec {params.spec:q}"
        " --dtype {resources.dtype:q} --out {output:q}"


rule plan:
    """What the study would cost, without running it: results/plan.csv, anew at every call."""
    log:
        "<logs>/plan.log",
    conda:
        ENVIRONMENT
    resources:
        device="a100",
        utilisation=30,
    params:
        study=STUDY.model_dump_json(),
        out=f"{STUDY.results}/plan.csv",
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.plan --spec {params.study:q}"
        " --device {resources.device:q} --utilisation {resources.utilisation} --out {params.out:q}"
