"""Parameters and FLOPs of adopted pipelines, counted on their own calls, without their weights.

A pipeline is called once with a stand-in for its denoiser, which records what it is given. The real
denoiser, without weights, is then given the same. Every number comes from configurations alone, so
that a pipeline need not be downloaded if its configurations are known.
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import torch
from transformers import PreTrainedModel

from ..jobs.cli import first_line
from ..jobs.command import command
from ..jobs.tables import OF_ADOPTED
from ..jobs.workdir import write_text
from ..kinds.pipelines import WRITTEN
from ..latents.text_encoder import is_clip
from ..models.adopt import (
    Layout,
    Missing,
    component_class,
    pipeline_class,
    read_layout,
    refusal,
    scheduler_of,
)
from ..models.architectures.counting import count_flops, count_params
from ..study.adopted import AdoptedModel
from ..training.network import Network
from ..workflow.specs.costs import AdoptedSpec, CountAdoptedSpec
from .check_adopted import check_sampling, check_side
from .count_family import to_csv
from .memory import peak_bytes
from .networks import embedding_params
from .published import COLUMNS

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""of a number in each dtype of an adopted model"""


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
    dtype: str
    """what networks compute in"""
    decoded_in: str
    """what latents are decoded in"""

    def weights(self, *, text: bool) -> float:
        """Bytes of the weights that make images, and with `text` of those that encode prompts."""
        params = self.params + self.autoencoder_params + (self.text_params if text else 0)
        return BYTES[self.dtype] * params


UNKNOWN = AdoptedCosts(
    params=math.nan,
    forward=math.nan,
    decode=math.nan,
    caption=math.nan,
    text_params=math.nan,
    autoencoder_params=math.nan,
    prompt=math.nan,
    told=False,
    forward_bytes=math.nan,
    decode_bytes=math.nan,
    dtype="float32",
    decoded_in="float32",
)
"""of a model whose configurations are neither there nor known"""


def adopted_costs(model: AdoptedModel) -> AdoptedCosts:
    """What a model costs. Raises InputError if its configurations are unusable."""
    layout = read_layout(model)
    denoiser, autoencoder = (untrained(layout, name) for name in (layout.kind.denoiser, "vae"))
    recorded = record_call(layout, model, denoiser, images=1)
    args, kwargs = (placed(given, torch.device("meta")) for given in recorded.given)
    channels, side = autoencoder.config.latent_channels, recorded.latent_side
    latents = torch.empty(1, channels, side, side, device="meta")

    def forward() -> Any:
        try:
            return denoiser(*args, **kwargs)
        except ValueError as error:  # SD 3 has positions up to a side
            raise refusal(model, f"its denoiser refuses: {first_line(error)}") from None

    def decode() -> Any:
        return autoencoder.decode(latents)

    encoders = {name: untrained(layout, name) for name in encoders_of(layout)}
    return AdoptedCosts(
        params=count_params(denoiser),
        forward=count_flops(forward),
        decode=count_flops(decode),
        caption=sum(
            _caption_flops(encoder, encoder_tokens(layout, model, name, encoder))
            for name, encoder in encoders.items()
        ),
        text_params=sum(map(embedding_params, encoders.values())),
        autoencoder_params=count_params(autoencoder),
        prompt=sum(
            math.prod(shape) for shape in prompt_shapes(layout, model, denoiser.config).values()
        ),
        told=layout.told,
        forward_bytes=peak_bytes(denoiser, forward, backward=False),
        decode_bytes=peak_bytes(autoencoder, decode, backward=False),
        dtype=model.dtype,
        decoded_in=decoded_in(layout, model, autoencoder),
    )


_OPTIONAL = ("safety_checker", "feature_extractor")
"""arguments without a default, of pipelines that go without these components"""


def known_costs(model: AdoptedModel) -> AdoptedCosts:
    """What a model costs; before its download `UNKNOWN`, which it says on stderr.

    Raises InputError if its configurations are there and unusable.
    """
    try:
        return adopted_costs(model)
    except Missing as error:
        print(
            f"warning: the costs of {model.name} are left out, since it is neither downloaded nor"
            f" known ({error})",
            file=sys.stderr,
        )
        return replace(UNKNOWN, dtype=model.dtype, decoded_in=model.dtype)


def ordered(costs: dict[str, AdoptedCosts], order: str) -> dict[str, AdoptedCosts]:
    """Costs by the names of models, as adopted.order has them; unknown ones last."""
    if order == "listed":
        return costs
    key = attrgetter({"params": "params", "cost": "forward"}[order])
    return dict(sorted(costs.items(), key=lambda own: (math.isnan(key(own[1])), key(own[1]))))


def encoders_of(layout: Layout) -> list[str]:
    """Names of the components that encode prompts."""
    return [name for name in layout.components if name.startswith(WRITTEN[0])]


def decoded_in(layout: Layout, model: AdoptedModel, autoencoder: Network) -> str:
    """What a pipeline decodes latents in."""
    upcasts = layout.kind.upcasts and autoencoder.config.get("force_upcast")
    return "float32" if upcasts and model.dtype == "float16" else model.dtype


def untrained(
    layout: Layout, component: str, device: torch.device | str = "meta", dtype: str = "float32"
) -> Any:
    """A component without its weights: without any on the meta device, else with random ones."""
    kind, config = component_class(layout, component), layout.config(component)
    with torch.device(device), _default(getattr(torch, dtype)):
        if issubclass(kind, PreTrainedModel):
            own: Any = kind.config_class
            return kind(own.from_dict(config)).eval().requires_grad_(False)
        return kind.from_config(config).eval().requires_grad_(False).to(getattr(torch, dtype))


