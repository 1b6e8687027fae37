"""Training from tar shards: cached and streamed see the same, and a killed run ends the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from collections_on_disk import jpeg, sample, write_shards, write_tar
from safetensors.numpy import load_file
from slices import StopsAfter

from ldm_scaling.data import index_shards
from ldm_scaling.data.sources.webdataset import Index, Samples, WindowedOrder
from ldm_scaling.jobs.arrays import map_array
from ldm_scaling.jobs.cli import InputError, SliceEnded, run
from ldm_scaling.latents import encode_part, text_encoder
from ldm_scaling.latents.autoencoder import build, encode, save_model
from ldm_scaling.latents.pairs import ShardedPairs, StreamedPairs, open_pairs
from ldm_scaling.latents.text_encoder import CaptionEncoder
from ldm_scaling.models import pretrain
from ldm_scaling.models import train as training
from ldm_scaling.study.load import load_study
from ldm_scaling.training import devices
from ldm_scaling.workflow.specs.data import IndexSpec
from ldm_scaling.workflow.specs.latents import EncodePartSpec, EncodingSpec
from ldm_scaling.workflow.specs.models import PretrainSpec

PARTS = 3
ROUNDING = 2e-3
"""of latents and embeddings of about unit size in float16, encoded in other batches"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Shards with two broken samples, and an autoencoder."""
    folder = tmp_path_factory.mktemp("shards")
    write_shards(folder / "shards", [9, 4, 12])
    members: dict[str, bytes] = {}
    for number in range(30, 36):
        members |= sample(number)
    members |= {"00031.jpg": jpeg(31)[:150], "00035.jpg": b"gone"}
    write_tar(folder / "shards" / "last.tar", members)
    torch.manual_seed(0)
    study = load_study(config_of(folder))
    save_model(
        build(study.latents.autoencoder), folder / "ae", "diffusion_pytorch_model.safetensors"
    )
    return folder


def config_of(folder, cache=True):
    import yaml
    from project import ROOT
    from snakemake.utils import update_config

    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(
        config,
        {
            "name": "shards",
            "data": {
                "source": "webdataset",
                "path": str(folder / "shards"),
                "image_size": 16,
                "evaluation": {"source": "coco", "path": "unused"},
            },
            "latents": {
                "autoencoder": {
                    "pretrained": str(folder / "ae"),
                    "latent_channels": 4,
                    "width": 8,
                },
                "text_encoder": {"max_tokens": 6},
                "cache": cache,
                "parts": PARTS,
            },
            "family": {
                "sizes": ["c8"],
                "reference_size": "c8",
                "channel_multipliers": [1, 2],
                "attention": [False, True],
            },
            "training": {"images": 96, "batch": 8, "warmup_images": 8, "keep": []},
            "metrics": {"clip_like": None},
            "superres": None,
            "figures": {"guidance_sizes": ["c8"]},
        },
    )
    return config


def command(monkeypatch, module, *arguments, time_slice=None):
    """Run a command in this process, which may get a slice of time of ours."""
    with monkeypatch.context() as patch:
        patch.setattr("sys.argv", [module.__name__, *map(str, arguments)])
        patch.setattr(encode_part, "BATCH", 4)
        if time_slice is not None:
            takes_it = training if module is pretrain else module
            patch.setattr(takes_it, "Slice", lambda _: time_slice)
        module.main()


