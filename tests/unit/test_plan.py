"""The plan against published numbers, counts by hand, and the files that are there."""

import math
from pathlib import Path

import pytest
from plans import ONES, changed, jobs_of, rule, study_of
from project import ROOT

from ldm_scaling.costs.networks import (
    Networks,
    count_networks,
    meta_clip,
    untrained_autoencoder,
    untrained_text_encoder,
)
from ldm_scaling.data.sources.emoji import IMAGES
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.models.architectures.counting import count_params
from ldm_scaling.plan.jobs import Job, split_images
from ldm_scaling.plan.plan import concentration, plan_table, read_study, report
from ldm_scaling.study.latents import TextEncoder
from ldm_scaling.study.metrics import Clip


@pytest.fixture(autouse=True)
def nothing_is_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def paper_networks():
    return count_networks(study_of("paper"))


# ---------------------------------------------------------------- the paper


def test_training_flops_of_the_paper(paper_networks):
    # 3 x published GFLOPs of a forward pass x 2048 x 500,000, arXiv 2404.01367, Table 1
    published = {"c96": 102.7, "c320": 789.3, "c512": 1887.5, "c768": 4082.6}
    pretrain = rule(jobs_of(study_of("paper"), paper_networks), "pretrain")
    flops = {job.name.split()[0]: job.flops for job in pretrain}
    assert len(flops) == 11
    for size, gflops in published.items():
        assert flops[size] == pytest.approx(3 * gflops * 1e9 * 2048 * 500_000, rel=0.03)
    assert flops["c320"] == pytest.approx(2.4e21, rel=0.05)
    assert flops["c768"] == pytest.approx(1.25e22, rel=0.05)


def test_hub_networks_have_their_published_sizes_and_costs(paper_networks):
    latents = study_of("paper").latents
    assert count_params(untrained_autoencoder(latents.autoencoder)) == 83_653_863
    # the published 354.03 M count the projection of the pooled embedding too
    text = count_params(untrained_text_encoder(latents.text_encoder))
    assert (text + 1024**2) / 1e6 == pytest.approx(354.03, abs=0.005)
    layer = 2 * 77 * 12 * 1024**2 + 4 * 77**2 * 1024  # projections and MLP; attention's products
    assert paper_networks.caption == pytest.approx(24 * layer, rel=1e-3)
    assert paper_networks.decode > paper_networks.forward["c320"], "at 512 x 512 pixels"


def test_metric_networks_of_the_paper_have_their_published_costs(paper_networks):
    # Szegedy et al. 2016, https://arxiv.org/abs/1512.00567: 5.7 G multiply-adds, 2048 features
    assert paper_networks.features == pytest.approx(2 * 5.7e9, rel=0.01)
    assert paper_networks.feature_width == 2048
    # ViT-L/14 at 224 pixels: 256 patches and the class token; the text tower of width 768
    layer = 2 * 257 * 12 * 1024**2 + 4 * 257**2 * 1024
    patches, head = 2 * 256 * (3 * 14**2) * 1024, 2 * 1024 * 768
    assert paper_networks.clip_image == pytest.approx(24 * layer + patches + head, rel=1e-6)
    layer = 2 * 77 * 12 * 768**2 + 4 * 77**2 * 768
    assert paper_networks.clip_caption == pytest.approx(12 * layer + 2 * 768**2, rel=1e-6)


# ---------------------------------------------------------------- counts by hand


def test_a_training_step_is_three_forwards_and_the_last_batch_is_full():
    study = changed(training={"images": 1000, "batch": 64, "warmup_images": 1})
    costs = [job.flops for job in rule(jobs_of(study), "pretrain")]
    assert costs == [3 * 1024 * forward for forward in ONES.forward.values()]


def test_guided_cells_cost_two_forwards():
    study = changed(sampling={"n": 100, "steps": [2, 4], "guidance": [1, 3]})
    smallest = rule(jobs_of(study), "sweep")[1]  # not of the sampler of the fixed setting
    assert smallest.flops_of == {
        "U-Net": 100 * (2 + 4) * (1 + 2) * ONES.forward["c12"],
        "decoding": 100 * 4 * ONES.decode,
        "features": 100 * 4 * ONES.features,
    }


def test_the_fixed_setting_is_sampled_at_every_kept_checkpoint_by_its_sampler():
    study = changed(
        sampling={"n": 100, "steps": [2], "guidance": [1], "fixed": {"steps": 8, "guidance": 7.5}},
        training={"keep": [0.5]},
    )
    ddim, ddpm, _ = rule(jobs_of(study), "sweep")[:3]
    assert ddpm.flops_of["U-Net"] == 100 * 2 * ONES.forward["c12"]
    assert ddim.flops_of["U-Net"] == 100 * (2 + 2 * 8 * 2) * ONES.forward["c12"]


