"""Autoencoder and text encoder: scale, loaders, and agreement with the libraries' own calls."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from transformers import (
    BertConfig,
    BertModel,
    CLIPTextConfig,
    CLIPTextModel,
    T5Config,
    T5EncoderModel,
    T5Model,
)

from ldm_scaling.jobs.cli import InputError
from ldm_scaling.latents.autoencoder import (
    build,
    decode,
    encode,
    latent_scale,
    load,
    psnr,
    reconstruct,
    save_model,
    to_uint8,
)
from ldm_scaling.latents.text_encoder import CaptionEncoder
from ldm_scaling.study.latents import Autoencoder, TextEncoder

SETTINGS = Autoencoder(
    pretrained=None, downsampling=4, latent_channels=4, width=8, images=1, batch=1, lr=1.0
)
WEIGHTS = "diffusion_pytorch_model.safetensors"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 90868376\n"


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 3, 16, 16), dtype=np.uint8)


def test_latents_have_unit_scale_and_decode_undoes_the_scale(images, tmp_path):
    torch.manual_seed(0)
    model = build(SETTINGS).eval()
    plain = to_uint8(decode(model, encode(model, images)))
    model.register_to_config(scaling_factor=latent_scale(model, images))
    assert encode(model, images).std().item() == pytest.approx(1, rel=1e-4)
    assert np.abs(to_uint8(decode(model, encode(model, images))).astype(int) - plain).max() <= 1
    save_model(model, tmp_path / "ae", WEIGHTS)
    loaded = load(str(tmp_path / "ae"))
    assert torch.equal(encode(loaded, images), encode(model, images))
    assert np.array_equal(reconstruct(loaded, images, batch=7), reconstruct(model, images))


def test_a_kl_autoencoder_of_stable_diffusion_loads(images, tmp_path):
    torch.manual_seed(0)
    small = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
        scaling_factor=0.18215,
    )
    small.save_pretrained(tmp_path)
    pixels = torch.from_numpy(images).float() / 127.5 - 1
    expected = small.encode(pixels).latent_dist.mode() * 0.18215
    torch.testing.assert_close(encode(load(str(tmp_path)), images), expected)


def test_psnr_by_its_definition(images):
    other = images.copy()
    other[:, :, 0, 0] = np.where(images[:, :, 0, 0] > 127, 0, 255)
    error = np.mean((images[0].astype(float) - other[0]) ** 2)
    one = 10 * np.log10(255**2 / error)
    assert psnr(images[:1], other[:1]) == pytest.approx(one)


@pytest.mark.parametrize("name", ["nowhere", "text", "unet"])
def test_what_is_no_autoencoder_is_named(tmp_path, name):
    folder = tmp_path / name
    if name == "text":
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    if name == "unet":
        folder.mkdir()
        (folder / "config.json").write_text('{"_class_name": "UNet2DModel"}')
    with pytest.raises(InputError, match=r"latents\.autoencoder") as error:
        load(str(folder))
    assert "\n" not in str(error.value)


def test_text_does_not_depend_on_the_batch_and_padding_is_masked():
    encoder = CaptionEncoder(TextEncoder(pretrained="minilm-l6", max_tokens=10, width=384))
    captions = ["wolf", "a much longer caption about a wolf that is cut"]
    both = encoder(captions)
    assert both.shape == (2, 10, 384)
    torch.testing.assert_close(encoder(captions[:1])[0], both[0], rtol=0, atol=1e-4)
    short = CaptionEncoder(TextEncoder(pretrained="minilm-l6", max_tokens=4, width=384))
    # [CLS] wolf [SEP] must not see the padding that follows
    torch.testing.assert_close(short(["wolf"])[0, :3], both[0, :3], rtol=0, atol=1e-4)


def test_a_sentence_is_the_mean_of_its_own_tokens():
    encoder = CaptionEncoder(TextEncoder(pretrained="minilm-l6", max_tokens=10, width=384))
    wolf = encoder(["wolf"])[0]
    assert len(encoder.tokenizer("wolf")["input_ids"]) == 3  # [CLS] wolf [SEP]
    both = encoder.sentences(["wolf", "a much longer caption about a wolf that is cut"])
    torch.testing.assert_close(both[0], wolf[:3].mean(dim=0), rtol=0, atol=1e-4)
    longer = CaptionEncoder(TextEncoder(pretrained="minilm-l6", max_tokens=16, width=384))
    torch.testing.assert_close(longer.sentences(["wolf"])[0], both[0], rtol=0, atol=1e-4)


def save_tokenizer(folder):
    """A tokenizer of a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {w: i for i, w in enumerate(["<pad>", "<s>", "</s>", "<unk>", "a", "wolf"])}
    raw = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def small_clip():
    torch.manual_seed(0)
    config = CLIPTextConfig(
        vocab_size=6,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=8,
        eos_token_id=2,
    )
    return CLIPTextModel(config).eval()


def test_a_clip_text_model_is_read_as_diffusers_reads_it(tmp_path):
    model, tokenizer = small_clip(), save_tokenizer(tmp_path)
    model.save_pretrained(tmp_path)
    encoder = CaptionEncoder(TextEncoder(pretrained=str(tmp_path), max_tokens=8, width=16))
    tokens = tokenizer(["a wolf"], padding="max_length", max_length=8, return_tensors="pt")
    torch.testing.assert_close(encoder(["a wolf"]), model(tokens.input_ids).last_hidden_state)
    assert encoder.is_clip


def small_t5():
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=6, d_model=16, d_kv=8, d_ff=32, num_layers=3, num_heads=2, dropout_rate=0.0
    )
    return T5Model(config).eval()


