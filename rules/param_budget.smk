"""What text encoder, autoencoder and U-Net have of an image's cost, and which split is best.

Needs: <results>/latents, captions, and the text encoders of section param_budget. Gives: embeddings
<results>/latents/budget_{encoder}/text_{split}.safetensors, a diffusers folder a pair,
<results>/models/budget_{encoder}/{size}/seed{seed}, whose cells the rules of all others make;
<results>/models/components.csv and param_budget.csv, <results>/tables/components.csv, param_budget.csv and
param_budget_splits.csv, and a figure of each.
"""


rule components_table:
    """Parameters, bytes, FLOPs and seconds of text encoder, autoencoder and U-Net."""
    input:
        counts="<results>/models/components.csv",
        seconds="<results>/models/component_seconds.csv",
        module="src/ldm_scaling/tables/components.py",
    output:
        table("<results>/tables/components.csv"),
    log:
        "<logs>/components_table.log",
    benchmark:
        "<benchmarks>/components_table.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        setting=f"--steps {FIXED.steps} --guidance {FIXED.guidance:g}",
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.components --counts {input.counts:q}"
        " --seconds {input.seconds:q} {params.setting} --out {output:q}"


rule components:
    """What each network has of an image's parameters, FLOPs and seconds, by size."""
    input:
        components="<results>/tables/components.csv",
        module="src/ldm_scaling/figures/components.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("components", "Model family"),
    log:
        "<logs>/components.log",
    benchmark:
        "<benchmarks>/components.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.components --components {input.components:q}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule param_budget_table:
    """Every pair of a text encoder and a U-Net, and which split of equal totals is best."""
    input:
        metrics=cells_of_pairs("metrics.csv"),
        draws=cells_of_pairs("draws.safetensors"),
        counts="<results>/models/param_budget.csv",
        module="src/ldm_scaling/tables/param_budget.py",
        components="src/ldm_scaling/tables/components.py",
        curves="src/ldm_scaling/tables/curves.py",
        values="src/ldm_scaling/tables/values.py",
    output:
        table=table("<results>/tables/param_budget.csv"),
        splits=table("<results>/tables/param_budget_splits.csv"),
        draws="<results>/tables/param_budget/draws.safetensors",
    log:
        "<logs>/param_budget_table.log",
    benchmark:
        "<benchmarks>/param_budget_table.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        spec=param_budget_spec,
        metrics=pairs_arguments,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.param_budget --spec {params.spec:q} {params.metrics}"
        " --counts {input.counts:q} --table-out {output.table:q} --draws-out {output.draws:q}"
        " --splits-out {output.splits:q}"


rule param_budget:
    """Metrics against the text encoder's share, at equal parameters and at equal FLOPs."""
    input:
        pairs="<results>/tables/param_budget.csv",
        splits="<results>/tables/param_budget_splits.csv",
        module="src/ldm_scaling/figures/param_budget.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("param_budget", "Model family"),
    log:
        "<logs>/param_budget.log",
    benchmark:
        "<benchmarks>/param_budget.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.param_budget --pairs {input.pairs:q}"
        " --splits {input.splits:q} --pdf {output.pdf:q} --png {output.png:q}"
