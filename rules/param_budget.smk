"""What text encoder, autoencoder and U-Net have of an image's cost, and which split is best.

Needs: <results>/latents, captions, and the text encoders of section param_budget. Gives: embeddings
<results>/latents/budget_{encoder}/text_{split}.safetensors, a diffusers folder a pair,
<results>/models/budget_{encoder}/{size}/seed{seed}, whose cells the rules of all others make;
<results>/models/components.csv and param_budget.csv, <results>/tables/components.csv, param_budget.csv and
param_budget_splits.csv, and a figure of each.
"""


rule count_components:
    """Count the parameters and FLOPs of text encoder, autoencoder and every U-Net."""
    input:
        module="src/ldm_scaling/costs/component_counts.py",
        networks="src/ldm_scaling/costs/networks.py",
    output:
        "<results>/models/components.csv",
    log:
        "<logs>/count_components.log",
    benchmark:
        "<benchmarks>/count_components.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        spec=CountComponentsSpec.of(STUDY).model_dump_json(),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.costs.component_counts --spec {params.spec:q} --out {output:q}"


use rule count_components as count_pairs with:
    input:
        encoders=encoders_of_pairs,
        module="src/ldm_scaling/costs/component_counts.py",
        networks="src/ldm_scaling/costs/networks.py",
    output:
        "<results>/models/param_budget.csv",
    log:
        "<logs>/count_pairs.log",
    benchmark:
        "<benchmarks>/count_pairs.tsv"
    params:
        spec=count_pairs_spec,


rule time_components:
    """Seconds of an image in each network on this device; with jobs beside it they say less."""
    input:
        module="src/ldm_scaling/costs/component_seconds.py",
    output:
        "<results>/models/component_seconds.csv",
    log:
        "<logs>/time_components.log",
    benchmark:
        "<benchmarks>/time_components.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=family_memory,
        runtime=120,
        gpu=1,
    params:
        spec=TimeComponentsSpec.of(STUDY).model_dump_json(),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.costs.component_seconds --spec {params.spec:q} --out {output:q}"


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


use rule encode_text as encode_text_of with:
    input:
        captions="<results>/data/{split}.csv",
        encoder=encoder_of_pair_files,
    output:
        "<results>/latents/{stage}/text_{split}.safetensors",
    log:
        "<logs>/encode_text_of/{stage}_{split}.log",
    benchmark:
        "<benchmarks>/encode_text_of/{stage}_{split}.tsv"
    params:
        spec=encode_text_of_spec,
        work=work_dir("encode_text_of"),


use rule pretrain as pretrain_pair with:
    input:
        unpack(pair_training_files),
    output:
        weights="<results>/models/{stage}/{size}/seed{seed}/unet/diffusion_pytorch_model.safetensors",
        config="<results>/models/{stage}/{size}/seed{seed}/unet/config.json",
        kept="<results>/models/{stage}/{size}/seed{seed}/kept.safetensors",
        scheduler="<results>/models/{stage}/{size}/seed{seed}/scheduler/scheduler_config.json",
        metrics="<results>/models/{stage}/{size}/seed{seed}/metrics.jsonl",
        summary="<results>/models/{stage}/{size}/seed{seed}/summary.json",
    log:
        "<logs>/pretrain_pair/{stage}_{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/pretrain_pair/{stage}_{size}_seed{seed}.tsv"
    wildcard_constraints:
        stage=r"budget_[\w.-]+",
    params:
        spec=pair_spec,
        data=pair_training_options,
        out=subpath(output.summary, parent=True),
        work=work_dir("pretrain_pair"),


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
