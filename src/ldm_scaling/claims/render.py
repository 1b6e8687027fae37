"""Findings as a table of numbers and as a page to read."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from ..kinds.metrics import HIGHER_IS_BETTER
from .evidence import Evidence
from .statement import DECIDED, NOT_RUN, VERDICTS, Finding, is_of_one_training

COLUMNS = ["id", "topic", "source", "sentence", "statistic", "estimate", "lo", "hi", "p", "n"]
COLUMNS += ["verdict", "reason", "note", "figure", "cells"]


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
    spec, fixed = evidence.spec, evidence.spec.fixed
    tested = [finding for finding in findings if finding.p is not None]
    chances = [finding.p for finding in tested]
    rate = 1 - spec.confidence
    decided = np.array([finding.verdict in DECIDED for finding in tested], bool)
    adjusted = false_discovery_control(chances, method="by") if tested else np.empty(0)
    remaining = int((decided & (adjusted <= _FALSE)).sum())
    alignment = f"`{spec.alignment}` (higher is better)" if spec.alignment else "not measured"
    better = "higher" if spec.quality in HIGHER_IS_BETTER else "lower"
    choice = (
        "found by an adaptive search; what that misses is not in intervals"
        if spec.search
        else "chosen anew on each resample"
    )
    lines = [
        ", ".join(f"**{counts[verdict]} {verdict}**" for verdict in shown(counts)) + ".",
        "",
        f"- {', '.join(evidence.family['size'])}; {', '.join(evidence.samplers)}; n = {evidence.n}"
        f" images a cell{_other_n(findings, evidence.n)}; {_trainings(evidence)}.",
        f"- Quality is `{spec.quality}` ({better} is better), alignment is {alignment}."
        f" The fixed setting is {fixed.sampler}, {fixed.steps} steps, guidance {fixed.guidance:g}."
        f" Elsewhere each size has its best guidance at each number of steps, {choice}.",
        f"- Each statistic is positive where the claim holds. Its interval ({spec.confidence:.0%},"
        " resampled concepts of the prompts) decides: above 0 it holds, below 0 it does not, else"
        " it is undecided. A bound counts as 0 if it is nearer to 0 than two Monte Carlo errors.",
        f"- Intervals are not widened for the number of claims. If all {len(tested)} statistics"
        f" were truly 0, {len(tested) * rate:.0f} would be decided by chance. Claims share images"
        f" and models, so such errors come together. At a false discovery rate of {_FALSE:.0%}"
        f" (Benjamini and Yekutieli), {remaining} of the {decided.sum()} that were decided remain.",
        "- Where a statistic says `every` or `each`, the weakest part decides; where `the best of`,"
        " the strongest. These intervals are widened for the number of"
        " parts.",
    ]
    return lines


def _other_n(findings: list[Finding], n: int | None) -> str:
    """The images a cell of topics that have other numbers of them."""
    others: dict[str, set[int]] = {}
    for finding in findings:
        if finding.n is not None and finding.n != n:
            others.setdefault(finding.claim.topic, set()).add(finding.n)
    each = [f"{' and '.join(map(str, sorted(own)))} for {topic}" for topic, own in others.items()]
    return f" ({', '.join(each)})" if each else ""


def shown(counts: Counter) -> list[str]:
    """The verdicts to count: those that there are, and the plain ones also without any."""
    return [verdict for verdict in VERDICTS if counts[verdict] or not is_of_one_training(verdict)]


def _trainings(evidence: Evidence) -> str:
    """What intervals contain of the chance of a training."""
    most, deviation = max(evidence.seeds.values()), evidence.spec.training_sd
    fewer = [f"{n} of {name}" for name, n in sorted(evidence.seeds.items()) if n < most]
    if most > 1:
        listed = f" ({', '.join(fewer)})" if fewer else ""
        once = "; verdicts on what was trained once are on this training" if fewer else ""
        note = f"{most} training seeds{listed}, whose spread is in the intervals, with Student's"
        return f"{note} quantiles{once}"
    if evidence.spec.adopted:
        return "others trained the models, and verdicts are on these models"
    if deviation is None:
        return (
            "one training seed, so intervals do not contain what another training would give:"
            " verdicts are on this training"
        )
    return (
        f"one training seed; intervals of `{evidence.spec.quality}` contain a training deviation of"
        f" {deviation:g}, given, not measured, which moves all cells of a model by one factor:"
        " verdicts that it does not widen are on this training"
    )


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
