"""Frozen encoders in bfloat16, as on a GPU that has it; what measures stays float32."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import AutoencoderKL
from test_latents import save_tokenizer, small_clip
from transformers import T5Config, T5EncoderModel

from ldm_scaling.jobs.arrays import fingerprint_of, map_array, write_arrays
from ldm_scaling.latents import encode_images, encode_text
from ldm_scaling.latents.autoencoder import build, encode, load, reconstruct, save_model
from ldm_scaling.latents.text_encoder import CaptionEncoder
from ldm_scaling.study.latents import Autoencoder, TextEncoder
from ldm_scaling.training import devices
from ldm_scaling.workflow.specs.latents import EncodeImagesSpec, EncodeTextSpec

CPU = torch.device("cpu")
ROUNDING = 0.05
"""root mean square of the difference over that of the values; bfloat16 has 8 bits"""


@pytest.fixture
def bfloat16(monkeypatch):
    """A processor that computes as a GPU does."""
    monkeypatch.setattr(devices, "dtype_on", lambda device: torch.bfloat16)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 3, 16, 16), dtype=np.uint8)


def rounded(found, exact):
    """Whether values are others than these, by about what bfloat16 rounds."""
    found, exact = (np.asarray(own, dtype=np.float64) for own in (found, exact))
    return 1e-4 < np.sqrt(((found - exact) ** 2).mean()) / exact.std() < ROUNDING


def autoencoders(folder, kind):
    torch.manual_seed(0)
    if kind == "tiny":
        keys = {"downsampling": 4, "latent_channels": 4, "width": 8, "images": 1, "batch": 1}
        model = build(Autoencoder(pretrained=None, lr=1.0, **keys))
    else:
        model = AutoencoderKL(
            block_out_channels=(8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            norm_num_groups=4,
            latent_channels=4,
            scaling_factor=0.18215,
        )
    save_model(model, folder, "diffusion_pytorch_model.safetensors")
    return str(folder)


def text_encoder(folder, kind):
    save_tokenizer(folder)
    if kind == "clip":
        small_clip().save_pretrained(folder)
    else:
        torch.manual_seed(0)
        sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
        T5EncoderModel(T5Config(vocab_size=6, **sizes)).save_pretrained(folder)
    return TextEncoder(pretrained=str(folder), max_tokens=8, width=16)


@pytest.mark.parametrize("kind", ["tiny", "kl"])
def test_latents_are_float32_of_bfloat16_weights(tmp_path, images, bfloat16, kind):
    folder = autoencoders(tmp_path / "ae", kind)
    exact = encode(load(folder), images)
    model = devices.to_encode(load(folder), CPU)
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    found = encode(model, images)
    assert found.dtype == torch.float32 and rounded(found.numpy(), exact.numpy())


@pytest.mark.parametrize("kind", ["clip", "t5"])
def test_embeddings_are_float32_of_bfloat16_weights(tmp_path, bfloat16, kind):
    spec, captions = text_encoder(tmp_path, kind), ["a wolf", "wolf"]
    exact, encoder = CaptionEncoder(spec)(captions), CaptionEncoder(spec)
    assert encoder.model.dtype == torch.float32, "as metrics need it"
    encoder.to_encode(CPU)
    assert encoder.model.dtype == torch.bfloat16
    found = encoder(captions)
    assert found.dtype == torch.float32 and rounded(found.numpy(), exact.numpy())


def test_a_processor_changes_nothing(tmp_path, images):
    folder, spec = autoencoders(tmp_path / "ae", "kl"), text_encoder(tmp_path, "clip")
    moved, encoder = devices.to_encode(load(folder), CPU), CaptionEncoder(spec)
    encoder.to_encode(CPU)
    assert torch.equal(encode(moved, images), encode(load(folder), images))
    assert torch.equal(encoder(["wolf"]), CaptionEncoder(spec)(["wolf"]))


def command(monkeypatch, module, *arguments):
    monkeypatch.setattr("sys.argv", [module.__name__, *map(str, arguments)])
    module.main()


def test_a_cache_rounds_and_its_fingerprint_is_that_of_any_device(tmp_path, images, monkeypatch):
    folder, text = autoencoders(tmp_path / "ae", "tiny"), text_encoder(tmp_path, "clip")
    settings = {"autoencoder": folder, "revision": None, "downsampling": 4, "latent_channels": 4}
    latents = EncodeImagesSpec(**settings).model_dump_json()
    embeddings = EncodeTextSpec(text_encoder=text).model_dump_json()
    write_arrays(tmp_path / "images", {"images": images}, "a")
    pd.DataFrame({"caption": ["a wolf", "wolf"]}).to_csv(tmp_path / "captions", index=False)
    found = {}
    for name, dtype in (("exact", torch.float32), ("rounded", torch.bfloat16)):
        monkeypatch.setattr(devices, "dtype_on", lambda device, dtype=dtype: dtype)
        work, out = ("--work-dir", tmp_path / f"work_{name}"), tmp_path / name
        command(
            monkeypatch, encode_images, "--spec", latents, "--images", tmp_path / "images",
            "--out", f"{out}_latents", *work,
        )  # fmt: skip
        command(
            monkeypatch, encode_text, "--spec", embeddings, "--captions", tmp_path / "captions",
            "--out", f"{out}_text", *work,
        )  # fmt: skip
        found[name] = [tmp_path / f"{name}_{kind}" for kind in ("latents", "text")]
    for kind, exact, own in zip(("latents", "text"), *found.values(), strict=True):
        assert rounded(map_array(own, kind), map_array(exact, kind))
        assert fingerprint_of(own) == fingerprint_of(exact)  # a device decides no result
    assert map_array(own, "empty").dtype == np.float16


def test_reconstructions_are_measured_in_float32(tmp_path, images, bfloat16, monkeypatch):
    model = load(autoencoders(tmp_path / "ae", "tiny"))
    again = reconstruct(model, images)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    monkeypatch.undo()
    assert np.array_equal(again, reconstruct(load(str(tmp_path / "ae")), images))
