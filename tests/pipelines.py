"""Tiny random pipelines of diffusers' real classes, with tokenizers of their own, as folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    PNDMScheduler,
    SanaPipeline,
    SanaSprintPipeline,
    SanaTransformer2DModel,
    SCMScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Gemma2Config,
    Gemma2Model,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

WIDTH = 32
WORDS = ["a", "the", "red", "blue", "cat", "dog", "sign", "face", "of", "with", "small", "big"]


def tokenizer(length: int) -> PreTrainedTokenizerFast:
    """Whole words; longer prompts are cut, shorter ones padded."""
    vocabulary = {name: i for i, name in enumerate(["<pad>", "</s>", "<unk>", "<s>", *WORDS])}
    own = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    own.pre_tokenizer = pre_tokenizers.Whitespace()
    own.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 3), ("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=own,
        model_max_length=length,
        pad_token="<pad>",
        eos_token="</s>",
        bos_token="<s>",
        unk_token="<unk>",
    )


def _clip(kind: Any = CLIPTextModel) -> Any:
    config = CLIPTextConfig(
        vocab_size=64,
        hidden_size=WIDTH,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=16,
        projection_dim=WIDTH,
        eos_token_id=1,
        bos_token_id=3,
        pad_token_id=0,
    )
    return kind(config)


def _t5() -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(vocab_size=64, d_model=WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    )


def _vae(channels: int = 4, **more: Any) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=16,
        **more,
    )


def _unet(**more: Any) -> UNet2DConditionModel:
    settings: dict[str, Any] = {
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "sample_size": 8,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }
    return UNet2DConditionModel(**settings | more)


_BETAS: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}


def stable_diffusion() -> StableDiffusionPipeline:
    """With PNDM, as Stable Diffusion 1 has it."""
    scheduler = PNDMScheduler(skip_prk_steps=True, steps_offset=1, **_BETAS)
    return StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=_clip(),
        tokenizer=tokenizer(16),
        unet=_unet(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def consistency() -> LatentConsistencyModelPipeline:
    """A network that is told the scale."""
    return LatentConsistencyModelPipeline(
        vae=_vae(),
        text_encoder=_clip(),
        tokenizer=tokenizer(16),
        unet=_unet(time_cond_proj_dim=16),
        scheduler=LCMScheduler(**_BETAS),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl() -> StableDiffusionXLPipeline:
    """With two text encoders and the size as a condition."""
    unet = _unet(
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=WIDTH + 6 * 8,
        cross_attention_dim=2 * WIDTH,
    )
    return StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=_clip(),
        text_encoder_2=_clip(CLIPTextModelWithProjection),
        tokenizer=tokenizer(16),
        tokenizer_2=tokenizer(16),
        unet=unet,
        scheduler=EulerDiscreteScheduler(timestep_spacing="leading", steps_offset=1, **_BETAS),
    )


def stable_diffusion_3() -> StableDiffusion3Pipeline:
    """Flow matching, with three text encoders."""
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=1,
        in_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=2 * WIDTH,
        pooled_projection_dim=2 * WIDTH,
        out_channels=4,
        pos_embed_max_size=16,
    )
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(4, shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=_clip(CLIPTextModelWithProjection),
        tokenizer=tokenizer(16),
        text_encoder_2=_clip(CLIPTextModelWithProjection),
        tokenizer_2=tokenizer(16),
        text_encoder_3=None,
        tokenizer_3=None,
    )


def pixart() -> PixArtSigmaPipeline:
    """Learned variance: twice the channels come out."""
    transformer = PixArtTransformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        caption_channels=WIDTH,
        use_additional_conditions=False,
    )
    return PixArtSigmaPipeline(
        tokenizer=tokenizer(16),
        text_encoder=_t5(),
        vae=_vae(),
        transformer=transformer,
        scheduler=DPMSolverMultistepScheduler(beta_schedule="linear"),
    )


def _dc() -> AutoencoderDC:
    return AutoencoderDC(
        in_channels=3,
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        upsample_block_type="interpolate",
        downsample_block_type="stride_conv",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
        scaling_factor=0.41,
    )


def _gemma() -> Gemma2Model:
    return Gemma2Model(
        Gemma2Config(
            vocab_size=64,
            hidden_size=WIDTH,
            intermediate_size=37,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=16,
        )
    )


def _sana(**more: Any) -> SanaTransformer2DModel:
    return SanaTransformer2DModel(
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=16,
        num_cross_attention_heads=2,
        cross_attention_head_dim=16,
        cross_attention_dim=32,
        caption_channels=WIDTH,
        sample_size=8,
        **more,
    )


def sana() -> SanaPipeline:
    """Flow matching by DPM-Solver, a deep autoencoder, a language model."""
    scheduler = DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    return SanaPipeline(
        tokenizer=tokenizer(16),
        text_encoder=_gemma(),
        vae=_dc(),
        transformer=_sana(),
        scheduler=scheduler,
    )


def sana_sprint() -> SanaSprintPipeline:
    """Few steps, told the scale."""
    return SanaSprintPipeline(
        tokenizer=tokenizer(16),
        text_encoder=_gemma(),
        vae=_dc(),
        transformer=_sana(qk_norm="rms_norm_across_heads", guidance_embeds=True),
        scheduler=SCMScheduler(),
    )


def flux() -> FluxPipeline:
    """Packed latents, told the scale."""
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=_vae(4, shift_factor=0.1),
        text_encoder=_clip(),
        tokenizer=tokenizer(16),
        text_encoder_2=_t5(),
        tokenizer_2=tokenizer(16),
        transformer=transformer,
    )


MAKERS: dict[str, Callable[[], Any]] = {
    own.__name__: own
    for own in (
        stable_diffusion,
        consistency,
        stable_diffusion_xl,
        stable_diffusion_3,
        pixart,
        sana,
        sana_sprint,
        flux,
    )
}


def save(name: str, folder: Path, seed: int = 0) -> Path:
    """Write the pipeline of a name to a folder; equal seeds give equal weights."""
    torch.manual_seed(seed)
    MAKERS[name]().save_pretrained(folder)
    return folder
