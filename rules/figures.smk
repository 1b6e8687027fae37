"""Figures, each a pure function of tables.

Needs: <results>/tables. Gives: <results>/figures/{name}.pdf and .png.
"""


rule fid_vs_cost:
    """The headline: quality at the best guidance against sampling cost, one line a size."""
    input:
        cells=cells_table(SAMPLER),
        draws=draws_of_cells(SAMPLER),
        floors="<results>/tables/floors.csv",
        module="src/ldm_scaling/figures/fid_vs_cost.py",
        shared="src/ldm_scaling/figures/quality_curves.py",
        curves="src/ldm_scaling/tables/curves.py",
        values="src/ldm_scaling/tables/values.py",
        budgets="src/ldm_scaling/tables/budgets.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("fid_vs_cost", "Quality and cost"),
    log:
        "<logs>/fid_vs_cost.log",
    benchmark:
        "<benchmarks>/fid_vs_cost.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        metric=SELECT_BY,
        sampler=SAMPLER,
        confidence=STUDY.metrics.confidence,
        budgets=STUDY.figures.budgets,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.fid_vs_cost --cells {input.cells:q} {input.draws:q}"
        " --floors {input.floors:q} --metric {params.metric:q}"
        " --confidence {params.confidence} --budgets {params.budgets}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule fid_vs_guided_cost:
    """The same against every network evaluation, and against all arithmetic of an image."""
    input:
        cells=cells_table(SAMPLER),
        draws=draws_of_cells(SAMPLER),
        floors="<results>/tables/floors.csv",
        module="src/ldm_scaling/figures/fid_vs_guided_cost.py",
        shared="src/ldm_scaling/figures/quality_curves.py",
        curves="src/ldm_scaling/tables/curves.py",
        values="src/ldm_scaling/tables/values.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("fid_vs_guided_cost", "Quality and cost"),
    log:
        "<logs>/fid_vs_guided_cost.log",
    benchmark:
        "<benchmarks>/fid_vs_guided_cost.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        metric=SELECT_BY,
        sampler=SAMPLER,
        confidence=STUDY.metrics.confidence,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.fid_vs_guided_cost --cells {input.cells:q} {input.draws:q}"
        " --floors {input.floors:q} --metric {params.metric:q}"
        " --confidence {params.confidence}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule fid_vs_seconds:
    """The same against measured seconds an image."""
    input:
        cells=cells_table(SAMPLER),
        draws=draws_of_cells(SAMPLER),
        floors="<results>/tables/floors.csv",
        module="src/ldm_scaling/figures/fid_vs_seconds.py",
        shared="src/ldm_scaling/figures/quality_curves.py",
        curves="src/ldm_scaling/tables/curves.py",
        values="src/ldm_scaling/tables/values.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("fid_vs_seconds", "Quality and cost"),
    log:
        "<logs>/fid_vs_seconds.log",
    benchmark:
        "<benchmarks>/fid_vs_seconds.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        metric=SELECT_BY,
        sampler=SAMPLER,
        confidence=STUDY.metrics.confidence,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.fid_vs_seconds --cells {input.cells:q} {input.draws:q}"
        " --floors {input.floors:q} --metric {params.metric:q}"
        " --confidence {params.confidence}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule metric_agreement:
    """Whether metrics rank the sizes alike at each sampling budget."""
    input:
        ranking="<results>/tables/metric_ranking.csv",
        agreement="<results>/tables/metric_agreement.csv",
        module="src/ldm_scaling/figures/metric_agreement.py",
        table="src/ldm_scaling/tables/metric_agreement.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("metric_agreement", "Quality and cost"),
    log:
        "<logs>/metric_agreement.log",
    benchmark:
        "<benchmarks>/metric_agreement.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        sampler=SAMPLER,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.metric_agreement --ranking {input.ranking:q}"
        " --agreement {input.agreement:q} --sampler {params.sampler:q}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule samplers_vs_cost:
    """Each further sampler against the first, at the same sampling cost."""
    input:
        cells=[cells_table(sampler) for sampler in STUDY.sampling.samplers],
        draws=[draws_of_cells(sampler) for sampler in STUDY.sampling.samplers],
        floors="<results>/tables/floors.csv",
        module="src/ldm_scaling/figures/samplers_vs_cost.py",
        paired="src/ldm_scaling/figures/paired_curves.py",
        shared="src/ldm_scaling/figures/quality_curves.py",
        curves="src/ldm_scaling/tables/curves.py",
        values="src/ldm_scaling/tables/values.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("samplers_vs_cost", "Quality and cost"),
    log:
        "<logs>/samplers_vs_cost.log",
    benchmark:
        "<benchmarks>/samplers_vs_cost.tsv"
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
        "python -m ldm_scaling.figures.samplers_vs_cost {params.cells}"
        " --floors {input.floors:q} --metric {params.metric:q}"
        " --confidence {params.confidence}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule guidance_sweep:
    """Metric against guidance for each size and step count."""
    input:
        cells=cells_table(SAMPLER_GRID),
        draws=draws_of_cells(SAMPLER_GRID),
        floors="<results>/tables/floors.csv",
        module="src/ldm_scaling/figures/guidance_sweep.py",
        shared="src/ldm_scaling/figures/quality_curves.py",
        curves="src/ldm_scaling/tables/curves.py",
        setting="src/ldm_scaling/tables/fixed_setting.py",
        values="src/ldm_scaling/tables/values.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("guidance_sweep", "Guidance"),
    log:
        "<logs>/guidance_sweep.log",
    benchmark:
        "<benchmarks>/guidance_sweep.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        metric=SELECT_BY,
        sampler=SAMPLER,
        confidence=STUDY.metrics.confidence,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.guidance_sweep --cells {input.cells:q} {input.draws:q}"
        " --floors {input.floors:q} --metric {params.metric:q}"
        " --confidence {params.confidence} --pdf {output.pdf:q} --png {output.png:q}"


