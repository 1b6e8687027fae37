"""Decide what the paper claims, each sentence by a statistic of the study's cells.

Writes claims.csv, one row a claim, and claims.md to read. Each claim has a statistic that is
positive where it holds; its interval, from resamples that all cells share, decides. A claim whose
data the study lacks is `not run`, with the reason.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import pandas as pd

from ..costs.published import COLUMNS
from ..jobs.cli import InputError
from ..jobs.command import Option, command, csv
from ..jobs.tables import FAMILY, to_csv
from ..jobs.workdir import write_text
from ..kinds.stages import DREAMBOOTH, PRETRAIN, is_consistency, is_superres
from ..tables.arguments import Floors, Out
from ..tables.bias import TONES, read_bias
from ..tables.candidates import read_every
from ..tables.dreambooth import of_all, read_scores
from ..tables.inverted import read_every as read_inversion
from ..tables.searches import SEARCH_COST
from ..tables.splits import read_pairs
from ..tables.stitch import read_stitched
from ..tables.values import read_values
from ..workflow.specs.claims import ClaimsSpec
from .evidence import Evidence
from .registry import CLAIMS
from .render import page, shown, table
from .statement import find

_Beside = Annotated[
    tuple[Path, Path] | None, Option("such a table and its draws", Path, 2, ("TABLE", "DRAWS"))
]
"""what some studies have beside cells of models"""


def metrics_of(stage: str, spec: ClaimsSpec) -> list[str]:
    """The metrics that claims ask for of a stage."""
    if is_superres(stage):
        assert spec.superres
        wanted = [spec.quality, spec.superres.perceptual, spec.superres.score]
    else:
        compared = spec.agreement.distances if stage == PRETRAIN and spec.agreement else []
        covered = [spec.coverage] if is_consistency(stage) else []
        wanted = [spec.quality, spec.alignment, *compared, *covered]
    return [metric for metric in dict.fromkeys(wanted) if metric]


def read_evidence(
    spec: ClaimsSpec,
    family: pd.DataFrame,
    tables: list[tuple[str, str, Path, Path]],
    dreambooth: tuple[Path, Path] | None = None,
    stitch: tuple[Path, Path] | None = None,
    searches: pd.DataFrame | None = None,
    pairs: tuple[Path, Path] | None = None,
    floors: pd.DataFrame | None = None,
    candidates: tuple[Path, Path] | None = None,
    inversion: tuple[Path, Path] | None = None,
    bias: tuple[Path, Path] | None = None,
) -> Evidence:
    """The metrics that claims ask for, of (stage, sampler, cells.csv, draws.safetensors).

    And of dreambooth.csv with its draws, if the spec names a metric of it; of stitch.csv,
    search_cost.csv, param_budget.csv, bias.csv, candidates.csv and inversion.csv, if there are
    such tables.

    Raises InputError if a table lacks one, or if tables have different resamples or n.
    """
    cells = {
        (stage, sampler, metric): read_values(table, file, metric)
        for stage, sampler, table, file in tables
        for metric in metrics_of(stage, spec)
    }
    for metric in {metric for _, _, metric in cells}:
        counts = {values.draws.shape[1] for key, values in cells.items() if key[2] == metric}
        if len(counts) > 1:
            raise InputError("tables have different numbers of resamples; measure all cells alike")
    for enlarging in (False, True):
        counts = {
            n
            for (stage, _, _), values in cells.items()
            for n in values.rows["n"].dropna()
            if is_superres(stage) == enlarging
        }
        if len(counts) > 1:
            found = ", ".join(map(str, sorted(counts)))
            raise InputError(f"n = {found}: measure all with the same n")
    beside = {
        "stitched": read_stitched(*stitch, spec.quality) if stitch else None,
        "searches": searches,
        "floors": floors,
        "toned": {metric: read_bias(*bias, metric) for metric in (*TONES, spec.quality)}
        if bias
        else {},
        "candidates": read_every(*candidates) if candidates else None,
        "inverted": read_inversion(*inversion) if inversion else None,
        "pairs": read_pairs(*pairs, spec.quality) if pairs else None,
    }
    if spec.fidelity is None:
        return Evidence(spec, family, cells, **beside)
    if dreambooth is None:
        raise InputError("--dreambooth: the spec asks for its scores")
    taught = of_all(read_scores(*dreambooth, spec.fidelity), DREAMBOOTH)
    return Evidence(spec, family, cells, taught, **beside)


@command
def main(
    spec: ClaimsSpec,
    cells: Annotated[
        list[tuple[str, str, str, str]],
        Option(
            "table of the cells of a stage and sampler, and their draws; repeat for each",
            nargs=4,
            names=("STAGE", "SAMPLER", "CELLS", "DRAWS"),
            repeated=True,
        ),
    ],
    family: Annotated[pd.DataFrame, csv("family.csv", [*FAMILY, *COLUMNS])],
    floors: Floors,
    table_out: Out,
    text_out: Out,
    dreambooth: _Beside = None,
    stitch: _Beside = None,
    param_budget: _Beside = None,
    bias: _Beside = None,
    candidates: _Beside = None,
    inversion: _Beside = None,
    searches: Annotated[pd.DataFrame | None, csv("search_cost.csv", SEARCH_COST)] = None,
) -> None:
    """Write claims.csv and claims.md."""
    tables = [(stage, sampler, Path(table), Path(draws)) for stage, sampler, table, draws in cells]
    evidence = read_evidence(
        spec,
        family,
        tables,
        dreambooth,
        stitch,
        searches,
        param_budget,
        floors,
        candidates,
        inversion,
        bias,
    )
    findings = [find(claim, evidence) for claim in CLAIMS]
    write_text(text_out, page(findings, evidence))
    write_text(table_out, to_csv(table(findings)))
    counts = Counter(finding.verdict for finding in findings)
    print(", ".join(f"{counts[verdict]} {verdict}" for verdict in shown(counts)))
