"""Pipelines of diffusers that a study may adopt, a line for each class: how their calls differ.

Everywhere else, guidance is the scale s of `weak + s (strong - weak)`, so that 1 is off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Pipeline:
    """How a class of pipelines is called. What is not said here is alike in all of them."""

    name: str
    """the class, as model_index.json has it"""
    encoded: tuple[str, ...]
    """what `encode_prompt` returns, by the names that a call gives it"""
    width: str
    """key of the denoiser's configuration with the width of embedded prompts"""
    denoiser: str = "transformer"
    """component that is evaluated at every step"""
    clip_tokens: bool = False
    """whether prompts have the tokens of the first tokenizer"""
    sequence: bool = True
    """whether they have, or have besides, those of `max_sequence_length`"""
    pooled: str | None = None
    """key of the denoiser's configuration with the width of a prompt's one vector"""
    guided: bool = True
    """whether a scale above 1 takes a second evaluation, unless the network is told the scale"""
    told: str | None = None
    """key of the denoiser's configuration that is set where the network is told the scale, so that
    an evaluation is guided by itself"""
    off: float = 1
    """the scale of its calls that is no guidance"""
    takes_noise: bool = True
    """whether a call can be given noise [B, C, h, w]; else it draws its own from the generators"""
    native_only: bool = False
    """whether its loop is made for the scheduler that it comes with"""
    upcasts: bool = False
    """whether float16 latents are decoded in float32, unless the autoencoder says force_upcast
    false"""
    intermediate: int | None = None
    """steps at which a call has a time of its own for the second; with others it takes none"""
    call: Mapping[str, Any] = field(default_factory=dict)
    """further arguments of every call: nothing may rewrite prompts or change the size"""


TEXT = ("prompt_embeds", "negative_prompt_embeds")
POOLED = (*TEXT, "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
MASKED = (
    "prompt_embeds",
    "prompt_attention_mask",
    "negative_prompt_embeds",
    "negative_prompt_attention_mask",
)
_UNET: Any = {
    "width": "cross_attention_dim",
    "denoiser": "unet",
    "clip_tokens": True,
    "sequence": False,
    "told": "time_cond_proj_dim",
}
_AS_ASKED: Any = {"use_resolution_binning": False, "clean_caption": False}
_CAPTIONS: Any = {"width": "caption_channels", "call": _AS_ASKED}
_JOINT: Any = {"width": "joint_attention_dim", "pooled": "pooled_projection_dim"}

PIPELINES = {
    own.name: own
    for own in (
        Pipeline("StableDiffusionPipeline", TEXT, **_UNET),
        Pipeline("LatentConsistencyModelPipeline", TEXT, **_UNET, guided=False, native_only=True),
        Pipeline(
            "StableDiffusionXLPipeline",
            POOLED,
            **_UNET,
            pooled="projection_class_embeddings_input_dim",  # less six embedded sizes
            upcasts=True,
        ),
        Pipeline("StableDiffusion3Pipeline", POOLED, **_JOINT, clip_tokens=True),
        Pipeline("PixArtAlphaPipeline", MASKED, **_CAPTIONS),
        Pipeline("PixArtSigmaPipeline", MASKED, **_CAPTIONS),
        Pipeline("SanaPipeline", MASKED, **_CAPTIONS),
        Pipeline(
            "SanaSprintPipeline",
            MASKED[:2],
            **_CAPTIONS,
            guided=False,
            told="guidance_embeds",
            native_only=True,
            intermediate=2,
        ),
        Pipeline(
            "FluxPipeline",
            ("prompt_embeds", "pooled_prompt_embeds"),
            **_JOINT,
            guided=False,
            told="guidance_embeds",
            takes_noise=False,
        ),
    )
}
LEFT_OUT = ("safety_checker", "watermark", "image_encoder", "feature_extractor")
"""beginnings of the names of components that change images, or that text alone does not need"""
WRITTEN = ("text_encoder", "tokenizer")
"""beginnings of the names of components that only encode captions"""