def test_illustrations_cost_what_budgets_buy_and_the_prompts_between():
    fixed = {"sampler": "ddim", "steps": 16, "guidance": 1}
    figures = {"budgets": [0.001, 0.01, 3, 5000], "prompts": [0, 1, 2]}
    study = changed(sampling={"fixed": fixed}, figures=figures, training={"seeds": [3, 4]})
    jobs = {job.name: job for job in rule(jobs_of(study), "illustrate")}
    assert list(jobs) == ["c12 seed3", "c20 seed3", "c32 seed3", "c48 seed3"]
    # normalized costs 0.001, 0.01, 0.1, 1; at most 1000 steps, where two budgets buy the same
    for name, steps in (("c12", 1 + 10 + 1000), ("c20", 1 + 300 + 1000), ("c48", 3 + 1000)):
        job, different = jobs[f"{name} seed3"], 2 if name == "c48" else 3
        images = 3 * different + 5
        assert job.flops_of == {
            "U-Net": (3 * 2 * steps + 5 * 16) * ONES.forward[name],
            "decoding": images * ONES.decode,
        }
        assert job.bytes == images * 3 * 32 * 32


def test_every_image_is_encoded_once_and_seeds_multiply_models():
    study = changed(training={"seeds": [0, 1, 2]}, data={"max_images": 3000})
    jobs = jobs_of(study)
    train = 3000 - 768 - 768
    encoded = {job.name: job.flops for job in rule(jobs, "encode_images")}
    assert encoded == {
        "": train * ONES.encode,
        "superres/train": train * ONES.encode,
        "superres/validation": 256 * ONES.encode,
    }
    text = [job.flops for job in rule(jobs, "encode_text")]
    assert text == [train * ONES.caption, 768 * ONES.caption]
    assert len(rule(jobs, "pretrain")) == 4 * 3
    assert len(rule(jobs, "distill")) == 4 * 3
    assert len(rule(jobs, "guided_distill")) == 3 * 2 * 3  # of the two smallest sizes
    assert len(rule(jobs, "train_superres")) == 4 * 3 + 3  # the smallest from scratch too
    assert len(rule(jobs, "sweep")) == 4 * 3 * 3 + 4 * 3 + 3 * 2 * 3 + 5 * 3 + 15 * 3


def test_students_cost_their_teachers_forwards_too_and_no_guidance():
    steps = {"images": 1000, "batch": 100, "warmup_images": 1}
    study = changed(
        distill=steps,
        guided_distill=steps | {"sizes": ["c20"], "steps": [8, 4]},
        sampling={"n": 100, "students": {"steps": [1, 4], "guidance": [3, 6]}},
    )
    jobs = jobs_of(study)
    # three of a training step, two of the guided teacher, one of the target
    assert [job.flops for job in rule(jobs, "distill")] == [
        6 * 1000 * forward for forward in ONES.forward.values()
    ]
    # two steps of the teacher: guided with two passes, or told
    assert [job.flops / ONES.forward["c20"] for job in rule(jobs, "guided_distill")] == [7000, 5000]
    # weights, and of two states four copies; a student has an embedding of 256 times c more
    sizes = {"pretrain": 0, "distill": 256 * 48, "train_superres": 0}
    plain = changed(training={"keep": []}, superres={"keep": []}, distill=steps)
    for name, told in sizes.items():
        disk = {job.output.split("/")[-3]: job.bytes for job in rule(jobs_of(plain), name)}
        assert disk["c48"] == 9 * 4 * (ONES.params["c48"] + told), name
    sweep = {job.name: job for job in rule(jobs, "sweep")}["distill c12 seed0 lcm"]
    assert sweep.flops_of["U-Net"] == 100 * (1 + 4) * 2 * ONES.forward["c12"]


def test_clip_scores_cost_every_image_once_and_every_caption_once_a_job():
    clip = {"clip": {"pretrained": "folder"}, "clip_like": None}
    study = changed(sampling={"n": 100, "steps": [2, 4], "guidance": [1, 3]}, metrics=clip)
    networks = Networks(**vars(ONES) | {"clip_image": 3.0, "clip_caption": 0.5})
    jobs = jobs_of(study, networks)
    assert rule(jobs, "sweep")[1].flops_of["CLIP score"] == 4 * 100 * 3 + 100 * 0.5
    real = {job.name: job.flops_of for job in rule(jobs, "real_features")}
    assert "CLIP score" not in real["validation"]
    assert real["test"]["CLIP score"] == 768 * 3.5
    (reconstruction,) = rule(jobs, "reconstruction_features")
    assert reconstruction.flops_of["CLIP score"] == 768 * 3.5


