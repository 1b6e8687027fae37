"""Prices of jobs against published numbers and counts by hand, and what the plan says of them."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plans import ONES, PAIRS, changed, jobs_in, jobs_of, networks_of, prices_of, study_of
from project import ROOT

from ldm_scaling.cells.search import most_images
from ldm_scaling.costs.seen import Features, Scores
from ldm_scaling.data.sources.emoji import IMAGES as EMOJI
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.plan.dag import Job
from ldm_scaling.plan.known import Known, counted, split_images
from ldm_scaling.plan.prices import FREE, PRICES
from ldm_scaling.plan.prices import price as price_of
from ldm_scaling.plan.report import Device, report, rows
from ldm_scaling.study.data import Data
from ldm_scaling.workflow.specs.data import IndexSpec, PrepareSpec
from ldm_scaling.workflow.specs.models import DistillSpec

IMAGES = EMOJI["drop"]
SIZES = ONES.own.forward
A100 = Device("a100", 30)


@pytest.fixture(autouse=True)
def nothing_is_prepared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# ---------------------------------------------------------------- the paper


@pytest.fixture(scope="module")
def paper_networks():
    return networks_of("paper")


def test_training_flops_of_the_paper(paper_networks):
    # 3 x published GFLOPs of a forward pass x 2048 x 500,000, arXiv 2404.01367, Table 1
    published = {"c96": 102.7, "c320": 789.3, "c512": 1887.5, "c768": 4082.6}
    trained = prices_of("pretrain", jobs_of("paper"), paper_networks)
    assert len(trained) == 11
    for size, gflops in published.items():
        flops = trained[f"{size} seed0"].flops
        assert flops == pytest.approx(3 * gflops * 1e9 * 2048 * 500_000, rel=0.03)
    images = max(price.epochs for price in trained.values())
    assert images == pytest.approx(2048 * 500_000 / 12e6, rel=0.02)  # CC12M


def test_memory_of_the_paper_fits_the_gpus_that_its_jobs_ask_for(paper_networks):
    # rules/hardware is chosen for GPUs of 80 GB
    for rule in ("pretrain", "distill", "train_superres", "dreambooth", "sweep", "encode_part"):
        prices = prices_of(rule, jobs_of("paper"), paper_networks).values()
        assert 1e9 < max(price.gpu_bytes for price in prices) < 80e9, rule
    whole, sharded = (
        prices_of("pretrain", jobs_of("paper"), paper_networks)[f"{size} seed0"].gpu_bytes
        for size in ("c320", "c512")
    )
    # weights, gradients, moments and average in float32; of c512 an eighth on each GPU
    assert whole > 5 * 4 * 866e6 and sharded < 5 * 4 * paper_networks.own.params["c512"]


def test_the_paper_is_sampled_up_to_the_cost_where_its_figure_ends(paper_networks):
    sampling, forward = study_of("paper").sampling, paper_networks.own.forward
    bought = {size: int(200 * forward["c320"] / own) for size, own in forward.items()}
    listed = {size: most for size, most in sampling.most_steps.items() if size in forward}
    assert listed == {size: most for size, most in bought.items() if most < max(sampling.steps)}
    assert max(sampling.steps_of("dpmpp")) == 20 and max(sampling.steps_of("ddpm")) == 50
    # a sweep has these steps, and the fixed setting
    swept = prices_of("sweep", jobs_of("paper"), paper_networks)
    passes = 30000 * 2 * len(sampling.guidance) * forward["c768"]
    own = swept["pretrain c768 seed0 dpmpp"].flops_of["U-Net"]
    assert own == pytest.approx(passes * (4 + 6 + 8 + 10 + 20))


def test_a_larger_public_set_is_seen_as_often_as_the_papers(paper_networks):
    larger = jobs_in(ROOT, "studies/paper.yaml", "studies/paper-datacomp.yaml")
    for jobs, epochs in ((jobs_of("paper"), 1024e6 / 12e6), (larger, 1024e6 / 600e6)):
        known = Known(jobs, paper_networks)
        priced = [(job, price_of(job, known)) for job in jobs if job.rule == "pretrain"]
        assert max(own.epochs for _, own in priced) == pytest.approx(epochs, rel=0.01)
        assert ("Warning: pretrain see" in report(priced, A100)) == (epochs > 10)


@pytest.mark.parametrize("study", ["", "paper"])
def test_every_job_on_a_gpu_has_a_price_or_is_free_by_name(study):
    unknown = {job.rule for job in jobs_of(study) if job.gpus} - PRICES.keys() - FREE
    assert not unknown
    new = Job("sample_with_something_new", outputs=("a",), resources={"gpu": 1})
    everything = [*jobs_of(), new]
    assert prices_of(new.rule, everything)[""].uncounted == ["FLOPs"]


# ---------------------------------------------------------------- the pocket study by hand


def seen(settings) -> int:
    """Images of a training whose last batch is full."""
    return math.ceil(settings.images / settings.batch) * settings.batch


def test_a_training_step_is_three_forwards_and_those_of_its_teacher():
    study = study_of()
    forwards = {
        "pretrain": (3, study.training),
        "train_superres": (3, study.superres),
        "distill": (3 + 2 + 1, study.distill),  # the guided teacher, the target
        "dreambooth": (2 * 3, study.dreambooth),  # a class image beside each of the subject
    }
    for rule, (count, settings) in forwards.items():
        for name, price in prices_of(rule).items():
            size = next(word for word in name.split() if word in SIZES)
            assert price.flops == count * seen(settings) * SIZES[size], name
    # further steps of the teacher; a discriminator's three passes with their gradients
    noise = {"eta": 0.2, "substeps": 1}
    arms = {"noise": noise, "substeps": noise | {"substeps": 4}}
    arms["all"] = arms["substeps"] | {"adversary": {"weight": 0.4, "lr": 0.001}}
    own = changed(distill={"stochastic": arms})
    known = Known(jobs_of(), ONES)
    (plain,) = (job for job in known.jobs if job.rule == "distill" and "c20" in job.name)
    for arm, count in {"noise": 6, "substeps": 6 + 3 * 2, "all": 6 + 3 * 2 + 9}.items():
        spec = DistillSpec.of_arm(own, f"distill_{arm}", "c20", 0).model_dump_json()
        found = price_of(replace(plain, rule="distill_stochastic", spec=spec), known)
        assert found.flops == count * seen(study.distill) * SIZES["c20"], arm
        same = found.gpu_bytes == prices_of("distill")[plain.name].gpu_bytes
        assert same == (arm != "all")
    # two steps of the teacher: guided with two passes where it is the pretrained model, else told
    guided = prices_of("guided_distill")
    steps = sorted(study.guided_distill.steps, reverse=True)
    for number, own in enumerate(steps):
        forward = guided[f"steps{own} c20 seed0"].flops / seen(study.guided_distill)
        assert forward == SIZES["c20"] * (3 + 2 * (1 if number else 2))
    # as pretraining, with another length
    images = math.ceil(study.param_budget.images / study.training.batch) * study.training.batch
    assert prices_of("pretrain_pair")["budget_minilm-l6 c48 seed0"].flops == 3 * images * 1000


def test_disk_and_memory_of_a_training():
    # weights; two states of weights, their average and two moments; at each kept fraction weights
    kept = len(study_of().training.keep)
    largest = prices_of("pretrain")["c48 seed0"]
    assert largest.bytes == 4 * 1000 * (1 + kept + 2 * (4 + kept))
    # weights, gradients, moments and average; 3 bytes for each image and channel
    micro = min(64, study_of().training.batch)
    assert largest.gpu_bytes == 5 * 4 * 1000 + 3 * 48 * micro
    # a student has an embedding of the scale, 256 numbers a channel, and two networks beside it
    student = prices_of("distill")["c48 seed0"]
    assert student.bytes == 4 * (1000 + 256 * 48) * (1 + 2 * 4)
    assert student.gpu_bytes > largest.gpu_bytes


def test_guided_cells_cost_two_forwards():
    study = study_of()
    scales, steps, n = study.sampling.guidance, study.sampling.steps, study.sampling.n
    passes = sum(1 if scale == 1 else 2 for scale in scales)
    cells = len(scales) * len(steps)
    swept = prices_of("sweep")
    assert swept["pretrain c12 seed0 dpmpp"].flops_of == {
        "U-Net": n * sum(steps) * passes * 1.0,
        "decoding": n * cells * 0.25,
        "features": n * cells * 0.0625,
    }
    students = study.sampling.students  # are told the scale
    told = n * sum(students.steps) * len(students.guidance) * 10.0
    assert swept["distill c20 seed0 lcm"].flops_of["U-Net"] == told
    settings = study.superres  # without guidance; each checkpoint at the fixed steps
    enlarged = swept["superres c12 seed0 ddim"].flops_of
    more = settings.fixed_steps * (
        len(settings.keep) + (settings.fixed_steps not in settings.steps)
    )
    assert enlarged["U-Net"] == settings.n * (sum(settings.steps) + more)
    assert enlarged["perceptual distance"] == 24 * enlarged["decoding"]  # of each twice


def test_a_stitched_trajectory_weighs_each_size_by_its_steps():
    study, stitched = study_of(), prices_of("sample_stitched")
    there, back = stitched["c32-c48 seed0 ddim"], stitched["c48-c32 seed0 ddim"]
    steps = study.stitch.steps or study.sampling.steps
    whole = study.sampling.n * sum(1 if scale == 1 else 2 for scale in study.sampling.guidance)
    # shares of steps that are symmetric: both ways together take all steps of both sizes
    count = len(study.stitch.shares)
    total = there.flops_of["U-Net"] + back.flops_of["U-Net"]
    assert total == whole * count * sum(steps) * (SIZES["c32"] + SIZES["c48"])


def test_noise_is_made_forward_and_backward():
    seen = replace(ONES.seen, extractors=ONES.seen.extractors | {"squeezenet": Features(0.5, 3)})
    known = Known(jobs_of("pocket-candidates"), replace(ONES, seen=seen))
    study, prices = study_of("pocket-candidates"), {}
    for job in known.jobs:
        if job.rule in ("invert", "sample_inverted"):
            prices[job.rule, job.name.split()[0]] = price_of(job, known)
    own, n = study.inversion, study.sampling.n
    (fitted,) = {
        tuple(price.flops_of.items())
        for (rule, name), price in prices.items()
        if rule == "invert" and "c32" in name
    }
    twice = 2 * own.images  # 20,000 are whole batches
    assert dict(fitted) == {
        "U-Net": twice * 100.0,
        "decoding": twice * 0.25,
        "score of noise": twice * 0.0625,
        "captions": known.splits["train"] * 0.125,
    }
    sampled = prices["sample_inverted", "c32"].flops_of
    climbed = sum(1 + 2 * count for count in own.ascent.iterations)
    cells = 3 + len(own.ascent.iterations)
    assert sampled == {
        "U-Net": n * (3 + climbed) * 100.0,
        "decoding": n * (3 + climbed) * 0.25,
        "features": n * cells * 0.0625,
        "score of noise": n * climbed * 0.0625,
        "judge": n * cells * 0.5,
    }


@pytest.mark.parametrize("rule", ["sample_candidates", "sample_inverted"])
def test_a_judge_that_is_a_scorer_embeds_each_caption_once(rule):
    judge = {"scorer": {"name": "pickscore", "pretrained": "folders/pickscore"}}
    jobs, n = jobs_of("pocket-candidates"), study_of("pocket-candidates").sampling.n
    own = next(job for job in jobs if job.rule == rule)
    spec = json.loads(own.spec)
    if rule == "sample_inverted":
        spec["cells"] = [cell | {"judge": judge} for cell in spec["cells"]]
    other = replace(own, spec=json.dumps(spec | ({"judge": judge} if "judge" in spec else {})))
    extractors = ONES.seen.extractors | {"squeezenet": Features(0.5, 3)}
    seen = replace(ONES.seen, extractors=extractors, scorers={"pickscore": Scores(2.0, 8.0)})
    known = Known(jobs, replace(ONES, seen=seen))
    images = price_of(own, known).flops_of["judge"] / 0.5
    assert price_of(other, known).flops_of["judge"] == images * 2.0 + n * 8.0
    rest = [job for job in jobs if job.rule not in ("sample_candidates", "sample_inverted")]
    assert [scorer.name for scorer in counted([*rest, other])[2].scorers] == ["pickscore"]


@pytest.mark.parametrize("sampler", ["dpmpp", "ddim/leading"])
def test_a_search_costs_at_most_the_images_that_it_may_sample(sampler):
    study, whole, most = (
        study_of(),
        *(
            prices_of("sweep", jobs_of("", method))[f"pretrain c12 seed0 {sampler}"].flops_of
            for method in ("grid", "adaptive")
        ),
    )
    n, scales = study.sampling.n, len(study.sampling.guidance)
    images = most_images(scales, n, study.search.look)
    assert most["features"] / whole["features"] == pytest.approx(images / (n * scales))
    # as if all were guided: twice the forward passes, where a scale of 1 takes one
    assert most["U-Net"] == pytest.approx(whole["U-Net"] * images * 2 / n / (2 * scales - 1))


def test_every_image_and_caption_is_encoded_once():
    study, total = study_of(), sum(IMAGES.values())
    held_out = study.data.splits.validation + study.data.splits.test
    encoded = {name: price.flops for name, price in prices_of("encode_images").items()}
    assert encoded == {
        "train": (total - held_out) * 0.5,
        "validation": study.data.splits.validation * 0.5,  # for losses by noise level
        "superres/train": (total - held_out) * 0.5,
        "superres/validation": study.superres.n * 0.5,
    }
    text = prices_of("encode_text")
    assert text["train"].flops + text["test"].flops == (total - study.data.splits.validation) / 8
    assert prices_of("encode_text_of")["budget_minilm-l6-layers2 test"].flops == 768 * 2.0
    assert len(prices_of("encode_text_of")) == 2 * (len(PAIRS) - 1), "not by the study's own"


def test_tar_shards_are_encoded_in_parts_or_while_training(paper_networks):
    jobs, parts = jobs_of("paper"), study_of("paper").latents.parts
    own, count = paper_networks.own, study_of("paper").data.max_images
    encoded = prices_of("encode_part", jobs, paper_networks).values()
    assert len(encoded) == parts
    each = paper_networks.encode + own.caption
    assert sum(price.flops for price in encoded) == pytest.approx(count * each)
    # a pair's own text encoder embeds captions while it is trained
    pair = prices_of("pretrain_pair", jobs, paper_networks)["budget_t5-11b c64 seed0"]
    images = pair.flops_of["encoding"] / paper_networks.encode
    assert pair.flops_of["text encoder"] == images * paper_networks.pairs["t5-11b"].caption
    other = prices_of("pretrain_pair", jobs, paper_networks)["budget_t5-small c64 seed0"]
    more = paper_networks.pairs["t5-11b"].text_params - paper_networks.pairs["t5-small"].text_params
    # the encoder of T5-11B stays beside the U-Net, 2 bytes a weight
    assert pair.gpu_bytes - other.gpu_bytes == pytest.approx(2 * more, rel=0.02)


def test_larger_sizes_cost_more_of_everything(paper_networks):
    for rule in ("pretrain", "dreambooth", "sample_prior", "illustrate"):
        prices = prices_of(rule, jobs_of("paper"), paper_networks)
        sizes = [price for name, price in prices.items() if "subject" not in name or "t0" in name]
        flops = sorted(price.flops for price in sizes)
        assert len(set(flops)) == len(flops)


# ---------------------------------------------------------------- what is unknown


def test_an_unknown_network_is_named_and_not_guessed():
    unknown = replace(ONES, decode=math.nan, encode=math.nan)
    swept = prices_of("sweep", networks=unknown)["pretrain c12 seed0 dpmpp"]
    assert swept.uncounted == ["decoding"]
    assert swept.flops == swept.flops_of["U-Net"] + swept.flops_of["features"]
    priced = [(Job("sweep", outputs=("a",)), swept)]
    assert rows(priced, A100)[0].uncounted == "decoding"
    assert "without decoding" in report(priced, A100)


def split_of(folder="nowhere", index=None, **data):
    """Images of each split of a study's data."""
    data = {**study_of().data.model_dump(), "styles": ["noto"], **data}
    splits = PrepareSpec(seed=0, data=Data.model_validate(data)).model_dump_json()
    jobs = [Job("count_family", outputs=("results/models/family.csv",))]
    jobs.append(Job("prepare_data", outputs=("results/data/test.csv",), spec=splits))
    if index:
        jobs.append(Job("index_shards", spec=index.model_dump_json()))
    return split_images(jobs)


