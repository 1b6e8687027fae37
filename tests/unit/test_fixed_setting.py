"""The table of sizes at the fixed setting, by hand, and beside what the paper prints."""

import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.utils import update_config

from ldm_scaling.costs.published import published_results
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.cli import run
from ldm_scaling.jobs.tables import CELLS, to_csv
from ldm_scaling.jobs.workdir import file_hash
from ldm_scaling.study.load import load_study
from ldm_scaling.tables import fixed_setting
from ldm_scaling.tables.at_setting import at_setting
from ldm_scaling.tables.fixed_setting import FIXED_SETTING, fixed_setting_table
from ldm_scaling.tables.values import Values
from ldm_scaling.workflow.specs.costs import CostSpec

PARAMS = {"c64": 38_800_000, "c320": 865_900_000}
SETTING = {"steps": 50, "guidance": 7.5, "confidence": 0.9}


@pytest.fixture
def papers(pocket_config, root):
    """What the family of the paper's study costs."""
    update_config(pocket_config, yaml.safe_load((root / "studies/paper.yaml").read_text()))
    return CostSpec.of(load_study(pocket_config))


def cells(metric, value, seeds=(0,)):
    """Two sizes, at the fixed setting whole and half trained, and at another."""
    rows, draws = [], []
    for size, factor in (("c320", 1), ("c64", 2)):
        for seed in seeds:
            for steps, trained, offset in ((50, 1.0, 0), (50, 0.5, 3), (4, 1.0, 7)):
                own = factor * value + offset + seed
                rows.append(
                    {"stage": "pretrain", "size": size, "seed": seed, "sampler": "ddim"}
                    | {"steps": steps, "guidance": 7.5, "trained": trained, "metric": metric}
                    | {"value": own, "lo": own, "hi": own, "n": 30000, "params": PARAMS[size]}
                    | {
                        "seconds": 1.0,
                        "gflops": 53.0,
                        "normalized_cost": 1.0,
                        "grid": True,
                        "status": "ok",
                    }
                )
                draws.append([own, *(own + np.linspace(-1, 1, 101))])
    return Values(pd.DataFrame(rows), np.array(draws))


def test_whole_trainings_smallest_first_beside_what_the_paper_prints(papers):
    values = [at_setting(cells(*metric), **SETTING) for metric in (("fid", 10), ("kid_x", 1))]
    table = fixed_setting_table(values, papers, 0.9)
    assert list(table) == FIXED_SETTING
    assert table["size"].tolist() == ["c64", "c64", "c320", "c320"]
    assert table["metric"].tolist() == ["fid", "kid_x"] * 2
    assert table["value"].tolist() == [20, 2, 10, 1]
    assert np.allclose(table["lo"], table["value"] - 0.9)
    assert np.allclose(table["hi"], table["value"] + 0.9)
    # no KID is printed
    assert table["published"].fillna(0).tolist() == [25.30, 0, 21.55, 0]
    assert set(table["n"]) == {30000} and set(table["status"]) == {"ok"}


def test_the_papers_results_belong_to_the_papers_family_only(papers):
    assert published_results(papers, "c768") == {"fid": 20.14, "clip_score": 0.314}
    assert published_results(papers, "c100") == {}
    other = papers.model_copy(update={"latent_shape": (4, 32, 32)})
    assert published_results(other, "c64") == {}
    table = fixed_setting_table([at_setting(cells("fid", 10), **SETTING)], other, 0.9)
    assert table["published"].isna().all()


def test_quality_grows_with_size_in_what_the_paper_prints(papers):
    printed = [published_results(papers, size) for size in papers.family.sizes]
    assert len(printed) == 11
    assert (np.diff([results["fid"] for results in printed]) < 0).all()
    assert (np.diff([results["clip_score"] for results in printed]) >= 0).all()


def test_a_model_that_is_never_guided_has_the_setting_at_scale_one(papers):
    values = cells("fid", 10)
    values.rows.loc[values.rows["size"] == "c64", "guidance"] = 1.0
    table = fixed_setting_table([at_setting(values, **SETTING)], papers, 0.9).set_index("size")
    assert table["guidance"].to_dict() == {"c64": 1.0, "c320": 7.5}
    assert table["value"].to_dict() == {"c64": 20, "c320": 10}


def test_seeds_are_averaged_and_a_failed_one_leaves_a_row_with_its_status(papers):
    values = cells("fid", 10, seeds=(0, 2))
    table = fixed_setting_table([at_setting(values, **SETTING)], papers, 0.9).set_index("size")
    assert table.loc["c320", "value"] == 11
    # one seed or the other, or both
    assert table.loc["c320", "lo"] < 10 and table.loc["c320", "hi"] > 12
    values.draws[0] = np.nan
    table = fixed_setting_table([at_setting(values, **SETTING)], papers, 0.9).set_index("size")
    assert table["status"].to_dict() == {"c64": "ok", "c320": "diverged"}
    assert table.loc["c320", ["value", "lo", "hi"]].isna().all()


def write(folder, values):
    (folder / "cells.csv").write_text(to_csv(values.rows.reindex(columns=CELLS)))
    digest = file_hash(folder / "cells.csv")
    write_arrays(folder / "draws", {"draws": values.draws[:, 1:].copy()}, digest)


def test_the_command(papers, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, cells("clip_score", 0.1))
    words = "--cells cells.csv draws --steps 50 --guidance 7.5 --confidence 0.9 --out out"
    words = ["fixed_setting", *words.split(), "--spec", papers.model_dump_json()]
    monkeypatch.setattr(sys, "argv", words)
    run(fixed_setting.main)
    table = pd.read_csv("out")
    assert table["value"].tolist() == [0.2, 0.1]
    assert table["published"].tolist() == [0.305, 0.312]
    words[words.index("7.5")] = "3"
    with pytest.raises(SystemExit) as stop:
        run(fixed_setting.main)
    error = capsys.readouterr().err.strip()
    assert stop.value.code == 2 and error == (
        "error: no cell of 50 steps at guidance 3 was measured: sampling.fixed"
    )
