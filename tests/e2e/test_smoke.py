"""The smoke study, end to end on real emoji: results, reruns, kill -9, one more scale."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from project import SMOKE
from ready import jobs_in

from ldm_scaling.jobs.arrays import map_array
from ldm_scaling.kinds.metrics import of_features
from ldm_scaling.kinds.stages import SCRATCH
from ldm_scaling.plan.prices import know, priced
from ldm_scaling.workflow.targets import FIGURES


def cells(project):
    return pd.read_csv(project.folder / "results/smoke/tables/cells.csv")


def overlay(project, **sections):
    """The option that puts one more overlay on the smoke study."""
    path = project.folder / "overlay.yaml"
    path.write_text(yaml.safe_dump(sections))
    return ("--cores", "2", "--configfile", "studies/smoke.yaml", "overlay.yaml")


def test_every_result_is_there_and_sane(finished):
    results = finished.folder / "results/smoke"
    for name in set(FIGURES) - {"bias_vs_cost"}:  # which needs another training
        assert (results / f"figures/{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (results / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")
    table = cells(finished)
    models = {"pretrain": 2, "distill": 2, "guided_distill4": 1, "guided_distill2": 1}
    models |= {"curriculum_easy_to_hard": 1, "curriculum_hard_to_easy": 1}
    models |= {"distill_noise": 2, "distill_adversary": 2}
    # metrics; steps and scales; and a kept checkpoint of each pretrained size
    expected = {stage: count * 8 * 2 * 2 for stage, count in models.items()}
    # metrics and steps; without guidance, and a kept checkpoint of each
    enlarging = {stage: count * 10 * 2 for stage, count in {"superres": 2, SCRATCH: 1}.items()}
    assert table[table["grid"]]["stage"].value_counts().to_dict() == expected | enlarging
    assert len(table) == sum((expected | enlarging).values()) + 2 * 8 + 3 * 10
    assert (table["status"] == "ok").all()
    assert table[["value", "lo", "hi", "seconds"]].notna().all(axis=None)
    assert ((table["lo"] <= table["value"]) & (table["value"] <= table["hi"])).all()
    frechet = table[table["metric"] == "fd_effnet_lite0"]
    floors = pd.read_csv(results / "tables/floors.csv").query("metric == 'fd_effnet_lite0'")
    sampled = frechet[~frechet["stage"].isin(enlarging)]  # the others start from test images
    assert sampled["value"].min() > floors.query("kind == 'real'")["value"].item()
    assert set(floors["kind"]) == {"real", "reconstruction"}
    agreement = pd.read_csv(results / "tables/metric_agreement.csv")
    assert set(agreement["budget"]) == {1, 2, 4}
    assert agreement["tau"].dropna().isin([-1, 0, 1]).all()
    clip_like = table[table["metric"] == "clip_like"]["value"]
    assert clip_like.between(-1, 1).all() and clip_like.nunique() > 1
    scores = pd.read_csv(results / "tables/dreambooth.csv")
    assert len(scores) == 2 * (2 + 3) * (1 + 2)  # sizes; metrics before and after; subjects
    assert (scores["status"] == "ok").all()
    assert not list((results / "work/dreambooth").rglob("state-*")), "they would fill a disk"
    stitched = pd.read_csv(results / "tables/stitch.csv")
    assert len(stitched) == 8 * 2  # metrics, scales
    assert set(stitched["sizes"] + " " + stitched["allocation"]) == {"c8-c16 2-2"}
    assert (stitched["status"] == "ok").all() and stitched["best"].sum() == 8
    losses = pd.read_csv(results / "tables/noise_bands.csv")
    assert len(losses) == (2 + 2) * 2 * 8  # pretrained models and arms, checkpoints, bands
    assert ((losses["lo"] < losses["value"]) & (losses["value"] < losses["hi"])).all()
    kept = pd.read_csv(results / "tables/candidates.csv").query("metric == 'judge'")
    assert (kept["status"] == "ok").all() and kept["value"].between(-1, 1).all()
    assert kept.groupby("stage")["method"].unique().map(list).to_dict() == {
        "pretrain": ["best_of", "zero_order", "resample"],
        "distill": ["best_of", "zero_order"],  # one step has nothing to resample
    }
    made = pd.read_csv(results / "tables/inversion.csv")
    assert len(made) == 9 * 4 and (made["status"] == "ok").all()  # metrics and judge; noises
    retrieval = pd.read_csv(results / "tables/retrieval.csv").set_index("kind")
    assert list(retrieval.index) == ["held-out", "noto", "twemoji", "fluent"]
    assert retrieval["recall_at_10"].between(0, 1).all()
    best = pd.read_csv(results / "tables/best.csv").query("metric == 'fd_effnet_lite0'")
    by = ["stage", "size", "steps"]
    chosen = frechet[frechet["grid"]].groupby(by)["value"].min()
    pd.testing.assert_series_equal(best.groupby(by)["value"].min(), chosen)
    for size in ("c8", "c16"):
        summary = json.loads((results / f"models/pretrain/{size}/seed0/summary.json").read_text())
        family = pd.read_csv(results / "tables/family.csv").set_index("size")
        assert summary["params"] == family.loc[size, "params"]
        assert summary["images"] == 6144


def test_splits_share_no_concept(finished):
    splits = {
        name: pd.read_csv(finished.folder / f"results/smoke/data/{name}.csv")
        for name in ("train", "validation", "test")
    }
    concepts = [set(table["concept"]) for table in splits.values()]
    assert sum(map(len, concepts)) == len(set.union(*concepts))


CHOSEN = {"sample_candidates": 2, "measure_candidates": 2}
"""jobs that make candidates of a size and of its student, and measure what is kept"""
CHOSEN_ONCE = dict.fromkeys(CHOSEN, 1)
LIGHT = {
    *FIGURES,
    "all",
    "concatenate",
    "frontier_table",
    "answer",
    "explorer",
    "leakage",
    "fits",
    "fixed_setting",
    "claims",
    "crossovers",
    "rank_sizes",
    "illustrate",
    "retrieval",
    "acceleration",
    "count_family",
    "superres",
    "dreambooth_table",
    "stitch",
    "inversion_table",
    "replay_searches",
    "count_components",
    "count_pairs",
    "time_components",
    "components_table",
    "param_budget_table",
    "noise_bands",
    "candidates_table",
}
"""rules that follow whatever changes the tables"""
INVERTED = {"invert": 2, "sample_inverted": 1}
"""jobs that make the noise of a student"""
FOLLOWING = {
    **{"pretrain": 2, "distill": 2, "guided_distill": 2, "train_superres": 2},
    **{"pretrain_pair": 2, "pretrain_curriculum": 2, "noise_losses": 4},
    **{"sweep": 18, "sample_stitched": 1, "measure": 20, "collect": 10},
    "distill_stochastic": 4,
    **{"sample_prior": 2, "dreambooth": 4, "score_subjects": 2},
    **CHOSEN,
    **INVERTED,
}
"""jobs that follow the training of two sizes: their students, those of two arms and two of
progressive distillation, two that enlarge images, two subjects each, one stitched trajectory,
candidates of the smaller size and of its student, and this one's noise; not super-resolution from
scratch. And that of two pairs of the parameter budget and of two curricula, which is like it"""


@pytest.mark.parametrize(
    ("changes", "jobs"),
    [
        ({}, {}),
        ({"training": {"lr": 0.0007}}, FOLLOWING),
        ({"training": {"lr": 0.0007, "keep": [0.25, 0.5]}}, FOLLOWING),
        (
            {"distill": {"lr": 0.0007}},
            {"distill": 2, "distill_stochastic": 4, "sweep": 6, "measure": 7, "collect": 3}
            | CHOSEN_ONCE
            | INVERTED,
        ),
        (
            {"distill": {"stochastic": {"noise": {"eta": 0.3}}}},
            {"distill_stochastic": 2, "sweep": 2, "measure": 2, "collect": 1},
        ),
        ({"inversion": {"lr": 0.02}}, {"measure": 1} | INVERTED),
        ({"inversion": {"ascent": {"iterations": [1]}}}, {"sample_inverted": 1, "measure": 1}),
        (
            {"guided_distill": {"lr": 0.0007}},
            {"guided_distill": 2, "sweep": 2, "measure": 2, "collect": 2},
        ),
        (
            {"sampling": {"students": {"guidance": [2]}}},
            {"sweep": 8, "measure": 8, "collect": 5} | CHOSEN_ONCE,
        ),
        (
            {"sampling": {"guidance": [1, 2, 3]}},
            {"sweep": 6, "sample_stitched": 1, "measure": 7, "collect": 4} | CHOSEN_ONCE,
        ),
        ({"stitch": {"shares": [0.25]}}, {"sample_stitched": 1, "measure": 1}),
        (
            {"sampling": {"steps": [2, 4, 5]}},
            {"sweep": 6, "measure": 6, "collect": 4} | CHOSEN_ONCE,
        ),
        ({"candidates": {"counts": [1, 2]}}, CHOSEN),
        (
            {"family": {"sizes": ["c8", "c16", "c24"]}},
            {"family": 1, "pretrain": 1, "distill": 1, "train_superres": 1}
            | {"distill_stochastic": 2, "sweep": 6, "measure": 6, "collect": 11}
            | {"noise_losses": 1}
            | {"sample_prior": 1, "dreambooth": 2, "score_subjects": 1},
        ),
        (
            {"metrics": {"bootstrap": 60}},
            {"fit_clip_like": 1, "measure": 21, "floors": 1, "collect": 11, "score_subjects": 2}
            | {"superres_baselines": 1, "fit_judge": 1}
            | CHOSEN
            | INVERTED,
        ),
        (
            {"metrics": {"clip_like": {"lr": 0.01}}},
            {"fit_clip_like": 1, "measure": 18, "floors": 1, "collect": 9, "score_subjects": 2}
            | {"fit_judge": 1}
            | CHOSEN
            | INVERTED,
        ),
        (
            {"superres": {"lr": 0.001}},
            {"train_superres": 3, "sweep": 3, "measure": 3, "collect": 2},
        ),
        (
            {"superres": {"n": 31}},
            {"degrade": 1, "encode_images": 1, "superres_baselines": 1}
            | {"sweep": 3, "measure": 3, "collect": 2},
        ),
        (
            {"param_budget": {"images": 640}},
            {"pretrain_pair": 2, "sweep": 2, "measure": 2},
        ),
        ({"param_budget": {"guidance": [1]}}, {"sweep": 2, "measure": 2}),
        (
            {"curriculum": {"share": 0.5}},
            {"pretrain_curriculum": 2, "noise_losses": 2, "sweep": 2, "measure": 2, "collect": 2},
        ),
        ({"dreambooth": {"lr": 0.01}}, {"dreambooth": 4, "score_subjects": 2}),
        ({"dreambooth": {"images_per_prompt": 3}}, {"score_subjects": 2}),
        ({"metrics": {"select_by": "kid"}}, {"collect": 11} | CHOSEN),
    ],
)
def test_a_changed_key_reruns_what_depends_on_it(finished, changes, jobs):
    found = finished.jobs(*overlay(finished, **changes))
    assert {rule: count for rule, count in found.items() if rule not in LIGHT} == jobs
    assert ("claims" in found) == bool(changes)
    assert ("model_family" in found) == ("family" in jobs)


def test_tables_and_figures_come_from_the_cells_without_torch(finished, tmp_path):
    results, moved = finished.folder / "results/smoke", tmp_path / "tables"
    shutil.move(results / "tables", moved)
    printed = finished.snakemake("--dry-run", "-p", *SMOKE)
    commands = re.findall(r"python -m (ldm_scaling[.\w]+) (\w*)", printed)
    modules = sorted({f"{module}.{name}".rstrip(".") for module, name in commands})
    assert {"ldm_scaling.claims.decide", "ldm_scaling.figures.size_samples"} <= set(modules)
    modules.remove("ldm_scaling.cells.baselines")  # it sees the images themselves
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    source = {"PYTHONPATH": str(finished.folder / "src")}
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | source)
    tables = [path.relative_to(moved) for path in moved.rglob("*.csv")]
    # in processes of their own, which order sets and dictionaries of hashes in another way
    run = finished.start(*(f"results/smoke/tables/{name}" for name in tables), *SMOKE)
    output = run.communicate()[0]
    assert run.returncode == 0, output[-6000:]
    for name in tables:
        assert (results / "tables" / name).read_bytes() == (moved / name).read_bytes(), name
    shutil.rmtree(results / "tables")
    shutil.move(moved, results / "tables")  # older than the figures, which stay


def test_the_plan_bounds_the_disk(finished):
    jobs = jobs_in(finished.folder, "studies/smoke.yaml")
    assert not [job for job in jobs if job.due], "every output is there"
    with contextlib.chdir(finished.folder):
        prices = priced(know(jobs))
    sampled = ["pretrain", "distill*", "guided_*", "superres*", "budget_*", "curriculum_*"]
    folders = {
        "prepare_data": ["data/*"],
        "pretrain": ["models/pretrain/**/*", "work/pretrain/**/*"],
        "distill": ["models/distill/**/*", "work/distill/**/*"],
        "distill_stochastic": ["models/distill_*/**/*", "work/distill_stochastic/**/*"],
        "dreambooth": ["models/dreambooth/**/*", "work/dreambooth/**/*"],
        "sample_stitched": ["cells/stitch/**/*", "work/sample_stitched/**/*"],
        "pretrain_pair": ["models/budget_*/**/*", "work/pretrain_pair/**/*"],
        "pretrain_curriculum": ["models/curriculum_*/**/*", "work/pretrain_curriculum/**/*"],
        "sweep": [f"cells/{stage}/**/*" for stage in sampled] + ["work/sweep/**/*"],
    }
    for rule, patterns in folders.items():
        planned = sum(price.bytes for job, price in prices if job.rule == rule)
        # files of weights and arrays; captions, logs and TensorBoard's events are not planned for
        left = [
            path.stat().st_size
            for pattern in patterns
            for path in (finished.folder / "results/smoke").glob(pattern)
            if path.suffix == ".safetensors" or path.name.startswith("state-")
        ]
        # a slow machine keeps two states of each job, and a fifth of such small files is headers
        assert 0.3 * planned < sum(left) < 1.25 * planned, rule


def test_what_figures_show_redraws_those_figures(finished):
    changed = overlay(finished, figures={"budgets": [3]})
    illustrated = {"illustrate": 2, "equal_cost_samples": 1, "prompt_interpolation": 1}
    names = ("fid_vs_cost", "rank_sizes", "metric_agreement", "claims", "answer")
    always = {"explorer": 1, "all": 1}  # it shows the study's keys
    assert finished.jobs(*changed) == illustrated | dict.fromkeys(names, 1) | always
    changed = overlay(finished, figures={"guidance_sizes": ["c16"]})
    assert finished.jobs(*changed) == {"guidance_samples": 1, "guidance_interaction": 1} | always
    changed = overlay(finished, figures={"prompts": [3, 1]})
    names = ("guidance_samples", "size_samples", "distill_samples", "sr_samples")
    sheets = dict.fromkeys(names, 1)
    assert finished.jobs(*changed) == illustrated | sheets | always


def test_another_search_reruns_what_it_touches(finished):
    changed = overlay(finished, search={"look": 0.9})
    replayed = ("replay_searches", "search_cost", "claims", "explorer", "all")
    assert finished.jobs(*changed) == dict.fromkeys(replayed, 1)
    found = finished.jobs(*overlay(finished, search={"method": "adaptive"}))
    # not super-resolution
    sampled = {"sweep": 14, "measure": 15, "collect": 9, "sample_stitched": 1} | CHOSEN
    assert {rule: count for rule, count in found.items() if rule not in LIGHT} == sampled


def test_word_vectors_that_are_fetched_again_rerun_nothing(finished):
    config = finished.folder / "resources/word-vectors/config.json"
    content = config.read_text()
    config.unlink()
    config.write_text(content)
    assert finished.jobs(*SMOKE) == {}


def test_a_figures_module_redraws_that_figure(finished):
    module = finished.folder / "src/ldm_scaling/figures/guidance_sweep.py"
    text = module.read_text()
    try:
        module.write_text(text + "\n# changed\n")
        assert finished.jobs(*SMOKE) == {"guidance_sweep": 1, "all": 1}
    finally:
        module.write_text(text)


def test_one_more_scale_samples_the_new_cells_only(finished):
    work = finished.folder / "results/smoke/work/sweep"
    before = {path: path.stat().st_mtime_ns for path in work.rglob("state-*")}
    old = cells(finished)
    changed = overlay(finished, sampling={"guidance": [1, 2, 3]})
    finished.snakemake("results/smoke/tables/cells.csv", *changed)
    after = {path: path.stat().st_mtime_ns for path in work.rglob("state-*")}
    assert {path: after[path] for path in before} == before
    assert len(after) == len(before) + (2 + 2) * 2  # pretrained models and arms, steps
    new = cells(finished).query("guidance != 3").reset_index(drop=True)
    ends = "at_boundary"  # another scale is one now
    pd.testing.assert_frame_equal(new.drop(columns=ends), old.drop(columns=ends))


CHAIN = ["encode_images", "pretrain", "distill", "sweep"]
"""rules of every mechanism by which jobs go on: pieces, training, and that with a second network
and cells; unit tests interrupt the other trainings and searches"""


def test_killed_again_and_again_it_ends_with_the_same_files(finished, tmp_path):
    project = finished.copy(tmp_path / "killed")
    results, expected = project.folder / "results/smoke", finished.folder / "results/smoke"
    models = [f"models/{stage}/c8/seed0" for stage in ("pretrain", "distill")]
    cells, latents = "cells/distill/c8/seed0/lcm", "latents/train.safetensors"
    for folder in (*models, cells, "work"):
        shutil.rmtree(results / folder)
    (results / latents).unlink()
    target = (f"results/smoke/{cells}/features.safetensors", *SMOKE)
    assert project.jobs(*target) == dict.fromkeys(CHAIN, 1)

    encoding = results / "work/encode_images"
    project.kill_when(
        lambda: any(encoding.rglob("piece-*")) or (results / latents).exists(), *target
    )
    assert not (results / models[0]).exists()
    again = (*target, "--rerun-incomplete", "--nolock")
    project.kill_at_states({"pretrain", "pretrain-within", "distill", "sweep"}, *again)
    project.snakemake(*again)
    for stage in ("pretrain", "distill"):
        log = (results / f"logs/{stage}/c8_seed0.log").read_text()
        assert "continuing after" in log, stage
    files = [path for folder in (*models, cells) for path in (results / folder).rglob("*.safe*")]
    assert len(files) > 4
    for path in (results / latents, *files):
        assert path.read_bytes() == (expected / path.relative_to(results)).read_bytes(), path


def test_super_resolution_stands_beside_enlarging_without_a_model(finished):
    results = finished.folder / "results/smoke"
    table = pd.read_csv(results / "tables/superres.csv")
    metrics = {*of_features("effnet_lite0").values(), "psnr", "ssim", "lpips_like_squeezenet"}
    for _, rows in table.groupby("metric"):
        models = rows[["model", "size"]].fillna("").agg(" ".join, axis=1).str.strip()
        assert models.tolist() == [
            *("bicubic", "reconstruction", "superres c8", "superres c16", "superres_scratch c8")
        ]
    assert set(table["metric"]) == metrics
    assert (table["status"] == "ok").all() and (table["n"] == 32).all()
    assert ((table["lo"] <= table["value"]) & (table["value"] <= table["hi"])).all()
    psnr, ssim = (table.loc[table["metric"] == name, "value"] for name in ("psnr", "ssim"))
    assert psnr.between(5, 50).all() and psnr.nunique() > 2
    assert ssim.between(-1, 1).all()


def test_searches_end_with_cells_of_the_grid_and_as_they_are_replayed(finished):
    """Runs last: it replaces the tables by those of searches over three scales, one of them new."""
    others = ("distill", "guided_distill", "superres", "param_budget", "dreambooth", "curriculum")
    others += ("candidates", "inversion")
    scales = {"sampling": {"guidance": [1, 2, 3]}} | dict.fromkeys(others)
    folder = finished.folder / "results/smoke"
    names = [f"tables/{name}.csv" for name in ("cells", "stitch", "search_cost")]

    def tables(method, *names):
        changed = overlay(finished, search={"method": method}, **scales)
        finished.snakemake(*(f"results/smoke/{name}" for name in names), *changed)
        return (pd.read_csv(folder / name) for name in names)

    grid, whole, replayed = tables("grid", *names)
    found, stitched = tables("adaptive", *names[:2])
    for searched, every in ((found, grid), (stitched, whole)):
        key = ["stage", "sampler", "size", "steps", "guidance", "trained", "metric"]
        key = [name for name in (*key, "sizes", "allocation") if name in every]
        same = searched[key].merge(every, on=key)[every.columns]
        both = [table.drop(columns="best", errors="ignore") for table in (searched, same)]
        pd.testing.assert_frame_equal(*both, check_dtype=False)  # a column of ones
        assert 0 < len(searched) < len(every) and set(every["guidance"]) >= {1, 2, 3}
    for row in replayed.itertuples():
        model = folder / f"cells/{row.stage}/{row.size}/seed{row.seed}/{row.sampler}"
        looks = map_array(model / "features.safetensors", f"search/steps{row.steps}")
        images = {guidance: count for guidance, count, _ in looks}
        assert sum(images.values()) == row.images < row.grid_images
        assert images[row.guidance] == 32
