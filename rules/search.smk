"""What adaptive guidance searches save, and what they miss.

Needs: <results>/cells at every scale, the features of real images. Gives:
<results>/tables/search_cost.csv and its figure.
"""


rule replay_searches:
    """Adaptive searches replayed on the cells of the whole grid: their images and their regret."""
    input:
        features=cells_of_searched("features.safetensors"),
        metrics=cells_of_searched("metrics.csv"),
        draws=cells_of_searched("draws.safetensors"),
        reference="<results>/cells/reference/test.safetensors",
        module="src/ldm_scaling/tables/search_cost.py",
        search="src/ldm_scaling/cells/search.py",
    output:
        table("<results>/tables/search_cost.csv"),
    log:
        "<logs>/replay_searches.log",
    benchmark:
        "<benchmarks>/replay_searches.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=8000,
        runtime=walltime,
    params:
        spec=search_cost_spec,
        cells=searched_arguments,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.tables.search_cost --spec {params.spec:q} {params.cells}"
        " --reference {input.reference:q} --out {output:q}"


rule search_cost:
    """Regret of adaptive searches against the images that they sample."""
    input:
        searches="<results>/tables/search_cost.csv",
        module="src/ldm_scaling/figures/search_cost.py",
        shared="src/ldm_scaling/tables/search_cost.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("search_cost", "Guidance"),
    log:
        "<logs>/search_cost.log",
    benchmark:
        "<benchmarks>/search_cost.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.search_cost --searches {input.searches:q}"
        " --pdf {output.pdf:q} --png {output.png:q}"
