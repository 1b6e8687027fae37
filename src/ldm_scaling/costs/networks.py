"""What one image or caption costs in each of the study's networks, counted without weights.

A network that is downloaded is built from what its authors publish of it (`HUB_AUTOENCODERS`,
`TEXT_ENCODERS`) or from its configuration, once it is downloaded. Where there is
neither, its cost is nan: unknown.
"""

from __future__ import annotations

import json
import math
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torchvision.models import alexnet, squeezenet1_1, vgg16
from transformers import AutoModel, CLIPTextConfig, PretrainedConfig, T5Config

from ..cells.metrics.perceptual import LEAST_SIDE
from ..kinds.stages import BUDGET, is_budget
from ..latents.autoencoder import CLASSES, build
from ..latents.text_encoder import cut, model_class, read_config
from ..latents.word_vectors import WordVectorsConfig
from ..models.architectures.counting import count_flops, count_params
from ..models.denoiser import count
from ..study.hub import WORD_VECTORS, local_folder
from ..study.latents import AutoencoderNetwork, TextEncoder
from ..study.superres import LPIPS_LIKE
from ..workflow.specs.costs import FamilySpec
from ..workflow.specs.measuring import FeaturesSpec
from .memory import Activations, activations_of, peak_bytes
from .seen import Seeing, count_seeing

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


@dataclass(frozen=True)
class UNets:
    """The U-Nets of a family by size, and the text encoder whose embeddings they attend to."""

    forward: dict[str, float]
    """FLOPs of a forward pass of an image"""
    params: dict[str, int]
    caption: float
    """FLOPs of encoding a caption"""
    text_params: float
    """of the text encoder"""


@dataclass(frozen=True)
class Networks:
    """FLOPs (2 a multiply-add) and sizes; nan is unknown."""

    own: UNets
    pairs: dict[str, UNets]
    """of the parameter budget, by the name of the text encoder"""
    encode: float
    """of an image to latents"""
    decode: float
    autoencoder_params: float
    activations: Activations
    """of U-Nets"""
    encode_bytes: float
    """activations of an image"""
    decode_bytes: float
    seen: Seeing
    """what images are measured with"""
    perceptual: float = 0
    """of an image in the perceptual distance of super-resolution; 0 without it"""

    def of(self, stage: str) -> UNets:
        """Those of a stage: of the parameter budget by their text encoder, else the study's."""
        return self.pairs[stage.removeprefix(BUDGET)] if is_budget(stage) else self.own


def count_networks(
    own: FamilySpec,
    pairs: dict[str, FamilySpec],
    features: FeaturesSpec,
    perceptual: str | None = None,
) -> Networks:
    """What a study's networks cost; `perceptual` names the distance of super-resolution."""
    with ProcessPoolExecutor() as pool:
        seen = pool.submit(count_seeing, features)
        activations = pool.submit(activations_of, own)
        autoencoder = pool.submit(_autoencoder, own)
        specs = (own, *pairs.values())
        texts = [pool.submit(_text_encoder, spec) for spec in specs]
        sizes = dict.fromkeys(size for spec in specs for size in spec.family.sizes)
        every = own.family.model_copy(update={"sizes": list(sizes)})
        counts = count(every, own.latent_shape, own.text_shape, pool.map)
    (encode, decode, params), encode_bytes, decode_bytes = autoencoder.result()
    unets = [
        _attending(counts, own.text_shape, spec.text_shape[1], *text.result())
        for spec, text in zip(specs, texts, strict=True)
    ]
    return Networks(
        own=unets[0],
        pairs=dict(zip(pairs, unets[1:], strict=True)),
        encode=encode,
        decode=decode,
        autoencoder_params=params,
        activations=activations.result(),
        encode_bytes=encode_bytes,
        decode_bytes=decode_bytes,
        seen=seen.result(),
        perceptual=_perceptual_cost(perceptual, own.image_size),
    )