rule train_compute:
    """Metric and alignment against training compute, with power laws, at the fixed setting."""
    input:
        cells=cells_table(FIXED.sampler),
        draws=draws_of_cells(FIXED.sampler),
        floors="<results>/tables/floors.csv",
        fits="<results>/tables/fits.csv",
        module="src/ldm_scaling/figures/train_compute.py",
        laws="src/ldm_scaling/tables/fits.py",
        setting="src/ldm_scaling/tables/fixed_setting.py",
        values="src/ldm_scaling/tables/values.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("train_compute", "Training"),
    log:
        "<logs>/train_compute.log",
    benchmark:
        "<benchmarks>/train_compute.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        setting=FIXED_SETTING,
        images=STUDY.training.images,
        metrics=[SELECT_BY, *([ALIGNMENT] if ALIGNMENT else [])],
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.train_compute --cells {input.cells:q}"
        " --draws {input.draws:q} {params.setting} --images {params.images}"
        " --floors {input.floors:q} --fits {input.fits:q} --metrics {params.metrics:q}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule guidance_interaction:
    """Metric against steps by guidance, for a size or two; the best guidance of every size."""
    input:
        cells=cells_table(SAMPLER_GRID),
        draws=draws_of_cells(SAMPLER_GRID),
        floors="<results>/tables/floors.csv",
        module="src/ldm_scaling/figures/guidance_interaction.py",
        shared="src/ldm_scaling/figures/quality_curves.py",
        curves="src/ldm_scaling/tables/curves.py",
        setting="src/ldm_scaling/tables/fixed_setting.py",
        values="src/ldm_scaling/tables/values.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("guidance_interaction", "Guidance"),
    log:
        "<logs>/guidance_interaction.log",
    benchmark:
        "<benchmarks>/guidance_interaction.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        metric=SELECT_BY,
        sampler=SAMPLER,
        confidence=STUDY.metrics.confidence,
        sizes=STUDY.guidance_sizes,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.guidance_interaction --cells {input.cells:q} {input.draws:q}"
        " --floors {input.floors:q} --metric {params.metric:q}"
        " --confidence {params.confidence} --sizes {params.sizes:q}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule model_family:
    """Parameters and cost of every size, beside what the paper prints of them."""
    input:
        family="<results>/tables/family.csv",
        module="src/ldm_scaling/figures/model_family.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("model_family", "Model family"),
    log:
        "<logs>/model_family.log",
    benchmark:
        "<benchmarks>/model_family.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.model_family --family {input.family:q}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule latency_vs_cost:
    """Measured seconds of a forward pass against its FLOPs; made when asked for by name."""
    input:
        latency="<results>/tables/latency.csv",
        family="<results>/tables/family.csv",
        module="src/ldm_scaling/figures/latency_vs_cost.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("latency_vs_cost", "Quality and cost"),
    log:
        "<logs>/latency_vs_cost.log",
    benchmark:
        "<benchmarks>/latency_vs_cost.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.latency_vs_cost --latency {input.latency:q}"
        " --family {input.family:q} --pdf {output.pdf:q} --png {output.png:q}"
