"""Findings as a table of numbers and as a page to read."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from .evidence import Evidence
from .statement import DECIDED, NOT_RUN, VERDICTS, Finding

COLUMNS = ["id", "topic", "source", "sentence", "statistic", "estimate", "lo", "hi", "p", "n"]
COLUMNS += ["verdict", "reason", "note", "figure"]


_FALSE = 0.1
"""share of false verdicts among those that remain"""


def table(findings: list[Finding]) -> pd.DataFrame:
    """One row a claim, in the columns `COLUMNS`."""
    rows = [{**vars(finding.claim), **vars(finding)} for finding in findings]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"n": "Int64"})


def page(findings: list[Finding], evidence: Evidence) -> str:
    """Markdown: what was counted, then a table of claims for each topic, the verdict first."""
    lines = [f"# Claims: study {evidence.spec.study}", "", *_heading(findings, evidence)]
    for topic, group in groupby(findings, key=lambda finding: finding.claim.topic):
        lines += ["", f"## {topic}", ""]
        lines += ["| verdict | claim | source | statistic | estimate, or why not run | figure |"]
        lines += ["|---|---|---|---|---|---|", *map(_row, group)]
    return "\n".join(lines) + "\n"


def _heading(findings: list[Finding], evidence: Evidence) -> list[str]:
    counts = Counter(finding.verdict for finding in findings)
    spec, seeds, fixed = evidence.spec, evidence.seeds, evidence.spec.fixed
    tested = [finding.p for finding in findings if finding.p is not None]
    rate = 1 - spec.confidence
    adjusted = false_discovery_control(tested, method="by") if tested else np.empty(0)
    remaining = int((adjusted <= _FALSE).sum())
    alignment = f"`{spec.alignment}` (higher is better)" if spec.alignment else "not measured"
    seeds_note = (
        "one training seed, so intervals do not contain what another training would give: verdicts"
        " are on this training"
        if seeds == 1
        else f"{seeds} training seeds, whose spread is in the intervals, with Student's quantiles"
    )
    choice = (
        "found by an adaptive search: what that misses is in `search_cost.csv`, not in intervals"
        if spec.search
        else "chosen anew on each resample"
    )
    lines = [
        ", ".join(f"**{counts[verdict]} {verdict}**" for verdict in VERDICTS) + ".",
        "",
        f"- {', '.join(spec.family.sizes)}; {', '.join(evidence.samplers)}; n = {evidence.n}"
        f" images a cell; {seeds_note}.",
        f"- Quality is `{spec.quality}` (lower is better), alignment is {alignment}."
        f" The fixed setting is {fixed.sampler}, {fixed.steps} steps, guidance {fixed.guidance:g}."
        f" Elsewhere each size has its best guidance at each number of steps, {choice}.",
        f"- Each statistic is positive where the claim holds. Its interval ({spec.confidence:.0%},"
        " resampled concepts of the prompts) decides: above 0 it holds, below 0 it does not, else"
        " it is undecided. A bound counts as 0 if it is nearer to 0 than two Monte Carlo errors.",
        f"- Intervals are not widened for the number of claims. If all {len(tested)} statistics"
        f" were truly 0, {len(tested) * rate:.0f} would be decided by chance. Claims share images"
        f" and models, so such errors come together. At a false discovery rate of {_FALSE:.0%}"
        f" (Benjamini and Yekutieli), {remaining} of the"
        f" {sum(counts[verdict] for verdict in DECIDED)} decided ones remain.",
        "- Where a statistic says `every` or `each`, the weakest part decides; where `the best of`,"
        " the strongest. These intervals are widened for the number of"
        " parts.",
    ]
    return lines


def _row(finding: Finding) -> str:
    claim = finding.claim
    if finding.verdict == NOT_RUN:
        result = finding.reason
    else:
        result = f"{finding.estimate:.3g} [{finding.lo:.3g}, {finding.hi:.3g}]"
    cells = [
        f"**{finding.verdict}**",
        claim.sentence,
        claim.source,
        f"{claim.statistic} ({finding.note})" if finding.note else claim.statistic,
        result,
        f"`{claim.figure}`",
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
