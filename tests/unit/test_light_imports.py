"""What jobs import: quickly, and so that all of diffusers still works in the same process."""

import os
import shutil
import subprocess
import sys

import pytest
from project import ROOT

TRAINING = {"torch._dynamo", "transformers", "scipy.stats", "sympy", "torchvision", "open_clip"}


def run(code):
    """What a fresh process prints."""
    source = {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], text=True, capture_output=True, env=os.environ | source
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("modules", "unneeded"),
    [
        ("models.pretrain models.distill models.superres cells.sweep cells.illustrate", TRAINING),
        ("data.prepare data.crop_photos cells.measure", {"torch", "diffusers"}),
        ("plan.__main__", {"torch", "diffusers"}),  # which it needs when there is a DAG to price
    ],
)
def test_jobs_import_nothing_that_costs_seconds_for_nothing(modules, unneeded):
    names = ", ".join(f"ldm_scaling.{name}" for name in modules.split())
    loaded = run(f"import sys, {names}; print(*sys.modules)")
    assert not unneeded & set(loaded)


def test_sampling_looks_for_models_before_it_imports_what_samples_them(tmp_path):
    tables = tmp_path / "results/tables"
    tables.mkdir(parents=True)
    for name in ("frontier.csv", "family.csv"):
        shutil.copy(ROOT / "reference/pocket/tables" / name, tables)
    loaded = run(
        f"""if True:
        import os, sys
        os.chdir({str(tmp_path)!r})
        sys.argv = ["sample", "--prompt", "a red heart"]
        from ldm_scaling.answer.sample import main
        from ldm_scaling.jobs.cli import InputError
        try:
            main()
        except InputError as error:
            assert "results/models has none of the models; run: make figure" in str(error), error
            print(*sys.modules)
    """
    )
    assert "ldm_scaling.answer.sample" in loaded
    assert not {"torch", "diffusers", "transformers"} & set(loaded)


def test_all_of_diffusers_works_beside_it():
    """Packages that were left unread are read, with the very classes that are there already."""
    code = """if True:
        from ldm_scaling.models.architectures.unet import UNet2DConditionModel
        import torch, diffusers, diffusers.models.unets.unet_2d_blocks as blocks
        from diffusers import LMSDiscreteScheduler, SD3Transformer2DModel, StableDiffusionPipeline
        from diffusers.hooks import HookRegistry
        from diffusers.models.transformers import Transformer2DModel
        assert blocks.Transformer2DModel is Transformer2DModel
        assert diffusers.UNet2DConditionModel is UNet2DConditionModel
        assert LMSDiscreteScheduler().sigmas is not None
        assert torch.compiler.disable.__module__ == "torch.compiler"
        assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2)).tolist() == [2, 2]
        import transformers, scipy.stats
        print("done")
    """
    assert run(code) == ["done"]
