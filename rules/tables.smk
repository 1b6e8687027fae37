"""Tidy tables.

Needs: <results>/cells, and what was counted of the family in <results>/models. Gives:
<results>/tables/*.csv, <results>/claims.md, and what the study would cost.
"""


localrules:
    plan,


rule family:
    """Parameters, GFLOPs and normalized cost of every size."""
    input:
        "<results>/models/family.csv",
    output:
        table("<results>/tables/family.csv"),
    log:
        "<logs>/family.log",
    benchmark:
        "<benchmarks>/family.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "exec &> >(tee {log:q}); cp {input:q} {output:q}"


rule retrieval:
    """What the CLIP-like score is worth on unseen concepts."""
    input:
        "<results>/cells/reference/retrieval.csv",
    output:
        table("<results>/tables/retrieval.csv"),
    log:
        "<logs>/retrieval.log",
    benchmark:
        "<benchmarks>/retrieval.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "exec &> >(tee {log:q}); cp {input:q} {output:q}"


rule floors:
    """Metrics of real and of reconstructed images: what no model can be better than."""
    input:
        reference="<results>/cells/reference/test.safetensors",
        real="<results>/cells/reference/validation.safetensors",
        reconstruction="<results>/cells/reference/reconstruction.safetensors",
        captions="<results>/data/test.csv",
        real_captions="<results>/data/validation.csv",
        clip_like=clip_like_files,
        module="src/ldm_scaling/cells/floors.py",
    output:
        table("<results>/tables/floors.csv"),
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
        clip_like=clip_like_option,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.cells.floors --spec {params.spec:q}"
        " --reference {input.reference:q} --real {input.real:q}"
        " --reconstruction {input.reconstruction:q} --captions {input.captions:q}"
        " --real-captions {input.real_captions:q} {params.clip_like} --out {output:q}"


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
        grid=grid_arguments,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.collect {params.metrics} --family {input.family:q}"
        " --select-by {params.select_by:q} {params.grid}"
        " --cells-out {output.cells:q} --best-out {output.best:q} --draws-out {output.draws:q}"


rule concatenate:
    """The tables of all stages and samplers as one."""
    input:
        cells=tables_of_samplers("cells.csv"),
        best=tables_of_samplers("best.csv"),
        module="src/ldm_scaling/tables/concatenate.py",
    output:
        cells=table("<results>/tables/cells.csv"),
        best=table("<results>/tables/best.csv"),
    log:
        "<logs>/concatenate.log",
    benchmark:
        "<benchmarks>/concatenate.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        select_by=SELECT_BY,  # the caption in the report names it
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.concatenate --cells {input.cells:q} --best {input.best:q}"
        " --cells-out {output.cells:q} --best-out {output.best:q}"


rule fits:
    """Power laws of every metric against training compute, at the fixed setting."""
    input:
        cells=cells_table(FIXED.sampler),
        draws=draws_of_cells(FIXED.sampler),
        module="src/ldm_scaling/tables/fits.py",
        setting="src/ldm_scaling/tables/fixed_setting.py",
        values="src/ldm_scaling/tables/values.py",
    output:
        table("<results>/tables/fits.csv"),
    log:
        "<logs>/fits.log",
    benchmark:
        "<benchmarks>/fits.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        setting=FIXED_SETTING,
        images=STUDY.training.images,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.fits --cells {input.cells:q} --draws {input.draws:q}"
        " {params.setting} --images {params.images} --out {output:q}"


rule fixed_setting:
    """Every size after its whole training, at the fixed setting."""
    input:
        cells=cells_table(FIXED.sampler),
        draws=draws_of_cells(FIXED.sampler),
        module="src/ldm_scaling/tables/fixed_setting.py",
        published="src/ldm_scaling/costs/published.py",
        values="src/ldm_scaling/tables/values.py",
    output:
        table("<results>/tables/fixed_setting.csv"),
    log:
        "<logs>/fixed_setting.log",
    benchmark:
        "<benchmarks>/fixed_setting.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        spec=SPECS.cost().model_dump_json(),
        setting=FIXED_SETTING,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.fixed_setting --spec {params.spec:q}"
        " --cells {input.cells:q} --draws {input.draws:q} {params.setting} --out {output:q}"


