"""The workflow of components and of the parameter budget, without running it."""

import re

REVISION = "3f2a9c51d07be648a1b3c95e7d2046f8e19ab7c4"


def commands(printed, module):
    return [line for line in printed.splitlines() if f" -m ldm_scaling.{module} " in line]


def test_each_pair_is_trained_and_sampled_with_its_encoders_text(project):
    printed = project.snakemake("-n", "-p", "results/figures/param_budget.pdf")
    trainings = commands(printed, "models.pretrain")
    assert len(trainings) == 5 * 3 and not any("models/pretrain/" in line for line in trainings)
    (own,) = [line for line in trainings if "models/budget_minilm-l6/c32/seed0 " in line]
    assert "--text results/latents/text_train.safetensors" in own
    (cut,) = [line for line in trainings if "models/budget_minilm-l6-layers2/c32/seed0 " in line]
    text = "results/latents/budget_minilm-l6-layers2/text_"
    assert f"--latents results/latents/train.safetensors --text {text}train.safetensors" in cut
    assert "--work-dir results/work/pretrain_pair/budget_minilm-l6-layers2/c32/0" in cut
    sweeps = commands(printed, "cells.sweep")
    (swept,) = [line for line in sweeps if "models/budget_minilm-l6-layers2/c32/seed0 " in line]
    assert f"--text {text}test.safetensors" in swept
    encodings = commands(printed, "latents.encode_text")
    names = {
        re.search(r"--out results/latents/(\S+)/", line)[1]
        for line in encodings
        if "budget" in line
    }
    cuts = {f"budget_minilm-l6-layers{layers}" for layers in (0, 2)}
    assert names == cuts | {"budget_minilm-l3", "budget_word-vectors"}
    (table,) = commands(printed, "tables.param_budget")
    cells = "results/cells/budget_minilm-l6-layers0/c12/seed0/ddim"
    pair = f"--metrics minilm-l6-layers0 c12 0 {cells}/metrics.csv {cells}/draws.safetensors"
    assert pair in table and table.count("--metrics") == 5 * 3
    (pretrained,) = commands(
        project.snakemake("-n", "-p", "results/models/pretrain/c12/seed0/summary.json"),
        "models.pretrain",
    )
    assert "--work-dir results/work/pretrain/c12/0" in pretrained


def test_word_vectors_are_there_before_captions_are_encoded(project, tmp_path):
    texts = [
        f"results/latents/budget_{name}/text_test.safetensors"
        for name in ("word-vectors", "minilm-l3")
    ]
    overlay = tmp_path / "own_words.yaml"
    overlay.write_text("latents: {text_encoder: {pretrained: word-vectors, width: 300}}\n")
    own = "results/latents/text_test.safetensors"
    files = project.folder / "resources/word-vectors"
    elsewhere = files.rename(project.folder / "elsewhere")
    try:
        assert project.jobs(texts[0]) == project.jobs(texts[1]) | {"fetch_word_vectors": 1}
        assert project.jobs(own, f"--configfile={overlay}")["fetch_word_vectors"] == 1
    finally:
        elsewhere.rename(files)


def test_components_need_no_data(project):
    assert project.jobs("results/figures/components.pdf") == {
        "count_components": 1,
        "time_components": 1,
        "components_table": 1,
        "components": 1,
    }


def test_claims_take_the_pairs(project):
    printed = project.snakemake("-n", "-p", "results/claims.md")
    tables = "results/tables/param_budget.csv results/tables/param_budget/draws.safetensors"
    (claims,) = commands(printed, "claims.decide")
    assert f"--param-budget {tables}" in claims


def test_tar_shards_are_encoded_while_training_a_pair(project):
    paper = "--configfile=studies/paper.yaml"
    target = "results/paper/models/budget_t5-small/c64/seed0/summary.json"
    printed = project.snakemake("-n", "-p", target, paper)
    (training,) = commands(printed, "models.pretrain")
    assert "--index results/paper/data/index.safetensors --shards" in training
    assert "--text " not in training and '"pretrained":"google-t5/t5-small"' in training
    fetched = {line.split("--id ")[1].split()[0] for line in commands(printed, "data.fetch_hub")}
    assert "google-t5/t5-small" in fetched and "google-t5/t5-base" not in fetched


def test_a_study_without_a_budget_has_components_and_no_pairs(project):
    overlay = project.folder / "without_budget.yaml"
    overlay.write_text("param_budget: null\n")
    jobs = project.jobs("all", f"--configfile={overlay}")
    assert not {name for name in jobs if "pair" in name or "param_budget" in name}
    assert jobs["components"] == jobs["components_table"] == 1
