"""What one image or caption costs in each of the study's networks, counted without weights.

A network that is downloaded is built from what its authors publish of it (`HUB_AUTOENCODERS`,
`TEXT_ENCODERS`, `HUB_CLIPS`) or from its configuration, once it is downloaded. Where there is
neither, its cost is nan: unknown.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import alexnet, squeezenet1_1, vgg16
from transformers import AutoModel, CLIPTextConfig, PretrainedConfig, T5Config

from ..cells.features import extractor_module
from ..cells.metrics.perceptual import LEAST_SIDE
from ..jobs.light_imports import light_diffusers
from ..kinds.stages import BUDGET
from ..latents.autoencoder import CLASSES, build
from ..latents.text_encoder import cut, model_class, read_config
from ..latents.word_vectors import WordVectorsConfig
from ..models.architectures.counting import count_params
from ..models.denoiser import count
from ..study.hub import WORD_VECTORS, local_folder
from ..study.latents import AutoencoderNetwork, TextEncoder
from ..study.metrics import Clip
from ..study.study import Study
from ..study.superres import LPIPS_LIKE
from ..workflow.specs.costs import CountComponentsSpec, FamilySpec

with light_diffusers():
    from diffusers import AutoencoderKL

# Rombach et al. 2022, https://arxiv.org/abs/2112.10752; 83,653,863 parameters
HUB_AUTOENCODERS = {
    "stabilityai/sd-vae-ft-mse": {
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "block_out_channels": (128, 256, 512, 512),
        "layers_per_block": 2,
        "latent_channels": 4,
    }
}
# OpenCLIP's ViT-H-14,
# https://github.com/mlfoundations/open_clip: 354.03 M parameters in its text tower, a projection of
# 1024 x 1024 included that embeddings of tokens do not go through. OpenAI's ViT-L/14 is Stable
# Diffusion 1's: 123,060,480 parameters. T5 (Raffel et al. 2020, https://arxiv.org/abs/1910.10683):
# the encoder alone. Word vectors: those of spaCy's en_core_web_md, https://spacy.io/models/en
TEXT_ENCODERS: dict[str, PretrainedConfig] = {
    "laion/CLIP-ViT-H-14-laion2B-s32B-b79K": CLIPTextConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16
    ),
    "openai/clip-vit-large-patch14": CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    ),
    "google-t5/t5-small": T5Config(d_model=512, d_kv=64, d_ff=2048, num_layers=6, num_heads=8),
    "google-t5/t5-base": T5Config(d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12),
    "google-t5/t5-large": T5Config(d_model=1024, d_kv=64, d_ff=4096, num_layers=24, num_heads=16),
    "google-t5/t5-3b": T5Config(d_model=1024, d_kv=128, d_ff=16384, num_layers=24, num_heads=32),
    "google-t5/t5-11b": T5Config(d_model=1024, d_kv=128, d_ff=65536, num_layers=24, num_heads=128),
    WORD_VECTORS: WordVectorsConfig(),
}
BACKBONES = {
    LPIPS_LIKE: squeezenet1_1,
    "lpips_squeeze": squeezenet1_1,
    "lpips_alex": alexnet,
    "lpips_vgg": vgg16,
}
# by OpenCLIP's names of architectures
HUB_CLIPS = {"timm/vit_large_patch14_clip_224.openai": "ViT-L-14-quickgelu"}


@dataclass(frozen=True)
class EncoderNetworks:
    """A text encoder, and the U-Nets that attend to its embeddings."""

    caption: float
    forward: dict[str, float]
    """of the U-Net, by size"""
    params: dict[str, int]


@dataclass(frozen=True)
class Networks:
    """FLOPs (2 a multiply-add) and sizes; nan is unknown."""

    forward: dict[str, float]
    """of the U-Net, by size"""
    params: dict[str, int]
    """of the U-Net, by size"""
    encode: float
    """of an image to latents"""
    decode: float
    autoencoder_params: float
    caption: float
    features: float
    """of an image's features"""
    feature_width: int
    clip_image: float = 0
    """of an image's CLIP embedding; 0 without a CLIP model"""
    clip_caption: float = 0
    perceptual: float = 0
    """of an image in the perceptual distance of super-resolution; 0 without it"""
    pairs: dict[str, EncoderNetworks] = field(default_factory=dict)
    """of the parameter budget: what goes with each text encoder, by its stage"""


def count_networks(study: Study) -> Networks:
    """What the study's networks cost, at its image size and numbers of tokens and channels."""
    spec = FamilySpec.of(study)
    with ProcessPoolExecutor() as pool:
        clip = pool.submit(_clip_costs, study.metrics.clip)
        caption = pool.submit(caption_cost, spec)
        extractor = pool.submit(_extractor_cost, study)
        autoencoder = pool.submit(autoencoder_costs, spec)
        family = count(spec.family, spec.latent_shape, spec.text_shape, pool.map)
        budget = CountComponentsSpec.of_pairs(study).encoders if study.param_budget else {}
        pairs = dict(zip(budget, pool.map(_encoder_networks, budget.values()), strict=True))
    encode, decode, autoencoder_params = autoencoder.result()
    features, feature_width = extractor.result()
    clip_image, clip_caption = clip.result()
    return Networks(
        forward={size: gflops * 1e9 for size, (_, gflops, _) in family.items()},
        params={size: params for size, (params, _, _) in family.items()},
        encode=encode,
        decode=decode,
        autoencoder_params=autoencoder_params,
        caption=caption.result(),
        features=features,
        feature_width=feature_width,
        clip_image=clip_image,
        clip_caption=clip_caption,
        perceptual=_perceptual_cost(study),
        pairs={f"{BUDGET}{name}": counted for name, counted in pairs.items()},
    )


