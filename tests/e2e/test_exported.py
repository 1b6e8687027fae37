"""Models trained here, exported and adopted: the same images, costs and tables by another road."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from commands import run_here
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from plans import study_of

from ldm_scaling.cells.adopted import PipelineSampler
from ldm_scaling.jobs.arrays import map_array, read_header
from ldm_scaling.models import adopt
from ldm_scaling.models.encode_prompts import as_array
from ldm_scaling.study.adopted import AdoptedModel
from ldm_scaling.workflow.specs.cells import SweepSpec
from ldm_scaling.workflow.specs.latents import EncodeTextSpec

OVERLAYS = ("studies/smoke.yaml", "studies/smoke-adopted.yaml")


@pytest.fixture(scope="module")
def adopted(finished):
    """The smoke study's models, adopted by another study after an undisturbed run."""
    finished.snakemake("--cores", "2", "--configfile", *OVERLAYS)
    return finished


@pytest.mark.parametrize("size", ["c8", "c16"])
def test_images_are_those_of_the_study_that_trained_them(adopted, size):
    ours, theirs = (
        adopted.folder / f"results/{name}/cells/pretrain/{size}/seed0/ddim/images.safetensors"
        for name in ("smoke", "smoke-adopted")
    )
    names = {*read_header(theirs)} - {"__metadata__"}
    assert {f"steps{steps}_guidance{scale}" for steps in (2, 4) for scale in (1, 2)} == names
    for name in names:
        different = map_array(ours, name).astype(int) - map_array(theirs, name)
        assert np.abs(different).max() <= 1, name


def test_costs_and_metrics_are_too(adopted):
    columns = ["size", "steps", "guidance", "metric"]
    ours, theirs = (
        pd.read_csv(adopted.folder / f"results/{name}/tables/pretrain/ddim/cells.csv")
        .query("trained == 1 and metric != 'clip_like'")
        .set_index(columns)
        for name in ("smoke", "smoke-adopted")
    )
    assert len(theirs) == len(ours)
    theirs = theirs.loc[ours.index]
    for name in ("params", "gflops", "nfe", "sampling_cost", "guided_cost", "n"):
        assert (ours[name] == theirs[name]).all(), name
    distances = ours.index.get_level_values("metric") == "fd_effnet_lite0"
    expected = ours.loc[distances, "value"].to_numpy()
    assert theirs.loc[distances, "value"].to_numpy() == pytest.approx(expected, rel=1e-3)


def test_what_an_image_costs_beside_the_network_is_counted_alike(adopted):
    ours, theirs = (
        pd.read_csv(adopted.folder / f"results/{name}/tables/family.csv").set_index("size")
        for name in ("smoke", "smoke-adopted")
    )
    names = ["params", "gflops", "normalized_cost", "decoder_gflops", "caption_gflops"]
    pd.testing.assert_frame_equal(theirs.loc[ours.index, names], ours[names], check_dtype=False)


def test_shares_of_the_networks_are_too(adopted):
    ours, theirs = (
        pd.read_csv(adopted.folder / f"results/{name}/tables/components.csv").set_index(
            ["size", "component"]
        )
        for name in ("smoke", "smoke-adopted")
    )
    assert (adopted.folder / "results/smoke-adopted/figures/components.pdf").exists()
    assert (theirs.loc[ours.index, "params"] == ours["params"]).all()
    for part in ("text_encoder", "autoencoder"):  # a pipeline projects the text at every step
        column = theirs.xs(part, level="component")["gflops"]
        assert (column == ours.xs(part, level="component")["gflops"]).all()
    assert (theirs["seconds"] > 0).all()


def test_weights_are_a_column_of_adopted_models_only(adopted):
    ours, theirs = (
        pd.read_csv(adopted.folder / f"results/{name}/tables/family.csv").set_index("size")
        for name in ("smoke", "smoke-adopted")
    )
    assert "weights_gb" not in ours
    components = pd.read_csv(adopted.folder / "results/smoke-adopted/tables/components.csv")
    total = components.groupby("size")["bytes"].sum() / 1e9
    assert theirs["weights_gb"].to_dict() == pytest.approx(total.to_dict(), rel=1e-5)


def test_an_exported_model_is_a_pipeline_for_anyone(adopted):
    pipeline = DiffusionPipeline.from_pretrained(
        adopted.folder / "results/smoke/pipelines/pretrain/c16/seed0"
    )
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline("a red heart", num_inference_steps=2, output_type="np").images
    assert made.shape == (1, 16, 16, 3) and np.isfinite(made).all() and made.std() > 0


def test_images_of_an_exported_student_are_those_of_the_study_that_distilled_it(adopted, tmp_path):
    results = adopted.folder / "results/smoke"
    student, folder = results / "models/distill/c8/seed0", tmp_path / "student"
    study = study_of("smoke")
    spec = EncodeTextSpec.of(study).model_dump_json()
    words = ("--autoencoder", results / "latents/autoencoder", "--out", folder)
    done = run_here("models.pipeline", "--spec", spec, "--model", student, *words)
    assert done.returncode == 0, done.stderr
    model = AdoptedModel(name="student", pretrained=str(folder), side=16)
    layout = adopt.read_layout(model)
    assert layout.kind.name == "LatentConsistencyModelPipeline" and layout.told
    captions = pd.read_csv(results / "data/test.csv")["caption"][: study.sampling.n]
    encoded = adopt.encode(adopt.load(model, text=True), layout, model, list(captions))
    prompts = {name: as_array(name, own) for name, own in encoded.items()}
    sampler = PipelineSampler(adopt.load(model, text=False), layout, prompts, 16, 16)
    ours = results / "cells/distill/c8/seed0/lcm/images.safetensors"
    for cell in SweepSpec.of(study, "distill", "lcm").cells:
        expected = map_array(ours, cell.name)
        native = cell.model_copy(update={"sampler": "native", "teacher_steps": None})
        made, _ = sampler.images(native, range(len(expected)))
        assert np.abs(made.astype(int) - expected).max() <= 1, cell.name
        assert sampler.evaluations(native) == cell.steps


def test_the_pipelines_own_scheduler_is_another_sampler(adopted):
    folder = adopted.folder / "results/smoke-adopted"
    samplers = pd.read_csv(folder / "tables/cells.csv")["sampler"]
    assert set(samplers) == {"ddim", "native"}
    claims = (folder / "claims.md").read_text()
    assert "verdicts are on these models" in claims and "for this training" not in claims


def test_another_scale_samples_new_cells_only(adopted):
    config = ("--config", "sampling={guidance: [1, 2, 3]}")
    target = "results/smoke-adopted/tables/pretrain/ddim/best.csv"
    jobs = adopted.jobs("--configfile", *OVERLAYS, *config, "--", target)
    counted = {"count_adopted": 1, "family": 1}  # which refuses scales that a model ignores
    assert jobs == {"sweep": 2, "measure": 2, "collect": 1} | counted