@contextmanager
def _default(dtype: torch.dtype) -> Iterator[None]:
    """Make tensors of a dtype, as libraries do that load weights of it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def assemble(layout: Layout, kind: Any, networks: dict[str, Any]) -> Any:
    """A pipeline of a class, of its saved scheduler and these components, without the others."""
    accepted = list(inspect.signature(kind.__init__).parameters)[1:]
    given: dict[str, Any] = dict.fromkeys((*layout.components, *layout.absent, *_OPTIONAL))
    given |= {"requires_safety_checker": False, "add_watermarker": False, **networks}
    solver = component_class(layout, "scheduler")
    given["scheduler"] = solver.from_config(layout.config("scheduler"))
    pipeline = kind(**{name: value for name, value in given.items() if name in accepted})
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@dataclass(frozen=True)
class Recorded:
    """What a pipeline gives its denoiser."""

    given: tuple[tuple, dict[str, Any]]
    """arguments of the first step by their places, and by their names; tensors are on the
    processor"""
    latent_side: int
    """latents a side"""
    evaluations: int
    """of each image"""


def record_call(
    layout: Layout, model: AdoptedModel, denoiser: Network, images: int, steps: int = 2
) -> Recorded:
    """A call for so many images, without guidance, of a denoiser that need not have weights.

    The pipeline's own scheduler takes the steps. Raises InputError if the pipeline refuses the
    call, or makes images of another side.
    """
    seen: list[tuple[tuple, dict[str, Any]]] = []

    def forward(*args: Any, **kwargs: Any) -> tuple[torch.Tensor]:
        seen.append((args, kwargs))
        like = next(value for value in (*args, *kwargs.values()) if torch.is_tensor(value))
        if like.ndim == 4:  # [B, C, h, w]; some also predict a variance
            like = like.new_empty(len(like), denoiser.config.out_channels, *like.shape[2:])
        return (torch.zeros_like(like),)

    # the networks are on the meta device, and what is around them on the processor
    kind = pipeline_class(layout)
    on_processor = type(kind.__name__, (kind,), {"_execution_device": torch.device("cpu")})
    networks = {"vae": untrained(layout, "vae"), layout.kind.denoiser: denoiser}
    pipeline = assemble(layout, on_processor, networks)
    pipeline.scheduler = scheduler_of(model, layout)
    check_side(model, pipeline, denoiser.config)
    vars(denoiser)["forward"] = forward
    try:
        pipeline(**_call(layout, model, pipeline, denoiser.config, images, steps))
    except (ValueError, IndexError) as error:  # the latter of PixArt-alpha in one step
        raise refusal(model, f"{layout.kind.name} refuses: {first_line(error)}") from None
    finally:
        del vars(denoiser)["forward"]
    return Recorded(seen[0], model.side // pipeline.vae_scale_factor, len(seen))


def native_evaluations(model: AdoptedModel) -> Callable[[int], int]:
    """Count the evaluations of a prompt in a number of steps of the pipeline's own scheduler.

    PNDM takes one more than there are steps, Heun nearly two a step. Raises InputError if the
    configurations are unusable, and so does the function that it returns.
    """
    layout = read_layout(model)
    denoiser = untrained(layout, layout.kind.denoiser)
    return lambda steps: record_call(layout, model, denoiser, images=1, steps=steps).evaluations


def _call(
    layout: Layout, model: AdoptedModel, pipeline: Any, config: Any, images: int, steps: int
) -> dict[str, Any]:
    kind, taken = layout.kind, inspect.signature(pipeline.__call__).parameters
    kinds = {True: torch.int64, False: torch.float32}
    given: dict[str, Any] = {
        name: torch.ones(images, *shape, dtype=kinds[name.endswith("mask")])
        for name, shape in prompt_shapes(layout, model, config).items()
        if name in taken
    }
    given |= {"height": model.side, "width": model.side, **kind.native_steps(steps)}
    given |= {"guidance_scale": 1, "output_type": "latent", **kind.call}
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


def encoder_tokens(layout: Layout, model: AdoptedModel, name: str, encoder: Network) -> int:
    """Tokens of a prompt that one of the text encoders sees."""
    if layout.kind.sequence and not is_clip(encoder.config):
        return _sequence(layout, model)
    return layout.config(name.replace(*WRITTEN))["model_max_length"]


def _caption_flops(encoder: Network, tokens: int) -> float:
    ids = torch.zeros(1, tokens, dtype=torch.long, device="meta")
    return count_flops(lambda: encoder(ids))


def placed(value: Any, device: torch.device, dtype: torch.dtype | None = None) -> Any:
    """What was recorded with its tensors on a device, their floating-point numbers in a dtype."""
    if torch.is_tensor(value):
        return value.to(device, dtype if value.is_floating_point() else None)
    if isinstance(value, dict):
        return {name: placed(own, device, dtype) for name, own in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(placed(own, device, dtype) for own in value)
    return value


def family_table(spec: AdoptedSpec) -> list[dict[str, Any]]:
    """One row a model, in the study's order: the columns of a trained family, and `OF_ADOPTED`.

    With students, one row a student instead, which has the name of its teacher. A pipeline computes
    keys and values of the text at every step: no part of a forward pass is the text's alone.
    """
    costs = {model.name: adopted_costs(model) for model in spec.models}
    reference = costs[spec.reference].forward
    costs = ordered(costs, spec.order)
    if spec.students:
        costs = {
            name: adopted_costs(spec.students[name]) for name in costs if name in spec.students
        }
    return [
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
        | dict(zip(OF_ADOPTED, (own.weights(text=True) / 1e9, own.told), strict=True))
        for name, own in costs.items()
    ]


@command
def main(
    spec: CountAdoptedSpec,
    out: Annotated[Path, "family.csv, or students.csv"],
) -> None:
    check_sampling(spec)
    write_text(out, to_csv(family_table(spec)))
