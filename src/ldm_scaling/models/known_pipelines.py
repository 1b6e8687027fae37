"""Configurations of public pipelines, so that their cost is known before they are downloaded.

Only shapes: parameters and FLOPs follow from them, and nothing is sampled with them.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Component(NamedTuple):
    """A part of a pipeline."""

    library: str
    kind: str
    """its class"""
    config: dict[str, Any]


Components = dict[str, Component]


def _unet(**config: Any) -> Components:
    return {"unet": Component("diffusers", "UNet2DConditionModel", config)}


_BETAS: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
_EULER = {"scheduler": Component("diffusers", "EulerDiscreteScheduler", _BETAS)}
_PNDM = {  # n steps are n + 1 evaluations
    "scheduler": Component("diffusers", "PNDMScheduler", _BETAS | {"skip_prk_steps": True})
}
_KL = {  # Rombach et al. 2022, https://arxiv.org/abs/2112.10752
    "vae": Component(
        "diffusers",
        "AutoencoderKL",
        {
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "block_out_channels": (128, 256, 512, 512),
            "layers_per_block": 2,
            "latent_channels": 4,
        },
    )
}


def _clip(number: str, width: int, layers: int, heads: int, projection: bool) -> Components:
    kind = "CLIPTextModelWithProjection" if projection else "CLIPTextModel"
    config = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "projection_dim": width,
        "model_type": "clip_text_model",
    }
    return {
        f"text_encoder{number}": Component("transformers", kind, config),
        f"tokenizer{number}": Component("transformers", "CLIPTokenizer", {"model_max_length": 77}),
    }


_CLIP_L = _clip("", 768, 12, 12, False)  # of OpenAI
_BIG_G = _clip("_2", 1280, 32, 20, True)  # of OpenCLIP
_AROUND_SD1 = _PNDM | _KL | _CLIP_L
_AROUND_SDXL = _EULER | _KL | _CLIP_L | _BIG_G
_SD1: dict[str, Any] = {"sample_size": 64, "cross_attention_dim": 768}
# BK-SDM, https://arxiv.org/abs/2305.15798: one residual block a level, then no middle block, then
# three levels
_BASE = _SD1 | {"layers_per_block": 1}
_SMALL = _BASE | {"mid_block_type": None}
_TINY = _SMALL | {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3,
    "up_block_types": ("CrossAttnUpBlock2D",) * 3,
}
_SDXL: dict[str, Any] = {  # https://arxiv.org/abs/2307.01952
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
# of the next four as ComfyUI tells their weights apart, which counts transformer blocks layer by
# layer: comfy/model_detection.py in 006dd0a of https://github.com/comfyanonymous/ComfyUI
_ONE_BLOCK = {"mid_block_type": "UNetMidBlock2D"}  # a residual block alone is in the middle
_SSD_1B = _SDXL | {  # https://arxiv.org/abs/2401.02677
    **_ONE_BLOCK,
    "transformer_layers_per_block": (1, (2, 2), (4, 4)),
    "reverse_transformer_layers_per_block": ((4, 4, 10), (2, 1, 1), 1),
}
_VEGA = _SDXL | _ONE_BLOCK | {"transformer_layers_per_block": (1, 1, 2)}  # the same
# https://arxiv.org/abs/2312.04005
_KOALA_1B = _SDXL | {"layers_per_block": 1, "transformer_layers_per_block": (1, 2, 6)}
_KOALA_700M = _KOALA_1B | {"transformer_layers_per_block": (1, 2, 5), "mid_block_type": None}
_GEMMA = {  # of Google, https://arxiv.org/abs/2408.00118
    "text_encoder": Component(
        "transformers",
        "Gemma2Model",
        {
            "hidden_size": 2304,
            "intermediate_size": 9216,
            "num_hidden_layers": 26,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 256,
            "vocab_size": 256000,
            "model_type": "gemma2",
        },
    ),
    "tokenizer": Component("transformers", "GemmaTokenizer", {"model_max_length": 300}),
}
_DC = {"vae": Component("diffusers", "AutoencoderDC", {"upsample_block_type": "interpolate"})}
_FLOW = {
    "scheduler": Component(
        "diffusers",
        "DPMSolverMultistepScheduler",
        {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0},
    )
}


_TRIGFLOW = {"scheduler": Component("diffusers", "SCMScheduler", {})}


def _sana(**config: Any) -> Components:  # https://arxiv.org/abs/2410.10629
    transformer = Component("diffusers", "SanaTransformer2DModel", config)
    return {"transformer": transformer} | _GEMMA | _DC | _FLOW


_SANA_600M: dict[str, Any] = {
    "num_layers": 28,
    "num_attention_heads": 36,
    "num_cross_attention_heads": 16,
    "cross_attention_head_dim": 72,
    "cross_attention_dim": 1152,
}
_NORMED = {"qk_norm": "rms_norm_across_heads"}
_SANA_4800M: dict[str, Any] = {"num_layers": 60} | _NORMED
_SPRINT: dict[str, Any] = {"guidance_embeds": True, "sample_size": 32} | _NORMED
_SD, _XL = "StableDiffusionPipeline", "StableDiffusionXLPipeline"
_SANA, _SANA_SPRINT = "SanaPipeline", "SanaSprintPipeline"
_OF_SANA = "Efficient-Large-Model"

KNOWN: dict[str, tuple[str, Components]] = {
    "CompVis/stable-diffusion-v1-4": (_SD, _unet(**_SD1) | _AROUND_SD1),
    "nota-ai/bk-sdm-base": (_SD, _unet(**_BASE) | _AROUND_SD1),
    "nota-ai/bk-sdm-small": (_SD, _unet(**_SMALL) | _AROUND_SD1),
    "nota-ai/bk-sdm-tiny": (_SD, _unet(**_TINY) | _AROUND_SD1),
    "stabilityai/stable-diffusion-xl-base-1.0": (_XL, _unet(**_SDXL) | _AROUND_SDXL),
    "segmind/SSD-1B": (_XL, _unet(**_SSD_1B) | _AROUND_SDXL),
    "segmind/Segmind-Vega": (_XL, _unet(**_VEGA) | _AROUND_SDXL),
    "etri-vilab/koala-1b": (_XL, _unet(**_KOALA_1B) | _AROUND_SDXL),
    "etri-vilab/koala-700m": (_XL, _unet(**_KOALA_700M) | _AROUND_SDXL),
    f"{_OF_SANA}/Sana_600M_512px_diffusers": (_SANA, _sana(sample_size=16, **_SANA_600M)),
    f"{_OF_SANA}/Sana_600M_1024px_diffusers": (_SANA, _sana(sample_size=32, **_SANA_600M)),
    f"{_OF_SANA}/Sana_1600M_512px_diffusers": (_SANA, _sana(sample_size=16)),
    f"{_OF_SANA}/Sana_1600M_1024px_diffusers": (_SANA, _sana(sample_size=32)),
    f"{_OF_SANA}/SANA1.5_4.8B_1024px_diffusers": (_SANA, _sana(sample_size=32, **_SANA_4800M)),
    f"{_OF_SANA}/Sana_Sprint_0.6B_1024px_diffusers": (  # https://arxiv.org/abs/2503.09641
        _SANA_SPRINT,
        _sana(**_SANA_600M, **_SPRINT) | _TRIGFLOW,
    ),
    f"{_OF_SANA}/Sana_Sprint_1.6B_1024px_diffusers": (_SANA_SPRINT, _sana(**_SPRINT) | _TRIGFLOW),
}
"""class and components of pipelines by their hub ids"""
