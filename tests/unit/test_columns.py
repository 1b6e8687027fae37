"""What docs/results.md says of tables, against the code that writes them."""

import re

from ldm_scaling.jobs.tables import HALF
from ldm_scaling.kinds.columns import COLUMNS
from ldm_scaling.kinds.tables import TABLES, WRITTEN_OUT
from ldm_scaling.workflow import columns


def test_the_page_is_as_the_code_has_it(root):
    """If not: python -m ldm_scaling.workflow.columns."""
    document = (root / "docs/results.md").read_text()
    assert columns.renewed(document, root) == document
    shown = set(re.findall(r"<!-- (\w+) of", document))
    assert shown == {*columns.TABLES, "metrics"}


def test_every_place_that_rules_write_to_is_on_the_page(root):
    rules = "".join(path.read_text() for path in sorted((root / "rules").glob("*.smk")))
    places = set(re.findall(r"\"(?:<results>|{folder})/([\w.]+)", rules))
    assert {"answer.txt", "cells", "pipelines"} <= places
    named = set(re.findall(r"(?:### |`)([\w.]+)", (root / "docs/results.md").read_text()))
    assert places <= named


def test_every_table_has_its_columns():
    written = {name for table in TABLES for name in re.findall(r"/(\w+)\.csv", table.out)}
    assert written | {*WRITTEN_OUT, "latency"} == {*columns.TABLES}


def test_no_column_is_explained_that_no_table_has():
    used = {
        columns.key_of(name, column)
        for name in columns.TABLES
        for column in columns.columns_of(name)
    }
    assert used == set(COLUMNS)


def test_columns_are_those_of_published_tables(root):
    for name in columns.TABLES:
        # the pocket study first; it searches, and keeps each image
        files = sorted(root.glob(f"reference/*/tables/{name}.csv"))
        assert files, name
        head = files[0].read_text().splitlines()[0].split(",")
        own = {column for column in head if not column.startswith(HALF)}
        assert own <= set(columns.columns_of(name)), name
