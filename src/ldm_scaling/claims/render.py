"""Findings as a table of numbers and as a page to read."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import pandas as pd

from .evidence import Evidence
from .statement import COSINE, NOT_RUN, VERDICTS, Finding

COLUMNS = ["id", "topic", "source", "sentence", "statistic", "estimate", "lo", "hi", "n"]
COLUMNS += ["verdict", "reason", "note", "figure"]


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
    spec, seeds = evidence.spec, evidence.seeds
    fixed, decidable = spec.fixed, len(findings) - counts[NOT_RUN]
    alignment = f"`{spec.alignment}` (higher is better)" if spec.alignment else "not measured"
    seeds_note = (
        "one training seed: intervals do not cover the chance of a training"
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
        f" it is undecided. Intervals are not widened for the number of claims: of the {decidable}"
        f" here, one in {1 / (1 - spec.confidence):.0f} of those that are neither true nor false is"
        " decided by chance.",
        "- Where a statistic says `every`, the weakest part decides; where it says `the best of`,"
        " the strongest. These intervals are widened for the number of parts.",
    ]
    if spec.decay == COSINE and any(finding.claim.along_training for finding in findings):
        lines.append(
            "- The learning rate decays along a cosine. A checkpoint before the end has not had the"
            " end of the decay and is worse than a model that was trained for that long. So claims"
            " on training are partly on the schedule, not on training alone: gains are too large,"
            " and those of the last checkpoints the most."
        )
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
