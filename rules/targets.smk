"""Targets by name: what people ask for without naming files.

Needs: nothing of its own. Gives: `all` (the default), `figures`, `tables`, `models`.
"""


localrules:
    all,
    figures,
    tables,
    models,


rule figures:
    """Every figure."""
    input:
        expand(
            "<results>/figures/{name}.{kind}",
            name=["fid_vs_cost", "guidance_sweep"],
            kind=["pdf", "png"],
        ),


rule tables:
    """Every table."""
    input:
        expand(
            "<results>/tables/{name}.csv", name=["cells", "best", "family", "floors"]
        ),


rule models:
    """Every trained model."""
    input:
        [
            f"<results>/models/{stage}/{size}/seed{seed}/summary.json"
            for stage, size, seed in MODELS
        ],


rule all:
    """Every figure and table of the study."""
    default_target: True
    input:
        rules.figures.input,
        rules.tables.input,
