"""Super-resolution: low-resolution images, and the models that enlarge them.

Needs: <results>/data, or folders of photographs; pretrained models, the autoencoder. Gives:
<results>/data/superres/{split}.safetensors (low-resolution images, and the same enlarged; crops of
photographs in photos_{split}), <results>/models/superres and superres_scratch, and
<results>/tables/superres_baselines.csv. Latents and features of these images, and cells of these
models, are made by the rules of all others.
"""


rule superres:
    """Every model of super-resolution after its whole training, beside enlarging without one."""
    input:
        baselines="<results>/tables/superres_baselines.csv",
        cells=superres_tables("cells.csv"),
        draws=superres_tables("draws.safetensors"),
        module="src/ldm_scaling/tables/superres.py",
        values="src/ldm_scaling/tables/values.py",
    output:
        table("<results>/tables/superres.csv"),
    log:
        "<logs>/superres.log",
    benchmark:
        "<benchmarks>/superres.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        cells=cells_arguments,
        setting=superres_setting,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.superres --baselines {input.baselines:q} {params.cells}"
        " {params.setting} --out {output:q}"
