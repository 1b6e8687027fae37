"""Two pipelines with prompts alone, from a text file to the figure: a score chooses."""

from __future__ import annotations

from itertools import product

import networks
import numpy as np
import open_clip
import pandas as pd
import pipelines
import pytest
import torch
from PIL import Image
from plans import of_package
from project import Project

from ldm_scaling.jobs.arrays import map_array
from ldm_scaling.kinds.cells import cell_name

N, STEPS, SCALES = 16, [2, 4], [1, 2, 4]
PROMPTS = [f"a {color} {thing}" for color, thing in product(("red", "blue"), pipelines.WORDS[4:])]
STUDY = """
name: alone
data: {image_size: 16, evaluation: {source: prompts, path: prompts.txt}}
adopted:
  models:
    - {name: one, pretrained: brought/one, side: 32}
    - {name: two, pretrained: brought/two, side: 32}
  reference: two
sampling:
  {n: 16, samplers: [ddim], other_schedules: null, steps: [2, 4], guidance: [1, 2, 4],
  fixed: {sampler: ddim, steps: 4, guidance: 2}}
search: {method: grid}
metrics:
  extractors: []
  scorers: [{name: clip_score, pretrained: clip}]
  select_by: clip_score
  bootstrap: 50
figures: {budgets: [1, 2, 4]}
"""
SELECTED = "--configfile=studies/alone.yaml"
TABLES = "results/alone/tables"
TARGETS = [
    f"{TABLES}/best.csv",
    f"{TABLES}/crossovers.csv",
    f"{TABLES}/search_cost.csv",
    "results/alone/claims.md",
    *(f"results/alone/figures/{name}.pdf" for name in ("fid_vs_cost", "guidance_sweep")),
    "results/alone/figures/size_samples.pdf",
]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The study after a run."""
    project = Project(tmp_path_factory.mktemp("alone") / "project")
    for name, kind in (("one", "stable_diffusion"), ("two", "stable_diffusion_xl")):
        pipelines.save(kind, project.folder / "brought" / name)
    networks.clip(project.folder / "clip")
    (project.folder / "prompts.txt").write_text("\n".join(PROMPTS) + "\n")
    (project.folder / "studies/alone.yaml").write_text(STUDY)
    project.snakemake("--cores", "2", SELECTED, "--", *TARGETS)
    return project


def test_scores_are_open_clips_and_the_highest_chooses(alone):
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{alone.folder}/clip")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{alone.folder}/clip")
    with torch.no_grad():
        texts = model.eval().encode_text(tokenizer(PROMPTS[:N]))
    cells = pd.read_csv(alone.folder / TABLES / "cells.csv").set_index(
        ["size", "steps", "guidance"]
    )
    assert set(cells["metric"]) == {"clip_score"} and len(cells) == 2 * len(STEPS) * len(SCALES)
    best = pd.read_csv(alone.folder / TABLES / "best.csv").set_index(["size", "steps"])
    for size, steps in product(("one", "two"), STEPS):
        images, scores = alone.folder / f"results/alone/cells/pretrain/{size}/seed0/ddim", {}
        for scale in SCALES:
            shown = map_array(images / "images.safetensors", cell_name(steps, scale))
            pixels = [preprocess(Image.fromarray(own.transpose(1, 2, 0))) for own in shown]
            with torch.no_grad():
                found = model.encode_image(torch.stack(pixels))
            cosines = torch.nn.functional.cosine_similarity(found, texts).numpy()
            row = cells.loc[(size, steps, scale)]
            assert row["value"] == pytest.approx(cosines.mean(), rel=1e-4)
            assert row["lo"] < row["value"] < row["hi"] and row["n"] == N
            spread = cosines.std() / np.sqrt(N)
            assert row["hi"] - row["lo"] == pytest.approx(2 * 1.96 * spread, rel=0.5)
            scores[scale] = cosines.mean()
        assert best.loc[(size, steps), "guidance"] == max(scores, key=scores.__getitem__)


def test_figures_are_drawn_and_claims_on_distances_are_not_run(alone):
    assert all((alone.folder / path).stat().st_size for path in TARGETS)
    claims = pd.read_csv(alone.folder / TABLES / "claims.csv")
    assert set(claims.loc[claims["topic"] == "Sampling cost", "verdict"]) == {"not run"}
    reasons = set(claims.loc[claims["id"] == "smaller-is-ahead-on-average", "reason"])
    assert reasons == {"it takes a distance, and guidance is chosen by a score, clip_score"}
    assert "(higher is better)" in (alone.folder / "results/alone/claims.md").read_text()


def test_images_are_neither_prepared_nor_compared(alone):
    folder = alone.folder / "results/alone"
    assert [path.name for path in (folder / "data").iterdir()] == ["test.csv"]
    assert not (folder / "cells/reference").exists() and not (folder / "tables/floors.csv").exists()


def test_an_adaptive_search_takes_scores_and_finds_a_scale_of_the_grid(alone):
    config = ("--config", "search={method: adaptive}")
    target = "results/alone/tables/pretrain/ddim/best.csv"
    project = alone.copy(alone.folder.parent / "searched")
    project.snakemake("--cores", "2", SELECTED, *config, "--", target)
    best = pd.read_csv(project.folder / target)
    assert set(best["guidance"]) <= set(SCALES) and len(best) == 2 * len(STEPS)
    assert not (project.folder / "results/alone/cells/reference").exists()


def test_the_whole_study_is_planned_without_what_compares(alone):
    wanted = alone.jobs(SELECTED)
    assert not {"floors", "real_features", "fit_clip_like", "rank_sizes"} & set(wanted)
    assert {"illustrate", "fid_vs_seconds", "fixed_setting"} <= set(wanted)
    planned = of_package(alone.folder, "-m", "ldm_scaling.plan", *SELECTED.split("="))
    assert planned.returncode == 0, planned.stderr.decode()[-3000:]
    table = pd.read_csv(alone.folder / "results/alone/plan.csv").set_index("rule")
    assert table.loc["sweep", ["jobs", "done"]].tolist() == [0, 2], "jobs are those to run"
