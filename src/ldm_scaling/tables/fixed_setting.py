"""Every size after its whole training, at the study's fixed setting: one row for each metric.

What Mei et al. print of a size, arXiv 2404.01367, Table 1, stands beside the metrics of that name,
if the family is theirs: theirs are of 30,000 images of COCO-2014, DDIM, 50 steps, guidance 7.5.
"""

from __future__ import annotations

import pandas as pd

from ..costs.published import published_results
from ..jobs.command import command
from ..jobs.tables import records, to_csv
from ..jobs.workdir import write_text
from ..workflow.specs.costs import CostSpec
from .arguments import Confidence, Out
from .at_setting import AtSetting
from .values import Values, with_intervals

FIXED_SETTING = ["size", "params", "gflops", "normalized_cost", "sampler", "steps", "guidance"]
FIXED_SETTING += ["metric", "value", "lo", "hi", "n", "published", "status"]


def fixed_setting_table(values: list[Values], spec: CostSpec, confidence: float) -> pd.DataFrame:
    """One row for each size and metric, in the columns `FIXED_SETTING`; smallest size first.

    `values` are of `at_setting`, one for each metric; `published` is empty where the paper prints
    nothing of that metric, or not of this family.
    """
    tables = [with_intervals(own.where(own.rows["trained"] == 1), confidence) for own in values]
    rows = pd.concat(tables, ignore_index=True).sort_values("params", kind="stable")
    printed = [published_results(spec, row.size).get(row.metric) for row in records(rows)]
    return rows.assign(published=pd.Series(printed, rows.index, dtype=float))[FIXED_SETTING]


@command
def main(
    values: AtSetting,
    confidence: Confidence,
    spec: CostSpec,
    out: Out,
) -> None:
    """Write fixed_setting.csv."""
    write_text(out, to_csv(fixed_setting_table(values, spec, confidence)))