rule claims:
    """What the paper says, decided by the study's cells: a table, and a page to read."""
    input:
        cells=tables_of_claims("cells.csv"),
        draws=tables_of_claims("draws.safetensors"),
        family="<results>/tables/family.csv",
        module="src/ldm_scaling/claims/decide.py",
        values="src/ldm_scaling/tables/values.py",
        curves="src/ldm_scaling/tables/curves.py",
        published="src/ldm_scaling/costs/published.py",
        acceleration="src/ldm_scaling/tables/acceleration.py",
        agreement="src/ldm_scaling/tables/metric_agreement.py",
        dreambooth=dreambooth_table,
        stitched="src/ldm_scaling/tables/stitch.py",
        stitch=stitch_table,
        searches=search_table,
        search_cost="src/ldm_scaling/tables/search_cost.py",
        param_budget=param_budget_table,
        splits="src/ldm_scaling/tables/param_budget.py",
        claims=CLAIM_MODULES,
    output:
        table=table("<results>/tables/claims.csv"),
        text=table("<results>/claims.md"),
    log:
        "<logs>/claims.log",
    benchmark:
        "<benchmarks>/claims.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        spec=claims_spec(STUDY, SPECS.cost()).model_dump_json(),
        cells=claims_arguments,
        dreambooth=dreambooth_claims_option,
        stitch=stitch_claims_option,
        searches=search_claims_option,
        param_budget=param_budget_claims_option,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.claims.decide --spec {params.spec:q} {params.cells}"
        " {params.dreambooth} {params.stitch} {params.searches} {params.param_budget}"
        " --family {input.family:q} --table-out {output.table:q} --text-out {output.text:q}"


rule crossovers:
    """The cost at which each size overtakes each smaller one, by sampler and kind of cost; lcm is students'."""
    input:
        cells=tables_of_all_sizes("cells.csv"),
        draws=tables_of_all_sizes("draws.safetensors"),
        module="src/ldm_scaling/tables/curves.py",
        values="src/ldm_scaling/tables/values.py",
    output:
        table("<results>/tables/crossovers.csv"),
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


rule rank_sizes:
    """The ranking of the sizes by each metric at each sampling budget, and how far they agree."""
    input:
        cells=[cells_table(sampler) for sampler in STUDY.sampling.samplers],
        draws=[draws_of_cells(sampler) for sampler in STUDY.sampling.samplers],
        module="src/ldm_scaling/tables/metric_agreement.py",
        curves="src/ldm_scaling/tables/curves.py",
        values="src/ldm_scaling/tables/values.py",
    output:
        ranking=table("<results>/tables/metric_ranking.csv"),
        agreement=table("<results>/tables/metric_agreement.csv"),
    log:
        "<logs>/rank_sizes.log",
    benchmark:
        "<benchmarks>/rank_sizes.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        cells=cells_arguments,
        metrics=list(STUDY.metrics.names.values()),
        select_by=SELECT_BY,
        budgets=STUDY.figures.budgets,
        confidence=STUDY.metrics.confidence,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.metric_agreement {params.cells}"
        " --metrics {params.metrics:q} --select-by {params.select_by:q}"
        " --budgets {params.budgets} --confidence {params.confidence}"
        " --ranking-out {output.ranking:q} --out {output.agreement:q}"


rule acceleration:
    """How many undistilled steps the few steps of each student are worth."""
    input:
        cells=tables_of_students(stages.DISTILL, "cells.csv"),
        draws=tables_of_students(stages.DISTILL, "draws.safetensors"),
        module="src/ldm_scaling/tables/acceleration.py",
        curves="src/ldm_scaling/tables/curves.py",
        values="src/ldm_scaling/tables/values.py",
    output:
        table("<results>/tables/acceleration.csv"),
    log:
        "<logs>/acceleration.log",
    benchmark:
        "<benchmarks>/acceleration.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        cells=cells_arguments,
        metric=SELECT_BY,
        undistilled=FIXED.sampler,  # with the steps, what the caption in the report names
        few=FEW_STEPS,
        confidence=STUDY.metrics.confidence,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.acceleration {params.cells} --metric {params.metric:q}"
        " --confidence {params.confidence} --out {output:q}"


rule latency:
    """Seconds of a forward pass by size on this device; no other target needs it, none beside it."""
    input:
        module="src/ldm_scaling/costs/latency.py",
    output:
        table("<results>/tables/latency.csv"),
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
        "python -m ldm_scaling.costs.latency --spec {params.spec:q}"
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
        study=whole_study,
        out=f"{STUDY.results}/plan.csv",
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.plan.plan --spec {params.study:q}"
        " --device {resources.device:q} --utilisation {resources.utilisation} --out {params.out:q}"
