"""Parameters and FLOPs of adopted pipelines, counted on their own calls, without their weights.

A pipeline is called once with a stand-in for its denoiser, which records what it is given. The real
denoiser, without weights, is then given the same. Every number comes from configurations alone, so
that a pipeline need not be downloaded if its configurations are known.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from transformers import PreTrainedModel

from ..jobs.command import command
from ..jobs.workdir import write_text
from ..kinds.pipelines import WRITTEN
from ..latents.text_encoder import is_clip
from ..models.adopt import Layout, component_class, pipeline_class, read_layout
from ..models.architectures.counting import count_flops, count_params
from ..study.adopted import AdoptedModel
from ..training.network import Network
from ..workflow.specs.costs import AdoptedSpec
from .count_family import to_csv
from .memory import peak_bytes
from .published import COLUMNS


@dataclass(frozen=True)
class AdoptedCosts:
    """What one image of a model costs, in float32 where it is of bytes."""

    params: float
    """of what denoises, without buffers"""
    forward: float
    """FLOPs of a forward pass"""
    decode: float
    """FLOPs of decoding an image"""
    caption: float
    """FLOPs of encoding a prompt"""
    text_params: float
    autoencoder_params: float
    prompt: float
    """numbers of an encoded prompt and of what guidance leads away from"""
    told: bool
    """whether the network is told the guidance scale"""
    forward_bytes: float
    """activations of a forward pass"""
    decode_bytes: float
    """activations of decoding"""


def adopted_costs(model: AdoptedModel) -> AdoptedCosts:
    """What a model costs. Raises InputError if its configurations are unusable."""
    layout = read_layout(model)
    denoiser, autoencoder = (_untrained(layout, name) for name in (layout.kind.denoiser, "vae"))
    args, kwargs, scale = _recorded(layout, model, denoiser)
    side, channels = model.side // scale, autoencoder.config.latent_channels
    latents = torch.empty(1, channels, side, side, device="meta")

    def forward() -> Any:
        return type(denoiser).forward(denoiser, *args, **kwargs)

    def decode() -> Any:
        return autoencoder.decode(latents)

    encoders = {name: _untrained(layout, name) for name in _encoders(layout)}
    return AdoptedCosts(
        params=count_params(denoiser),
        forward=count_flops(forward),
        decode=count_flops(decode),
        caption=sum(_caption_flops(layout, model, *named) for named in encoders.items()),
        text_params=sum(map(count_params, encoders.values())),
        autoencoder_params=count_params(autoencoder),
        prompt=sum(
            math.prod(shape) for shape in prompt_shapes(layout, model, denoiser.config).values()
        ),
        told=layout.told,
        forward_bytes=peak_bytes(denoiser, forward, backward=False),
        decode_bytes=peak_bytes(autoencoder, decode, backward=False),
    )


_OPTIONAL = ("safety_checker", "feature_extractor")
"""arguments without a default, of pipelines that go without these components"""


def _encoders(layout: Layout) -> list[str]:
    return [name for name in layout.components if name.startswith(WRITTEN[0])]


def _untrained(layout: Layout, component: str) -> Any:
    """A component without its weights."""
    kind, config = component_class(layout, component), layout.config(component)
    with torch.device("meta"):
        if issubclass(kind, PreTrainedModel):
            own: Any = kind.config_class
            return kind(own.from_dict(config)).eval()
        return kind.from_config(config).eval()


def _recorded(
    layout: Layout, model: AdoptedModel, denoiser: Network
) -> tuple[tuple, dict[str, Any], int]:
    """What a call gives its denoiser for one image, on the meta device; pixels a latent, a side."""
    seen: list[tuple[tuple, dict[str, Any]]] = []

    def forward(*args: Any, **kwargs: Any) -> tuple[torch.Tensor]:
        seen.append((args, kwargs))
        like = next(value for value in (*args, *kwargs.values()) if torch.is_tensor(value))
        if like.ndim == 4:  # [B, C, h, w]; some also predict a variance
            like = like.new_empty(len(like), denoiser.config.out_channels, *like.shape[2:])
        return (torch.zeros_like(like),)

    kind = pipeline_class(layout)
    accepted = list(inspect.signature(kind.__init__).parameters)[1:]
    given: dict[str, Any] = dict.fromkeys((*layout.components, *layout.absent, *_OPTIONAL))
    given |= {"requires_safety_checker": False, "add_watermarker": False}
    given |= {"vae": _untrained(layout, "vae"), layout.kind.denoiser: denoiser}
    given["scheduler"] = component_class(layout, "scheduler").from_config(
        layout.config("scheduler")
    )
    # the networks are on the meta device, and what is around them on the processor
    on_processor = type(kind.__name__, (kind,), {"_execution_device": torch.device("cpu")})
    pipeline = on_processor(**{name: value for name, value in given.items() if name in accepted})
    pipeline.set_progress_bar_config(disable=True)
    vars(denoiser)["forward"] = forward
    try:
        pipeline(**_call(layout, model, pipeline, denoiser.config))
    finally:
        del vars(denoiser)["forward"]
    args, kwargs = (_on_meta(part) for part in seen[0])
    return args, kwargs, pipeline.vae_scale_factor


def _call(layout: Layout, model: AdoptedModel, pipeline: Any, config: Any) -> dict[str, Any]:
    kind, taken = layout.kind, inspect.signature(pipeline.__call__).parameters
    given: dict[str, Any] = {
        name: torch.ones(1, *shape, dtype=torch.int64 if name.endswith("mask") else torch.float32)
        for name, shape in prompt_shapes(layout, model, config).items()
        if name in taken
    }
    given |= {"height": model.side, "width": model.side, "num_inference_steps": 2}
    given |= {"guidance_scale": kind.off, "output_type": "latent", **kind.call}
    return given | ({"negative_prompt": None} if "negative_prompt" in taken else {})


def prompt_shapes(layout: Layout, model: AdoptedModel, config: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of what a prompt is encoded to, by name, for a denoiser of this configuration."""
    kind, tokens = layout.kind, _tokens(layout, model)
    shapes: dict[str, tuple[int, ...]] = {
        name: (tokens,) if name.endswith("mask") else (tokens, config[kind.width])
        for name in kind.encoded
    }
    if kind.pooled:
        sizes = 6 * (config.get("addition_time_embed_dim") or 0)  # of SDXL, in the same vector
        width = config[kind.pooled] - sizes
        shapes |= {name: (width,) for name in kind.encoded if "pooled" in name}
    return shapes


