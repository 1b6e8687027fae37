"""Training in two processes is training in one, also when their number changes on the way."""

import os
import subprocess
import sys

import numpy as np
import pytest
from project import ROOT
from safetensors.numpy import load_file

from ldm_scaling.shards import write_arrays
from ldm_scaling.specs import Specs
from ldm_scaling.study import load_study

LAUNCH = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines=1"]


@pytest.fixture
def pretrain(tmp_path, pocket_config):
    """A function that runs the command on made-up latents and returns its log."""
    pocket_config["family"] |= {"sizes": ["c8"], "reference_size": "c8"}
    pocket_config["training"] |= {"images": 192, "batch": 12, "warmup_images": 24, "keep": []}
    random = np.random.default_rng(0)

    def draw(*shape):
        return random.normal(size=shape).astype(np.float32)

    write_arrays(tmp_path / "latents", {"latents": draw(40, 8, 8, 8)}, "latents")
    write_arrays(tmp_path / "text", {"text": draw(40, 6, 16), "empty": draw(6, 16)}, "text")
    spec = Specs(load_study(pocket_config)).pretrain("c8", 0).model_dump_json()

    def run(name, *options, processes=1, code=0):
        command = [sys.executable, *(LAUNCH if processes == 2 else []), "-m"]
        command += [
            "ldm_scaling.models.pretrain",
            "--spec",
            spec,
            "--latents",
            tmp_path / "latents",
        ]
        command += ["--text", tmp_path / "text", "--out", tmp_path / name]
        command += ["--work-dir", tmp_path / f"work-{name}", *options]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
        log = done.stdout + done.stderr
        assert (done.returncode != 0) == (code != 0), log[-4000:]
        return log

    return run


def weights(folder):
    return load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")


def test_two_processes_train_as_one_and_hand_over(pretrain, tmp_path):
    pretrain("one", "--micro-batch", "5")
    log = pretrain("two", "--max-seconds", "0.001", processes=2, code=75)
    assert "state is saved" in log
    log = pretrain("two", "--micro-batch", "4")
    assert "continuing after 12 images" in log
    log = pretrain("three", "--max-seconds", "0.001", code=75)
    pretrain("three", processes=2)
    expected = weights(tmp_path / "one")
    for name in ("two", "three"):
        found = weights(tmp_path / name)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_allclose(found[key], value, rtol=0, atol=2e-5, err_msg=key)