def test_of_t5_the_encoder_is_read_and_its_padding_masked(tmp_path):
    model, tokenizer = small_t5(), save_tokenizer(tmp_path)
    model.save_pretrained(tmp_path)  # with the decoder, as it is published
    encoder = CaptionEncoder(TextEncoder(pretrained=str(tmp_path), max_tokens=8, width=16))
    assert not encoder.is_clip
    tokens = tokenizer(["a wolf"], padding="max_length", max_length=8, return_tensors="pt")
    expected = model.encoder(tokens.input_ids, attention_mask=tokens.attention_mask)
    torch.testing.assert_close(encoder(["a wolf"]), expected.last_hidden_state)
    alone = tokenizer(["a wolf"], return_tensors="pt").input_ids
    own = model.encoder(alone).last_hidden_state
    torch.testing.assert_close(encoder(["a wolf"])[:, : alone.shape[1]], own)


@pytest.mark.parametrize(("make", "layers"), [(small_clip, 2), (small_t5, 3)])
def test_a_cut_encoder_has_the_first_layers(make, layers, tmp_path, capfd):
    model, tokenizer = make(), save_tokenizer(tmp_path)
    model.save_pretrained(tmp_path)
    settings = {"pretrained": str(tmp_path), "max_tokens": 8, "width": 16}
    encoder = CaptionEncoder(TextEncoder(**settings, layers=1))
    stack = model.encoder.block if make is small_t5 else model.encoder.layers
    del stack[1:]
    tokens = tokenizer(["a wolf"], padding="max_length", max_length=8, return_tensors="pt")
    mask = tokens.attention_mask if make is small_t5 else None
    whole = model.encoder if make is small_t5 else model
    expected = whole(tokens.input_ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(encoder(["a wolf"]), expected)
    assert "UNEXPECTED" not in "".join(capfd.readouterr())  # the layers that are left out
    with pytest.raises(
        InputError, match=rf": has {layers} layers; set layers: {layers} or fewer, not 9"
    ):
        CaptionEncoder(TextEncoder(**settings, layers=9))


def test_without_layers_words_do_not_know_each_other():
    words = TextEncoder(pretrained="minilm-l6", max_tokens=8, width=384, layers=0)
    encoder = CaptionEncoder(words)
    wolf, sheep = encoder(["wolf meets dog", "sheep meets dog"])
    torch.testing.assert_close(wolf[2:], sheep[2:])  # after [CLS] and the first word
    assert not torch.allclose(wolf[1], sheep[1])


def test_a_text_encoder_of_another_width_is_one_line(tmp_path):
    save_tokenizer(tmp_path)
    small_clip().save_pretrained(tmp_path)
    with pytest.raises(InputError) as error:
        CaptionEncoder(TextEncoder(pretrained=str(tmp_path), max_tokens=8, width=24))
    message = f"text encoder {tmp_path}: makes embeddings 16 wide, not 24; set width: 16"
    assert str(error.value) == message


def test_a_missing_text_encoder_is_named():
    with pytest.raises(InputError) as caught:
        CaptionEncoder(TextEncoder(pretrained="some/where", max_tokens=8, width=16))
    assert str(caught.value) == (
        "text encoder some/where: no such folder; for a hub id, set its revision to a commit"
    )


@pytest.mark.parametrize("kind", [BertModel, T5EncoderModel])
def test_a_text_encoder_without_its_tokenizer_is_refused(kind, tmp_path):
    sizes = {"vocab_size": 99, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    if kind is BertModel:
        BertModel(BertConfig(**sizes, intermediate_size=16)).save_pretrained(tmp_path)
    else:
        small_t5().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"has no tokenizer, which is .* or ") as caught:
        CaptionEncoder(TextEncoder(pretrained=str(tmp_path), max_tokens=8, width=16))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("content", [POINTER, b"\x10\0\0\0\0\0\0\0{", b""])
def test_weights_that_are_not_there_are_one_line(content, tmp_path):
    save_tokenizer(tmp_path)
    small_clip().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError) as caught:
        CaptionEncoder(TextEncoder(pretrained=str(tmp_path), max_tokens=8, width=16))
    says = (
        "pointer of Git LFS"
        if content == POINTER
        else "not a text model that transformers can load"
    )
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [POINTER, b"\x10\0\0\0\0\0\0\0{", b""])
def test_an_autoencoders_weights_that_are_not_there_are_one_line(content, tmp_path):
    save_model(build(SETTINGS), tmp_path, WEIGHTS)
    (tmp_path / WEIGHTS).write_bytes(content)
    with pytest.raises(InputError) as caught:
        load(str(tmp_path))
    says = "pointer of Git LFS" if content == POINTER else "no autoencoder that diffusers can load"
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_whole_pipeline_is_told_which_folder_to_name(tmp_path):
    (tmp_path / "model_index.json").write_text("{}")
    for part in ("vae", "text_encoder"):
        (tmp_path / part).mkdir()
    with pytest.raises(InputError, match=rf"whole pipeline; name {tmp_path / 'vae'}$"):
        load(str(tmp_path))
    with pytest.raises(InputError, match=rf"whole pipeline; name {tmp_path / 'text_encoder'}$"):
        CaptionEncoder(TextEncoder(pretrained=str(tmp_path), max_tokens=8, width=16))


def test_an_autoencoder_may_have_its_weights_as_bin(tmp_path, images):
    torch.manual_seed(0)
    model = build(SETTINGS).eval()
    model.save_pretrained(tmp_path, safe_serialization=False)
    assert (tmp_path / "diffusion_pytorch_model.bin").exists()
    assert torch.equal(encode(load(str(tmp_path)), images), encode(model, images))