def test_a_clip_like_score_is_fitted_once_on_features_of_all_splits():
    fitted = {"width": 5, "epochs": 7, "batch": 11}
    study = changed(data={"max_images": 3000}, metrics={"clip_like": fitted})
    jobs = jobs_of(study)
    assert [job.name for job in rule(jobs, "real_features")] == ["train", "validation", "test"]
    train = 3000 - 768 - 768
    (job,) = rule(jobs, "fit_clip_like")
    maps = 2 * 5 * (3 + 384)
    logits = 2 * 2 * 11 * 5
    flops = {"text encoder": 3000 * ONES.caption, "maps": 3 * 7 * train * (maps + logits)}
    assert job.flops_of == flops
    assert job.bytes == 4 * (5 * (3 + 384) + 768 * 5)
    without = jobs_of(changed(metrics={"clip_like": None}))
    assert rule(without, "fit_clip_like") == []
    assert [job.name for job in rule(without, "real_features")] == ["validation", "test"]


def test_downloads_are_jobs_until_they_are_there():
    named = {
        "autoencoder": {"pretrained": "org/images", "revision": "a" * 40},
        "text_encoder": {"pretrained": "org/text", "revision": "b" * 40},
    }
    study = changed(latents=named)
    fetches = rule(jobs_of(study), "fetch_hub")
    assert [job.name for job in fetches] == ["org/images", "org/text"]
    assert fetches[0].uncounted == ["disk"]
    marker = Path(fetches[0].output)
    marker.parent.mkdir(parents=True)
    marker.write_text("{}")
    table = plan_table(jobs_of(study), 1e12).set_index("rule")
    assert table.loc["fetch_hub", ["jobs", "done"]].tolist() == [1, 1]
    assert rule(jobs_of(study_of()), "fetch_emoji")[0].output == "resources/emoji.zip"


def test_training_the_autoencoder_is_a_job_only_if_it_is_trained():
    assert rule(jobs_of(study_of()), "train_autoencoder") == []
    study = changed(latents={"autoencoder": {"pretrained": None, "images": 10, "batch": 4}})
    (job,) = rule(jobs_of(study), "train_autoencoder")
    assert job.flops == 3 * 12 * (ONES.encode + ONES.decode)


def test_counted_networks_of_the_pocket_study(monkeypatch):
    monkeypatch.chdir(ROOT)  # its autoencoder is a folder of the checkout
    study = study_of()
    pocket = count_networks(study)
    assert pocket.autoencoder_params == 431_691  # of its summary.json
    assert pocket.feature_width == 1280
    layer = 2 * 20 * 12 * 384**2 + 4 * 20**2 * 384
    pooler = 2 * 384**2
    assert pocket.caption == pytest.approx(6 * layer + pooler, rel=1e-6)
    larger = count_networks(changed(data={"image_size": 64}))
    assert larger.decode == 4 * pocket.decode
    assert larger.encode == 4 * pocket.encode


# ---------------------------------------------------------------- what is unknown


@pytest.mark.parametrize("revision", [None, "a" * 40])
def test_an_architecture_that_is_not_here_is_named_and_not_guessed(revision):
    named = {"pretrained": "someone/something", "revision": revision}
    other = changed(latents={"autoencoder": named})
    assert untrained_autoencoder(other.latents.autoencoder) is None
    assert meta_clip(Clip(**named)) is None
    assert untrained_text_encoder(TextEncoder(**named, max_tokens=8, width=16)) is None
    unknown = Networks(**vars(ONES) | {"decode": math.nan, "encode": math.nan})
    jobs = jobs_of(other, unknown)
    sweep = rule(jobs, "sweep")[0]
    assert sweep.uncounted == ["decoding"]
    assert sweep.flops == sweep.flops_of["U-Net"] + sweep.flops_of["features"]
    table = plan_table(jobs, 1e12).set_index("rule")
    assert table.loc["sweep", "uncounted"] == "decoding"
    assert table.loc["encode_images", ["flops", "uncounted"]].tolist() == [0, "autoencoder"]
    assert "without decoding" in report(table.reset_index(), jobs, "a100", 30)


def test_a_folder_that_is_not_there_leaves_the_number_of_images_unknown():
    study = changed(data={"source": "imagefolder", "path": "nowhere"})
    images = split_images(study)
    assert math.isnan(images["train"]) and images["test"] == 768
    encode = rule(jobs_of(study), "encode_images")[0]
    assert encode.uncounted == ["autoencoder", "disk"]
    limited = changed(data={"source": "imagefolder", "path": "nowhere", "max_images": 5000})
    assert split_images(limited)["train"] == 5000 - 768 - 768