def count_measuring(features: FeaturesSpec) -> Networks:
    """What images are measured with, of a study that adopts its models; all else is nan."""
    unknown = math.nan
    return Networks(
        own=UNets({}, {}, unknown, unknown),
        pairs={},
        encode=unknown,
        decode=unknown,
        autoencoder_params=unknown,
        activations=Activations(unknown, unknown, unknown),
        encode_bytes=unknown,
        decode_bytes=unknown,
        seen=count_seeing(features),
    )


def _attending(
    counts: dict[str, tuple[int, float, float]],
    text_shape: tuple[int, int],
    width: int,
    caption: float,
    text_params: float,
) -> UNets:
    """U-Nets that attend to embeddings of another width, from counts for those of `text_shape`.

    Only the projections of the text differ: their weights and FLOPs are proportional to the width.
    """
    tokens, own_width = text_shape
    more = width / own_width - 1
    return UNets(
        forward={name: (gflops + more * text) * 1e9 for name, (_, gflops, text) in counts.items()},
        params={
            name: round(params + more * text * 1e9 / (2 * tokens))
            for name, (params, _, text) in counts.items()
        },
        caption=caption,
        text_params=text_params,
    )


def _text_encoder(spec: FamilySpec) -> tuple[float, float]:
    return caption_cost(spec), text_encoder_params(spec.text_encoder)


def _autoencoder(spec: FamilySpec) -> tuple[tuple[float, float, float], float, float]:
    costs, model = autoencoder_costs(spec), untrained_autoencoder(spec.autoencoder)
    if model is None:
        return costs, math.nan, math.nan
    image, latents = _inputs(spec)
    encode = peak_bytes(model, lambda: model.encode(image), backward=False)
    return costs, encode, peak_bytes(model, lambda: model.decode(latents), backward=False)


def _inputs(spec: FamilySpec) -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.empty(1, 3, spec.image_size, spec.image_size, device="meta")
    return image, torch.empty(1, *spec.latent_shape, device="meta")


def untrained_autoencoder(settings: AutoencoderNetwork, device: str = "meta") -> Any:
    """The autoencoder without its weights, or None if its architecture is unknown here."""
    name = settings.pretrained
    with torch.device(device):
        if name is None:
            return build(settings)
        if name in HUB_AUTOENCODERS:
            return CLASSES["AutoencoderKL"](**HUB_AUTOENCODERS[name])
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
    """Parameters that embeddings of tokens go through; nan is unknown."""
    model = untrained_text_encoder(settings)
    return math.nan if model is None else embedding_params(model)


def embedding_params(encoder: nn.Module) -> int:
    """Parameters of a text encoder that embeddings of tokens go through.

    A BERT's pooler, which makes one embedding of the first token's, is none of them.
    """
    named = encoder.named_parameters()
    return sum(values.numel() for name, values in named if not name.startswith("pooler."))


def autoencoder_costs(spec: FamilySpec) -> tuple[float, float, float]:
    """FLOPs of encoding and of decoding an image, and parameters; nan is unknown."""
    model = untrained_autoencoder(spec.autoencoder)
    if model is None:
        return math.nan, math.nan, math.nan
    image, latents = _inputs(spec)
    encode, decode = (
        count_flops(lambda: model.encode(image)),
        count_flops(lambda: model.decode(latents)),
    )
    return encode, decode, count_params(model)


def caption_cost(spec: FamilySpec) -> float:
    """FLOPs of encoding a caption; nan is unknown."""
    model = untrained_text_encoder(spec.text_encoder)
    if model is None:
        return math.nan
    tokens = torch.zeros(1, spec.text_shape[0], dtype=torch.long, device="meta")
    return count_flops(lambda: model(tokens))


def _perceptual_cost(name: str | None, side: int) -> float:
    if name is None:
        return 0
    with torch.device("meta"):
        network = BACKBONES[name](weights=None).features.eval()
    side = max(side, LEAST_SIDE)
    return count_flops(lambda: network(torch.empty(1, 3, side, side, device="meta")))
