"""Two processes train and sample as one does, also when their number changes on the way."""

import functools
import json
import os
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from commands import run_here
from project import ROOT
from ready import together
from safetensors.numpy import load_file
from studies import put

from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.latents.autoencoder import save_model
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.models.train import WEIGHTS
from ldm_scaling.study.distill import Adversary, Arm
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.specs.cells import SweepSpec
from ldm_scaling.workflow.specs.models import DistillSpec, GuidedDistillSpec, PretrainSpec

# as rule pretrain launches it; the processes talk through gloo where there is no GPU
LAUNCH = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2"]
LAUNCH += ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
LAUNCH += ["--main_process_port=0"]
ON_PROCESSORS = {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
HURRIED = str(ROOT / "tests/hurried.py")


def here(module, options):
    """Run a command of the project in this process."""
    with mock.patch.dict(os.environ, ON_PROCESSORS):
        done = run_here(module, *options, folder=ROOT)
    AcceleratorState._reset_state(reset_partial_state=True)
    return done.returncode, done.stdout + done.stderr


def launched(module, options):
    """Run a command of the project in two processes, as a rule does."""
    words = [sys.executable, *LAUNCH, "-m", f"ldm_scaling.{module}", *options]
    environment = os.environ | ON_PROCESSORS
    done = subprocess.run(words, env=environment, capture_output=True, text=True, cwd=ROOT)
    return done.returncode, done.stdout + done.stderr


def in_two(module, options):
    """Run a command of the project, or a script, in two processes that start at once."""
    program = module if module == HURRIED else f"ldm_scaling.{module}"
    with mock.patch.dict(os.environ, ON_PROCESSORS):
        statuses, log = together(2, program, *map(str, options))
    return max(statuses, key=abs), log


def command(module, *options, run=here, code=0):
    """Run a command and return its log."""
    status, log = run(module, options)
    assert ("state is saved" in log) == (code == 75) == (status != 0), log[-4000:]
    return log


@pytest.fixture
def study(pocket_config):
    """A tiny one."""
    pocket_config["family"] |= {"sizes": ["c8"], "reference_size": "c8"}
    pocket_config["training"] |= {"images": 96, "batch": 12, "warmup_images": 12, "keep": []}
    # a cluster enters after one step without progress, by the loss of all processes
    patience = {"share": 0.1, "threshold": 0.05, "half_life": 0.125}
    curriculum = {"clusters": 5, "order": "easy_to_hard", "patience": patience}
    pocket_config["training"]["curriculum"] = curriculum
    length = {"images": 96, "batch": 12, "warmup_images": 12, "ema_images": 24}
    pocket_config["distill"] |= length
    pocket_config["guided_distill"] |= length | {"sizes": ["c8"], "steps": [4]}
    pocket_config["sampling"] |= {"n": 24, "steps": [1, 2], "guidance": [1, 3]}
    put(pocket_config, "metrics.extractors.0.components", 8)
    pocket_config["search"]["method"] = "grid"
    return load_study(pocket_config)


@pytest.fixture
def text(tmp_path):
    """A file of made-up embeddings."""
    random = np.random.default_rng(1)
    shapes = {"text": (40, 6, 16), "empty": (6, 16)}
    arrays = {name: random.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    write_arrays(tmp_path / "text", arrays, "text")
    return tmp_path / "text"


@pytest.fixture
def train(tmp_path, text):
    """A function that runs a command of training on made-up latents and returns its log."""
    latents = np.random.default_rng(0).normal(size=(40, 8, 8, 8)).astype("f4")
    write_arrays(tmp_path / "latents", {"latents": latents}, "latents")

    def run(module, spec, name, *options, **launch):
        data = ("--latents", tmp_path / "latents", "--text", text)
        folders = ("--out", tmp_path / name, "--work-dir", tmp_path / f"work-{name}")
        spec = ("--spec", spec.model_dump_json())
        program = module if module == HURRIED else f"models.{module}"
        return command(program, *spec, *data, *folders, *options, **launch)

    return run


@pytest.fixture
def pretrain(study, train):
    """A function that pretrains and returns the log."""
    return functools.partial(train, "pretrain", PretrainSpec.of(study, "c8", 0))


def student_spec(study, module):
    """The spec of a student, by the name of its command; one has a discriminator beside it."""
    if module == "distill":
        arm = Arm(eta=0.2, substeps=2, adversary=Adversary(weight=0.4, lr=0.001))
        stage = {"stage": "distill_own", "arm": arm}
        return DistillSpec.of(study, "c8", 0).model_copy(update=stage)
    return GuidedDistillSpec.of(study, 4, "c8", 0)


def weights(folder):
    return load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")


def assert_close(found, expected):
    """Each tensor's root mean square difference is below 2 % of the 1e-3 that weights move by.

    Adam divides by the size of a gradient, so a single weight whose gradient is almost zero may
    differ by more on another kind of processor.
    """
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert np.sqrt(((found[key] - value) ** 2).mean()) < 2e-5, key


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def processes(folder):
    return summary(folder)["processes"]


def test_two_processes_train_as_one_and_hand_over(pretrain, tmp_path):
    def one_step(run, *options):
        return pretrain("handed", "--max-seconds", "0.001", *options, code=75, run=run)

    pretrain("one", "--micro-batch", "5")
    one_step(launched)
    assert "continuing after 12 images" in one_step(in_two, "--sharded")
    assert "continuing after 24 images" in pretrain("handed", "--micro-batch", "4")
    assert processes(tmp_path / "one") == processes(tmp_path / "handed") == 1
    assert_close(weights(tmp_path / "handed"), weights(tmp_path / "one"))
    seen = summary(tmp_path / "one")["levels_seen"]
    assert summary(tmp_path / "handed")["levels_seen"] == seen


def test_processes_with_different_clocks_save_together(study, pretrain, train, tmp_path):
    """Saving takes divided weights from all processes; one that saved alone would wait for ever."""
    pretrain("one")
    options = ("--sharded", "--checkpointing", "--micro-batch", "4")
    train(HURRIED, PretrainSpec.of(study, "c8", 0), "hurried", *options, run=in_two)
    assert processes(tmp_path / "hurried") == 2
    assert_close(weights(tmp_path / "hurried"), weights(tmp_path / "one"))


@pytest.mark.parametrize(
    ("module", "names"), [("distill", ["copies", "shards"]), ("guided_distill", ["shards"])]
)
def test_two_processes_distil_as_one(train, study, tmp_path, module, names):
    torch.manual_seed(0)
    teacher = build_unet(study.family, "c8", (8, 8, 8), 16)
    save_model(teacher, tmp_path / "teacher/unet", WEIGHTS)

    def distil(name, *options, **launch):
        spec = student_spec(study, module)
        held_out = ["--held-out", tmp_path / "latents", tmp_path / "text"]
        given = ["--teacher", tmp_path / "teacher", *(held_out if module == "distill" else [])]
        return train(module, spec, name, *given, *options, **launch)

    distil("one", "--micro-batch", "5")
    if "copies" in names:
        distil("copies", run=in_two)
    distil("shards", "--max-seconds", "0.001", code=75)
    log = distil("shards", "--sharded", "--micro-batch", "4", run=in_two)
    assert "continuing after 12 images" in log
    assert processes(tmp_path / "one") == 1
    assert {processes(tmp_path / name) for name in names} == {2}
    expected = weights(tmp_path / "one")
    told = "time_embedding.cond_proj.weight"
    assert np.abs(expected[told]).max() > 1e-4  # it listens to the scale, which it did not at first
    for name in names:
        assert_close(weights(tmp_path / name), expected)


def test_two_processes_sample_as_one(study, text, tmp_path):
    spec = SweepSpec.of(study, "pretrain", "ddim").model_dump_json()
    save_model(build_unet(study.family, "c8", (8, 8, 8), 16), tmp_path / "model/unet", WEIGHTS)
    for count, run in ((1, here), (2, launched)):
        model = ("--model", tmp_path / "model", "--autoencoder", "pretrained/autoencoder-emoji32")
        out = ("--text", text, "--out", tmp_path / f"{count}", "--work-dir", tmp_path / f"w{count}")
        command("cells.sweep", "--spec", spec, *model, *out, run=run)
    for name in ("features.safetensors", "images.safetensors"):
        assert (tmp_path / "2" / name).read_bytes() == (tmp_path / "1" / name).read_bytes()
    one, two = (json.loads((tmp_path / n / "cells.json").read_text()) for n in "12")
    assert [row | {"seconds": 0} for row in one] == [row | {"seconds": 0} for row in two]
