"""Targets by name, beside `all` in the Snakefile: a part of the study.

Needs: nothing of its own. Gives: `prefetch`, `figures`, `tables`, `models`.
"""

from ldm_scaling.workflow import cluster, stages, targets


rule prefetch:
    """Everything that the study downloads; all other jobs then need no network."""
    input:
        inputs.downloads,
    localrule: True


rule figures:
    """Every figure."""
    input:
        expand(
            "<results>/figures/{name}.{kind}",
            name=targets.figures(STUDY),
            kind=["pdf", "png"],
        ),
    localrule: True


rule tables:
    """Every table, the page of claims, and the answer for the budgets of the figures."""
    input:
        expand("<results>/tables/{name}.csv", name=targets.tables(STUDY)),
        "<results>/claims.md",
        "<results>/answer.txt",
    localrule: True


rule models:
    """Every trained model."""
    input:
        [
            f"<results>/models/{stage}/{size}/seed{seed}/summary.json"
            for stage, size, seed in [*stages.models(STUDY), *stages.pairs(STUDY)]
        ],
        [
            f"<results>/models/bias_balanced/{size}/seed{seed}/summary.json"
            for size, seed in stages.balanced(STUDY)
        ],
        expand(
            "<results>/models/dreambooth/{model}/subject{subject}/summary.json",
            model=[f"{size}/seed{seed}" for size, seed in stages.taught(STUDY)],
            subject=range(STUDY.dreambooth.subjects if STUDY.dreambooth else 0),
        ),
    localrule: True


onstart:
    # not while parsing: a dry run, which skips this, needs no cluster
    if line := cluster.refusal(workflow):
        print(f"error: {line}", file=sys.stderr)
        sys.exit(2)