def _encoder_networks(spec: FamilySpec) -> EncoderNetworks:
    family = count(spec.family, spec.latent_shape, spec.text_shape)
    return EncoderNetworks(
        caption=caption_cost(spec),
        forward={size: gflops * 1e9 for size, (_, gflops, _) in family.items()},
        params={size: params for size, (params, _, _) in family.items()},
    )


def untrained_autoencoder(settings: AutoencoderNetwork, device: str = "meta") -> nn.Module | None:
    """The autoencoder without its weights, or None if its architecture is unknown here."""
    name = settings.pretrained
    with torch.device(device):
        if name is None:
            return build(settings)
        if name in HUB_AUTOENCODERS:
            return AutoencoderKL(**HUB_AUTOENCODERS[name])
        try:
            folder = local_folder(name, settings.revision)
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            return CLASSES[config["_class_name"]].from_config(config)
        except (OSError, ValueError, KeyError):
            return None


def untrained_text_encoder(settings: TextEncoder, device: str = "meta") -> nn.Module | None:
    """The text encoder without its weights, or None if its architecture is unknown here."""
    if known := TEXT_ENCODERS.get(settings.pretrained):
        config = cut(deepcopy(known), settings)
    else:
        try:
            config = read_config(settings)
        except (OSError, ValueError):
            return None
    kind = model_class(config)
    with torch.device(device):
        return AutoModel.from_config(config) if kind is AutoModel else kind(config)


def text_encoder_params(settings: TextEncoder) -> float:
    """Parameters that embeddings of tokens go through; nan is unknown.

    A BERT's pooler, which makes one embedding of the first token's, is none of them.
    """
    model = untrained_text_encoder(settings)
    if model is None:
        return math.nan
    named = model.named_parameters()
    return sum(values.numel() for name, values in named if not name.startswith("pooler."))


def _count(call: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return float(counter.get_total_flops())


def autoencoder_costs(spec: FamilySpec) -> tuple[float, float, float]:
    """FLOPs of encoding and of decoding an image, and parameters; nan is unknown."""
    model = untrained_autoencoder(spec.autoencoder)
    if model is None:
        return math.nan, math.nan, math.nan
    image = torch.empty(1, 3, spec.image_size, spec.image_size, device="meta")
    latents = torch.empty(1, *spec.latent_shape, device="meta")
    encode, decode = _count(lambda: model.encode(image)), _count(lambda: model.decode(latents))
    return encode, decode, count_params(model)


def caption_cost(spec: FamilySpec) -> float:
    """FLOPs of encoding a caption; nan is unknown."""
    model = untrained_text_encoder(spec.text_encoder)
    if model is None:
        return math.nan
    tokens = torch.zeros(1, spec.text_shape[0], dtype=torch.long, device="meta")
    return _count(lambda: model(tokens))


def _extractor_cost(study: Study) -> tuple[float, int]:
    own, side = study.metrics.extractor, study.metrics.input_size
    network = extractor_module(own).untrained()
    pixels = torch.empty(1, 3, side, side, device="meta")
    return _count(lambda: network(pixels)), network(pixels).shape[-1]


def meta_clip(clip: Clip) -> nn.Module | None:
    """The CLIP model on the meta device, or None if its architecture is unknown here."""
    import open_clip  # seconds of import that other studies need not pay

    name = HUB_CLIPS.get(clip.pretrained, f"local-dir:{clip.folder}")
    logging.disable(logging.WARNING)  # that the weights are random
    try:
        with torch.device("meta"):
            return open_clip.create_model(name, load_weights=False, device="meta").eval()
    except (OSError, ValueError):
        return None
    finally:
        logging.disable(logging.NOTSET)


def _clip_costs(clip: Clip | None) -> tuple[float, float]:
    if clip is None:
        return 0, 0
    model = meta_clip(clip)
    if model is None:
        return math.nan, math.nan
    image = torch.empty(1, 3, *model.visual.image_size, device="meta")
    tokens = torch.zeros(1, model.context_length, dtype=torch.long, device="meta")
    return _count(lambda: model.encode_image(image)), _count(lambda: model.encode_text(tokens))


def _perceptual_cost(study: Study) -> float:
    if study.superres is None:
        return 0
    build, side = BACKBONES[study.superres.perceptual], study.data.image_size
    with torch.device("meta"):
        network = build(weights=None).features.eval()
    side = max(side, LEAST_SIDE)
    return _count(lambda: network(torch.empty(1, 3, side, side, device="meta")))