def test_images_of_a_folder_are_counted(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").touch()
    (tmp_path / "metadata.csv").write_text("file_name,text\na.png,one\nb.png,two\n")
    splits = {"validation": 16, "test": 16}
    data = {"source": "imagefolder", "path": str(tmp_path), "splits": splits}
    study = changed(data=data, sampling={"n": 16}, metrics={"components": 8}, superres=None)
    assert split_images(study)["train"] == 2 - 32
    one_style = changed(data={"styles": ["noto"]})
    assert split_images(one_style)["train"] == IMAGES["noto"] - 2 * 768


# ---------------------------------------------------------------- what is left


def test_done_jobs_are_left_out_and_the_rest_keeps_its_cost():
    study = study_of()
    jobs = jobs_of(study)
    before = plan_table(jobs, 1e12).set_index("rule")
    for done in ("results/models/pretrain/c48/seed0/summary.json", "results/tables/family.csv"):
        Path(done).parent.mkdir(parents=True)
        Path(done).touch()
    after = plan_table(jobs, 1e12).set_index("rule")
    assert after.loc["pretrain", ["jobs", "done"]].tolist() == [3, 1]
    assert after.loc["family", ["jobs", "done"]].tolist() == [0, 1]
    lost = before.loc["pretrain", "flops"] - after.loc["pretrain", "flops"]
    assert lost == 3 * 120_000 * ONES.forward["c48"]
    rest = [name for name in before.index if name not in ("pretrain", "family")]
    assert after.loc[rest].equals(before.loc[rest])
    printed = report(after.reset_index(), jobs, "a100", 30)
    assert "\nfamily " not in printed
    assert f"2 of {len(jobs)} jobs are done" in printed


def test_nothing_is_left():
    Path("done").touch()
    jobs = [Job("pretrain", "done", {"U-Net": 1e18})]
    table = plan_table(jobs, 1e12)
    assert table[["jobs", "done", "flops"]].values.tolist() == [[0, 1, 0]]
    assert "nothing is left" in report(table, jobs, "a100", 30)


def test_hours_are_flops_over_what_the_device_reaches():
    jobs = [Job("pretrain", "a", {"U-Net": 312e12 * 3600 * 5})]
    table = plan_table(jobs, 312e12 * 0.5)
    assert table["hours"].tolist() == [10]
    printed = report(table, jobs, "a100", 50)
    assert "10 hours of one a100 at 50 % of its 312 TFLOP/s (bfloat16)" in printed


def test_concentration_names_the_costliest_tenth():
    costs = [1, 1, 50, 1, 1, 1, 40, 1, 1, 1, 2]
    jobs = [Job("sweep", str(i), {"U-Net": cost}, name=str(i)) for i, cost in enumerate(costs)]
    tenth, share, count = concentration(jobs)
    assert [job.name for job in tenth] == ["2", "6"]
    assert share == 0.9
    assert count == 2
    assert concentration([Job("floors", "x")]) == ([Job("floors", "x")], 0, 0)


def test_the_costliest_tenth_is_printed_rule_by_rule():
    names = {"sweep": [f"budget_minilm-l6-layers{i} c48" for i in range(9)], "distill": ["c48"]}
    costly = [Job(rule, name, {"U-Net": 2}, name=name) for rule in names for name in names[rule]]
    jobs = [*costly[5:], *costly[:5], *(Job("pretrain", str(i), {"U-Net": 1}) for i in range(90))]
    printed = report(plan_table(jobs, 1e12), jobs, "a100", 30)
    assert "Jobs that have nine tenths of the cost: 89." in printed
    assert "The costliest tenth, 10 of 100, has 18%:" in printed
    block = printed[printed.index("has 18%:") :].splitlines()[1:]
    assert max(map(len, block)) <= 100
    assert [line[:8] for line in block] == ["  sweep ", *["    budg"] * 2, "  distil"]
    assert block[-1] == "  distill c48"
    assert all(name in " ".join(printed.split()) for name in names["sweep"])


def test_disk_of_arrays_and_weights():
    jobs = jobs_of(changed(data={"max_images": 3000}, training={"keep": [0.5]}))
    (prepare,) = rule(jobs, "prepare_data")
    assert prepare.bytes == 3000 * 3 * 32 * 32
    encode = rule(jobs, "encode_images")[0]
    assert encode.bytes == (3000 - 2 * 768) * 8 * 8 * 8 * 4
    largest = rule(jobs, "pretrain")[-1]
    model, kept = 4 * 1000, 4 * 1000
    assert largest.bytes == model + kept + 2 * (4 * model + kept)


def test_a_study_that_cannot_be_planned_is_one_line(tmp_path):
    (tmp_path / "prose.yaml").write_text("a study\n")
    with pytest.raises(InputError, match=r"prose\.yaml has no keys and values in YAML"):
        read_study([ROOT / "config.yaml", tmp_path / "prose.yaml"])
    (tmp_path / "typo.yaml").write_text("data: {image_sise: 32}\n")
    with pytest.raises(InputError, match=r"data\.image_sise: unknown key; known here: source"):
        read_study([ROOT / "config.yaml", tmp_path / "typo.yaml"])