def _tokens(layout: Layout, model: AdoptedModel) -> int:
    """Tokens of an embedded prompt."""
    clip = layout.config("tokenizer")["model_max_length"] if layout.kind.clip_tokens else 0
    return clip + (_sequence(layout, model) if layout.kind.sequence else 0)


def _sequence(layout: Layout, model: AdoptedModel) -> int:
    """Tokens that a text encoder other than CLIP's sees."""
    own = inspect.signature(pipeline_class(layout).encode_prompt).parameters
    return model.max_sequence_length or own["max_sequence_length"].default


def _caption_flops(layout: Layout, model: AdoptedModel, name: str, encoder: Any) -> float:
    if layout.kind.sequence and not is_clip(encoder.config):
        tokens = _sequence(layout, model)
    else:
        tokenizer = name.replace(*WRITTEN)
        tokens = layout.config(tokenizer)["model_max_length"]
    ids = torch.zeros(1, tokens, dtype=torch.long, device="meta")
    return count_flops(lambda: encoder(ids))


def _on_meta(value: Any) -> Any:
    if torch.is_tensor(value):
        return value.to("meta")
    if isinstance(value, dict):
        return {name: _on_meta(own) for name, own in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_on_meta(own) for own in value)
    return value


def family_table(spec: AdoptedSpec) -> list[dict[str, Any]]:
    """One row a model, in the study's order, with the columns of a trained family.

    A pipeline computes keys and values of the text at every step, so that no part of a forward pass
    is the text's alone.
    """
    costs = {model.name: adopted_costs(model) for model in spec.models}
    reference = costs[spec.reference].forward
    rows = [
        {
            "size": name,
            "channels": None,
            "params": own.params,
            "gflops": own.forward / 1e9,
            "normalized_cost": own.forward / reference,
            "text_gflops": 0.0,
            "decoder_gflops": own.decode / 1e9,
            "caption_gflops": own.caption / 1e9,
        }
        | dict.fromkeys(COLUMNS)  # the paper has none of them
        for name, own in costs.items()
    ]
    key = {"params": "params", "cost": "gflops"}.get(spec.order)
    return sorted(rows, key=lambda row: row[key]) if key else rows


@command
def main(
    spec: AdoptedSpec,
    out: Annotated[Path, "family.csv"],
) -> None:
    write_text(out, to_csv(family_table(spec)))