@pytest.fixture(scope="module")
def encoded(place):
    """The index and the parts, the second one in three slices."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        study = load_study(config_of(place))
        where = ("--shards", place / "shards", "--work-dir", place / "work")
        index = ("--spec", IndexSpec.of(study).model_dump_json(), *where, "--out", place / "index")
        command(monkeypatch, index_shards, *index)
        for part in range(PARTS):
            spec = EncodePartSpec.of(study, part).model_dump_json()
            out = ("--out", place / f"part{part}", "--index", place / "index")
            arguments = ("--spec", spec, *where, *out)
            for _ in range(2 if part == 1 else 0):
                with pytest.raises(SliceEnded):
                    command(monkeypatch, encode_part, *arguments, time_slice=StopsAfter(1))
            command(monkeypatch, encode_part, *arguments)
    return [place / f"part{part}" for part in range(PARTS)]


# ---------------------------------------------------------------- encoding


def test_parts_hold_every_whole_sample_once(place, encoded):
    index = Index.load(place / "index")
    assert len(index) == 31
    kept = [map_array(path, "kept").tolist() for path in encoded]
    assert [number for numbers in kept for number in numbers] == [
        n for n in range(31) if n not in (26, 30)
    ]
    assert [min(numbers) for numbers in kept] == [0, 10, 20]
    assert all(map_array(path, "latents").dtype == np.float16 for path in encoded)
    assert list((place / "work").rglob("piece-*")) == []


def test_rows_are_the_encoded_samples(place, encoded):
    study = load_study(config_of(place))
    autoencoder = encode_part.load(str(place / "ae"))
    text = CaptionEncoder(study.latents.text_encoder)
    samples = Samples(Index.load(place / "index"), place / "shards", 16)
    for path in encoded:
        for row, number in enumerate(map_array(path, "kept")):
            pixels, caption = samples.whole(number)
            latents = encode(autoencoder, pixels[None])[0].numpy()
            np.testing.assert_allclose(map_array(path, "latents")[row], latents, atol=ROUNDING)
            embedding = text([caption])[0].numpy()
            np.testing.assert_allclose(map_array(path, "text")[row], embedding, atol=ROUNDING)
        np.testing.assert_allclose(map_array(path, "empty"), text([""])[0], atol=ROUNDING)


def test_more_parts_than_samples_name_the_key():
    assert [encode_part.part_of(10, part, 3) for part in range(3)] == [
        range(0, 3),
        range(3, 6),
        range(6, 10),
    ]
    with pytest.raises(InputError, match=r"latents\.parts: 4 jobs are more than the 3 samples"):
        encode_part.part_of(3, 0, 4)


# ---------------------------------------------------------------- pairs


def cached_pairs(place, encoded) -> ShardedPairs:
    return open_pairs(encoded, encoded, place / "index", None, None)[0]


def streamed_pairs(place) -> StreamedPairs:
    encoding = EncodingSpec.of(load_study(config_of(place)))
    return open_pairs([], [], place / "index", place / "shards", encoding)[0]


def test_cached_and_streamed_pairs_are_the_same_in_the_same_order(place, encoded):
    cached, streamed = cached_pairs(place, encoded), streamed_pairs(place)
    assert cached.count == streamed.count == 31
    assert cached.latent_shape == streamed.latent_shape == (4, 4, 4)
    assert cached.text_width == streamed.text_width == 384
    torch.testing.assert_close(cached.empty, streamed.empty, rtol=0, atol=ROUNDING)
    device = torch.device("cpu")
    for start in (0, 7, 28, 60):
        numbers = cached.order(3, start, 9)
        np.testing.assert_array_equal(numbers, streamed.order(3, start, 9))
        expected = WindowedOrder(Index.load(place / "index").starts)(3, start, 9)
        np.testing.assert_array_equal(numbers, expected)
        streamed.announce(numbers)
        for one, other in zip(
            cached.read(numbers, device), streamed.read(numbers, device), strict=True
        ):
            assert one.dtype == other.dtype == torch.float32
            torch.testing.assert_close(one, other, rtol=0, atol=ROUNDING)


def test_streamed_pairs_are_encoded_in_the_precision_of_the_device(place, encoded, monkeypatch):
    loaded, load = [], text_encoder.load_model
    monkeypatch.setattr(
        text_encoder, "load_model", lambda *spec: loaded.append(spec) or load(*spec)
    )
    numbers, device = np.arange(4), torch.device("cpu")
    exact = streamed_pairs(place).read(numbers, device)
    assert len(loaded) == 1, "which the memory of a job counts for each process"
    monkeypatch.setattr(devices, "dtype_on", lambda device: torch.bfloat16)
    for one, other in zip(streamed_pairs(place).read(numbers, device), exact, strict=True):
        assert one.dtype == torch.float32 and not torch.equal(one, other)
        assert (one - other).square().mean().sqrt() < 0.02 * other.std()


def test_a_sample_that_was_not_encoded_is_the_next_one(place, encoded):
    cached = cached_pairs(place, encoded)
    latents, text = cached.read(np.array([26, 27, 30, 25]), torch.device("cpu"))
    assert torch.equal(latents[0], latents[1]) and torch.equal(text[0], text[1])
    assert torch.equal(latents[2], latents[3]), "the shard's first one, after its end"


@pytest.mark.parametrize("wrong", ["order", "missing", "twice"])
def test_parts_that_are_not_those_of_the_index_are_named(place, encoded, wrong):
    parts = {
        "order": [encoded[1], encoded[0], encoded[2]],
        "missing": encoded[:2],
        "twice": [encoded[0], *encoded],
    }[wrong]
    with pytest.raises(InputError, match=r"part\d is not part \d of \d of .*index"):
        open_pairs(parts, parts, place / "index", None, None)


def test_options_that_do_not_fit_are_one_line(place, encoded):
    encoding = EncodingSpec.of(load_study(config_of(place)))
    index, shards = place / "index", place / "shards"
    for arguments, says in (
        (([], [], None, None, None), "--latents, --text: both are needed"),
        ((encoded, [], index, None, None), "--latents, --text: both are needed"),
        ((encoded, encoded, None, None, None), "--index: several files"),
        ((encoded, encoded[:1], index, None, None), "--text: with --index"),
        (([], [], index, None, encoding), "--index, --shards"),
        ((encoded, encoded, index, shards, encoding), "--index, --shards"),
    ):
        with pytest.raises(InputError, match=says):
            open_pairs(*arguments)


# ---------------------------------------------------------------- training


def train(monkeypatch, place, name, source, cache, stops=()):
    """The weights of a run that was stopped after so many steps each time, then went to the end."""
    study = load_study(config_of(place, cache))
    spec = PretrainSpec.of(study, "c8", 0).model_dump_json()
    options = ["--spec", spec, *source, "--out", place / name, "--work-dir", place / f"work-{name}"]
    for stop in stops:
        with pytest.raises(SliceEnded):
            command(monkeypatch, pretrain, *options, time_slice=StopsAfter(stop))
    command(monkeypatch, pretrain, *options)
    return load_file(place / name / "unet" / "diffusion_pytorch_model.safetensors")


def test_training_cached_and_streamed_killed_and_resumed(monkeypatch, place, encoded):
    index = ("--index", place / "index")
    cached = ("--latents", *encoded, "--text", *encoded, *index)
    streamed = ("--shards", place / "shards", *index)
    whole = train(monkeypatch, place, "whole", cached, True)
    again = train(monkeypatch, place, "again", cached, True, stops=(1, 5))
    assert all(np.array_equal(whole[key], again[key]) for key in whole)
    encoding = train(monkeypatch, place, "encoding", streamed, False)
    stopped = train(monkeypatch, place, "stopped", streamed, False, stops=(3,))
    assert all(np.array_equal(encoding[key], stopped[key]) for key in encoding)
    for key, value in whole.items():
        np.testing.assert_allclose(encoding[key], value, rtol=0, atol=2e-3, err_msg=key)


def test_a_missing_shard_is_one_line(monkeypatch, place, encoded, capsys):
    study = load_study(config_of(place, cache=False))
    spec = PretrainSpec.of(study, "c8", 0).model_dump_json()
    arguments = ["--spec", spec, "--index", place / "index", "--shards", place / "nowhere"]
    arguments += ["--out", place / "x", "--work-dir", place / "work-x"]
    monkeypatch.setattr("sys.argv", ["pretrain", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        run(pretrain.main)
    assert stopped.value.code == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1 and "nowhere" in errors[0]
