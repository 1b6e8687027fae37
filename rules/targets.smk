"""Targets by name, beside `all` in the Snakefile: a part of the study.

Needs: nothing of its own. Gives: `figures`, `tables`, `models`.
"""


localrules:
    figures,
    tables,
    models,


rule figures:
    """Every figure."""
    input:
        expand("<results>/figures/{name}.{kind}", name=FIGURES, kind=["pdf", "png"]),


rule tables:
    """Every table."""
    input:
        expand("<results>/tables/{name}.csv", name=TABLES),


rule models:
    """Every trained model."""
    input:
        [
            f"<results>/models/{stage}/{size}/seed{seed}/summary.json"
            for stage, size, seed in MODELS
        ],