def test_images_of_each_source(tmp_path):
    held_out = sum(study_of().data.splits.model_dump().values())
    assert split_of()["train"] == IMAGES["noto"] - held_out
    elsewhere = {"evaluation": {"source": "coco", "path": "x"}}
    assert split_of(**elsewhere)["train"] == IMAGES["noto"]
    assert split_of(source="coco", path="x")["train"] == 82_783 - 768, "test is of val2014"
    assert math.isnan(split_of(source="imagefolder", path="nowhere")["train"])
    limited = split_of(source="imagefolder", path="nowhere", max_images=5000)
    assert limited["train"] == 5000 - held_out
    (tmp_path / "metadata.csv").write_text("file_name,text\na.png,one\n")
    (tmp_path / "a.png").touch()
    assert split_of(source="imagefolder", path=str(tmp_path))["train"] == 1 - held_out
    shards = {"source": "webdataset", "path": "x", **elsewhere}
    assert math.isnan(split_of(index=IndexSpec(max_images=None), **shards)["train"])
    assert split_of(index=IndexSpec(max_images=9), **shards)["train"] == 9
    starts = {"starts": np.array([0, 4, 7])}
    write_arrays(Path("results/data/index.safetensors"), starts, "f")
    assert split_of(index=IndexSpec(max_images=9), **shards)["train"] == 7, "as indexed"
