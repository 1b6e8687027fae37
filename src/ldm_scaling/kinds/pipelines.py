"""Pipelines of diffusers that a study may adopt, one line each: how their calls differ.

Everywhere else, guidance is the scale s of `weak + s (strong - weak)`, so that 1 is off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Pipeline:
    """How a class of pipelines is called; only what differs between classes."""

    name: str
    """the class, as model_index.json has it"""
    encoded: tuple[str, ...]
    """names of what `encode_prompt` returns, as arguments of a call"""
    width: str
    """key of the denoiser's configuration with the width of embedded prompts"""
    denoiser: str = "transformer"
    """component that is evaluated at every step"""
    clip_tokens: bool = False
    """whether an embedded prompt has as many tokens as the first tokenizer's maximum"""
    sequence: bool = True
    """whether an embedded prompt has `max_sequence_length` tokens, beside those of `clip_tokens`"""
    pooled: str | None = None
    """key of the denoiser's configuration with the width of a prompt's pooled vector"""
    guided: bool = True
    """whether a scale above 1 costs a second evaluation, unless the scale is an input (`told`)"""
    told: str | None = None
    """key of the denoiser's configuration; if it is set there, the scale is an input of the network
    and one evaluation is guided"""
    takes_noise: bool = True
    """whether a call accepts noise [B, C, h, w]; otherwise it draws noise from the generators"""
    native_only: bool = False
    """whether its loop works with its own scheduler only"""
    upcasts: bool = False
    """whether float16 latents are decoded in float32, unless the autoencoder says force_upcast
    false"""
    halves: bool = True
    """whether float16 weights give images"""
    intermediate: int | None = None
    """the only number of steps for which a call sets an intermediate time"""
    call: Mapping[str, Any] = field(default_factory=dict)
    """further arguments of every call, so that it changes neither prompts nor sizes"""

    def native_steps(self, steps: int) -> dict[str, Any]:
        """Arguments of a call that takes so many steps of the pipeline's own scheduler."""
        other = self.intermediate not in (None, steps)
        told: dict[str, Any] = {"intermediate_timesteps": None} if other else {}
        return told | {"num_inference_steps": steps}


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
        Pipeline("SanaPipeline", MASKED, **_CAPTIONS, halves=False),
        Pipeline(
            "SanaSprintPipeline",
            MASKED[:2],
            **_CAPTIONS,
            guided=False,
            told="guidance_embeds",
            native_only=True,
            halves=False,
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
"""prefixes of components that change finished images, or that text-to-image does not need"""
SWITCHED_OFF = {
    "add_watermarker": "watermarker",
    "complex_human_instruction": "rewriting of prompts",
    "clean_caption": "cleaning of captions",
    "use_resolution_binning": "rounding of sizes to those of a list",
}
"""what some classes do unless it is switched off, as it is here, by the argument that does it"""
WRITTEN = ("text_encoder", "tokenizer")
"""prefixes of components that only encode captions"""
