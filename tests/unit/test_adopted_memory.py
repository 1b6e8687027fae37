"""Precision, sides and memory of adopted pipelines."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from adopting import CAPTIONS, SHOWN, SIDE, cell
from cleanfid.resize import make_resizer
from commands import run_here
from pictures import data_of, rows_of
from PIL import Image
from project import ROOT

from ldm_scaling.cells import adopted as cells_of_adopted
from ldm_scaling.cells import sweep
from ldm_scaling.cells.adopted import PipelineSampler
from ldm_scaling.costs.count_adopted import adopted_costs
from ldm_scaling.jobs.arrays import map_array, write_arrays
from ldm_scaling.models import adopt, encode_prompts
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.specs.cells import CellSpec, SweepSpec
from ldm_scaling.workflow.specs.data import PrepareSpec
from ldm_scaling.workflow.specs.latents import EncodePromptsSpec


@pytest.mark.parametrize(
    ("name", "dtype", "expected"),
    [
        ("stable_diffusion_xl", "float16", "float32"),
        ("stable_diffusion_xl", "bfloat16", "bfloat16"),
        ("stable_diffusion", "float16", "float16"),
        ("sana", "bfloat16", "bfloat16"),
    ],
)
def test_latents_are_decoded_in_what_the_pipeline_decodes_them_in(
    adopted, name, dtype, expected, monkeypatch
):
    own = adopted(name)
    model, seen = own.model.model_copy(update={"dtype": dtype}), []
    pipeline = adopt.load(model, text=False)
    decode = type(pipeline.vae).decode

    def noting(vae, latents, *args, **kwargs):
        seen.append(vae.dtype)
        return decode(vae, latents, *args, **kwargs)

    monkeypatch.setattr(type(pipeline.vae), "decode", noting)
    PipelineSampler(pipeline, own.layout, own.prompts, SIDE, SHOWN).images(cell(steps=1), [0])
    assert seen == [getattr(torch, expected)]
    assert adopted_costs(model).decoded_in == expected


def test_generated_and_real_images_are_resized_alike_and_as_clean_fid_does(
    adopted, tmp_path, monkeypatch
):
    own = adopted("stable_diffusion")
    whole, _ = own.whole.images(cell(), range(3))
    small, _ = own.sampler.images(cell(), range(3))
    resize = make_resizer("PIL", False, "bicubic", (SHOWN, SHOWN))
    expected = [resize(image).round() for image in whole.transpose(0, 2, 3, 1)]
    assert np.array_equal(small.transpose(0, 2, 3, 1), expected)
    lines = ["file_name,text"]
    for number, image in enumerate(whole.transpose(0, 2, 3, 1)):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{number}")
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    data = data_of(tmp_path, validation=1, test=2).model_copy(update={"image_size": SHOWN})
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["data"]["image_size"] = SHOWN
    study = load_study(config | {"adopted": {"models": [own.model], "reference": own.model.name}})
    spec = PrepareSpec.of(study).model_copy(update={"data": data}).model_dump_json()
    words = ("--spec", spec, "--out", tmp_path / "packed")
    assert run_here("data.prepare", *words).returncode == 0
    for split in ("validation", "test"):
        images = map_array(tmp_path / f"packed/{split}.safetensors", "images")
        for row, image in zip(rows_of(tmp_path / "packed", split), images, strict=True):
            assert np.array_equal(image, small[int(row["caption"])])


def test_images_of_another_side_are_measured_anew(adopted, tmp_path, monkeypatch):
    own = adopted("stable_diffusion")
    write_arrays(tmp_path / "prompts", own.prompts, "abc")
    monkeypatch.setattr(cells_of_adopted, "load", lambda model, *, text: own.pipeline)
    extractors = [{"name": "effnet_lite0", "input_size": 32}]
    given = {"sampler": "native", "steps": 2, "guidance": 3, "n": 3, "seed": 0}
    found = CellSpec(**given, extractors=extractors)
    options = SimpleNamespace(
        **{"max_seconds": None, "work_dir": tmp_path / "work", "text": tmp_path / "prompts"},
        **{"gpus": 0, "batch": None, "weights": None, "captions": None, "reference": None},
    )

    def sampled(side: int) -> sweep.Sampled:
        spec = SweepSpec(pipeline=own.model, side=side, cells=[found])
        return sweep.Sweep(spec, options).sample(found)  # type: ignore[arg-type]

    first, other = sampled(SHOWN), sampled(SHOWN // 2)
    assert first.sheet.shape[-1] == SHOWN and other.sheet.shape[-1] == SHOWN // 2
    assert (first.features != other.features).any()


@pytest.mark.parametrize("room", [2, 0, None])
def test_prompts_are_encoded_with_the_memory_that_there_is(adopted, tmp_path, monkeypatch, room):
    """On a GPU with room for two prompts, for the weights alone, or for nothing."""
    own, places = adopted("sana"), []
    pipeline = adopt.load(own.model, text=True)
    move, encode = pipeline.to, adopt.encode

    def to(place):
        places.append(str(place))
        if room is None and place != "cpu":
            raise torch.OutOfMemoryError
        return move("cpu")

    def encoded(pipeline, layout, model, captions):
        if places[-1] != "cpu" and len(captions) > (room or 0):
            raise torch.OutOfMemoryError
        return encode(pipeline, layout, model, captions)

    monkeypatch.setattr(pipeline, "to", to)
    monkeypatch.setattr(encode_prompts, "load", lambda model, *, text: pipeline)
    monkeypatch.setattr(encode_prompts, "encode", encoded)
    monkeypatch.setattr(encode_prompts, "own_device", lambda: "gpu")
    (tmp_path / "test.csv").write_text("\n".join(["caption", *CAPTIONS, ""]))
    spec = EncodePromptsSpec(pipeline=own.model, n=len(CAPTIONS)).model_dump_json()
    paths = {"captions": "test.csv", "out": "out", "summary": "summary", "work-dir": "work"}
    words = [f"--{name}={tmp_path / path}" for name, path in paths.items()]
    done = run_here("models.encode_prompts", "--spec", spec, *words)
    assert done.returncode == 0, done.stderr
    for name, expected in own.prompts.items():
        np.testing.assert_allclose(map_array(tmp_path / "out", name), expected, atol=2e-3)
    assert places == (["gpu"] if room else ["gpu", "cpu"])


def test_an_image_that_takes_more_memory_than_there_is_has_no_evaluations(adopted, monkeypatch):
    sampler = adopted("stable_diffusion").sampler
    sampler.images(cell(), [0])

    def decode(*_, **__):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(adopted("stable_diffusion").pipeline.vae, "decode", decode)
    with pytest.raises(torch.OutOfMemoryError):
        sampler.images(cell(steps=7), [0])
    assert sampler.evaluations(cell()) == 0, "and not those of the image before"
