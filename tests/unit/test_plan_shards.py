"""The plan of studies on tar shards and of held-out images of another source, against counts."""

import math
from pathlib import Path

import numpy as np
import pytest
from plans import changed, jobs_of, rule

from ldm_scaling.data.sources.emoji import IMAGES
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.plan.jobs import split_images
from ldm_scaling.study.study import Study


@pytest.fixture(autouse=True)
def nothing_is_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def sharded(**latents) -> Study:
    evaluation = {"source": "coco", "path": "resources/coco"}
    data = {"source": "webdataset", "path": "resources/shards", "evaluation": evaluation}
    without = {"metrics": {"clip_like": None}, "superres": None}
    return changed(data=data | {"max_images": 9000}, latents=latents, **without)


def test_shards_are_indexed_and_encoded_in_parts():
    jobs = jobs_of(sharded(parts=5))
    (index,) = rule(jobs, "index_shards")
    assert index.bytes == 9000 * 5 * 8
    parts = rule(jobs, "encode_part")
    assert [job.output for job in parts][-1] == "results/latents/train/part4.safetensors"
    latents, text = 8 * 8 * 8, 20 * 384
    for job in parts:
        assert job.flops_of == {"autoencoder": 1800 * 0.5, "text encoder": 1800 * 0.125}
        assert job.bytes == 1800 * 2 * (latents + text)
    assert [job.name for job in rule(jobs, "encode_text")] == ["test"]
    assert rule(jobs, "encode_images") == []
    (prepare,) = rule(jobs, "prepare_data")
    assert prepare.bytes == 2 * 768 * 3 * 32 * 32, "held-out images only"


def test_without_a_cache_every_training_encodes_what_it_sees():
    cached, streamed = (jobs_of(sharded(cache=cache)) for cache in (True, False))
    assert rule(streamed, "encode_part") == []
    for before, after in zip(rule(cached, "pretrain"), rule(streamed, "pretrain"), strict=True):
        assert after.flops - before.flops == 120_000 * (0.5 + 0.125)
        assert after.bytes == before.bytes


def test_samples_are_counted_once_there_is_an_index():
    config = {"source": "webdataset", "path": "x", "evaluation": {"source": "coco", "path": "y"}}
    study = changed(data=config, metrics={"clip_like": None}, superres=None)
    assert math.isnan(split_images(study)["train"])
    write_arrays(Path("results/data/index.safetensors"), {"starts": np.array([0, 4, 7])}, "f")
    assert split_images(study) == {"train": 7, "validation": 768, "test": 768}


def test_held_out_images_of_another_source_leave_all_for_training():
    evaluation = {"source": "coco", "path": "x"}
    assert split_images(changed(data={"evaluation": evaluation}))["train"] == sum(IMAGES.values())
    as_source = changed(data={"source": "coco", "path": "x"})
    assert split_images(as_source)["train"] == 82_783 - 768, "test images are of val2014"
