"""The figure of every way to spend a budget, of the published tables."""

from __future__ import annotations

import pandas as pd
import pytest
from drawn import no_overlap
from planted import METRIC
from project import ROOT

from ldm_scaling.figures import frontier
from ldm_scaling.tables.choose import read_frontier

TABLES = ROOT / "reference/pocket/tables"


@pytest.mark.parametrize("name", ["distill", "curriculum_easy_to_hard"])
def test_nothing_is_cut_off_or_overlaps(name):
    rows = read_frontier(TABLES / "frontier.csv")
    rows["stage"] = rows["stage"].replace("distill", name)
    levers = pd.read_csv(TABLES / "levers.csv")
    levers["without"] = levers["without"].replace("distill", name)
    envelope = pd.read_csv(TABLES / "envelope.csv")
    no_overlap(frontier.draw(rows, envelope, levers, METRIC))
