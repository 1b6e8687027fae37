"""What jobs of adopted models cost, and what a plan says of the models; see `prices`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial

from ..costs.count_adopted import BYTES, AdoptedCosts, known_costs, native_evaluations
from ..diffusion.sampling import network_evaluations
from ..kinds.samplers import NATIVE
from ..study.adopted import AdoptedModel
from ..study.figures import SHEET_IMAGES
from ..study.hub import hub_id, marker
from ..workflow.specs.cells import IllustrateSpec, SweepSpec
from ..workflow.specs.costs import CountAdoptedSpec
from ..workflow.specs.latents import EncodePromptsSpec
from .cells import at_a_time, illustrated, sampled
from .dag import Job
from .known import Known, Models
from .price import (
    CAPTIONS,
    DECODING,
    DENOISING,
    GUIDED,
    HALF_DECODING,
    TEXT_ENCODER,
    UNET,
    WEIGHT,
    Price,
)
from .report import size


def adopted_models(jobs: Sequence[Job]) -> Models:
    """The models of a study, students last; costs are nan where no configuration is known."""
    specs = [job.spec for job in jobs if job.rule == "encode_prompts"]
    models = [EncodePromptsSpec.model_validate_json(spec).pipeline for spec in specs]
    for job in jobs:
        if job.rule == "count_adopted":  # it has them in the study's order
            listed = [own.name for own in CountAdoptedSpec.model_validate_json(job.spec).models]
            places = {name: place for place, name in enumerate(listed)}
            models.sort(key=lambda own: places.get(own.name, len(places)))
    with ProcessPoolExecutor() as pool:
        pairs = zip(models, pool.map(known_costs, models), strict=True)
        return {model.name: (model, own) for model, own in pairs}


# ---------------------------------------------------------------- prices


def download(job: Job, known: Known) -> Price:
    """The files of a hub id, at most; a model may be named twice, with another subfolder."""
    named = hub_id(job.wildcards["name"])
    own = [pair for pair in known.adopted.values() if pair[0].pretrained == named]
    return Price(bytes=max((downloaded_bytes(*pair) for pair in own), default=math.nan))


def downloaded_bytes(model: AdoptedModel, own: AdoptedCosts) -> float:
    """Bytes of a model's weights on the hub, at most; nan is unknown, as a LoRA's are.

    A variant is in 16 bits. Other files may be too, but nobody knows before.
    """
    stored = 2 if model.variant else 4
    if model.part == "lora":
        return math.nan
    others = 0 if model.part else own.autoencoder_params + own.text_params
    return stored * (own.params + others)


def encode_prompts(job: Job, spec: EncodePromptsSpec, known: Known) -> Price:
    """Every prompt, and what guidance leads away from."""
    _, own = known.adopted[spec.pipeline.name]
    part = CAPTIONS if own.dtype == "float32" else TEXT_ENCODER
    flops = {part: 2 * spec.n * own.caption}
    return Price(flops, spec.n * 2 * own.prompt, BYTES[own.dtype] * own.text_params)


def sweep(job: Job, spec: SweepSpec, known: Known) -> Price:
    """The evaluations of each cell, and what measures its images."""
    assert spec.pipeline
    model, own = known.adopted[spec.pipeline.name]
    counts = sampled(spec)
    evaluations = sum(
        count * _evaluations(model, own, cell.sampler, cell.steps, cell.guidance)
        for count, cell in counts
    )
    images = sum(count for count, _ in counts)
    first, seen = spec.possible[0], known.networks.seen
    flops = _sampling(own, evaluations, images) | seen.flops(first, images, first.n)
    guided = any(cell.guidance != 1 for cell in spec.possible)
    shown = len(spec.possible) * SHEET_IMAGES * known.image_bytes
    left = 3 * (images * 2 * seen.width(first) + shown)
    return Price(flops, left, _memory(own, int(job.resources.get("batch", 1)), guided))


def illustrate(job: Job, spec: IllustrateSpec, known: Known) -> Price:
    """The images that only figures show."""
    model, own = known.adopted[spec.size]
    images = evaluations = math.nan
    if not math.isnan(own.forward / known.reference):
        nfe = partial(_evaluations, model, own, spec.setting.sampler)
        images, evaluations = illustrated(spec, own.forward / known.reference, nfe)
    memory = _memory(own, at_a_time(spec), max(spec.guidance) > 1)
    return Price(_sampling(own, evaluations, images), images * known.image_bytes, memory)


def _evaluations(
    model: AdoptedModel, own: AdoptedCosts, sampler: str, steps: int, guidance: float
) -> int:
    """Evaluations of an image; a pipeline's own scheduler may take more than one a step."""
    if sampler == NATIVE and not math.isnan(own.forward):
        steps = _native(model.model_dump_json())(steps)
    return network_evaluations(steps, guidance, own.told)


@cache
def _native(model: str) -> Callable[[int], int]:
    """Counts evaluations of a model, given as JSON, whose network is built once."""
    return cache(native_evaluations(AdoptedModel.model_validate_json(model)))


def _sampling(own: AdoptedCosts, evaluations: float, images: float) -> dict[str, float]:
    """FLOPs of so many evaluations and decoded images, by what they are computed in."""
    denoising = DENOISING if own.dtype == "float32" else UNET
    decoding = DECODING if own.decoded_in == "float32" else HALF_DECODING
    return {denoising: evaluations * own.forward, decoding: images * own.decode}


def _memory(own: AdoptedCosts, batch: int, guided: bool) -> float:
    """Bytes of a GPU: weights without text encoders, and the larger of denoising and decoding."""
    passes = GUIDED if guided and not own.told else 1
    # activations were measured in float32
    denoising = passes * own.forward_bytes * BYTES[own.dtype] / WEIGHT
    decoding = own.decode_bytes * BYTES[own.decoded_in] / WEIGHT
    return own.weights(text=False) + batch * max(denoising, decoding)


# ---------------------------------------------------------------- text


def model_lines(models: Models) -> Iterator[str]:
    """What a plan prints of adopted models, before anything of them is downloaded."""
    if not models:
        return
    yield "\n" + _line("model", "parameters", "GFLOPs a pass", "weights", "download")
    for name, (model, own) in models.items():
        columns = ("unknown", "unknown", "unknown")
        if not math.isnan(own.params):
            weights = size(own.weights(text=True) / 1e9)
            columns = (f"{_digits(own.params / 1e6)} M", _digits(own.forward / 1e9), weights)
        yield _line(name, *columns, _download(model, own))
    yield "Weights are in the study's dtype, those of text encoders too."
    if unnamed := [name for name, (model, _) in models.items() if model.lacks_revision]:
        yield (
            f"No commit is named of {', '.join(unnamed)}: give each its revision. Until then their"
            " downloads are not in the table above."
        )


def _digits(value: float) -> str:
    """A number with two digits at least."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _line(name: str, params: str, forward: str, weights: str, download: str) -> str:
    return f"{name:<24}{params:>12}{forward:>16}{weights:>10}{download:>16}"


def _download(model: AdoptedModel, own: AdoptedCosts) -> str:
    own_marker = model.revision and marker(model.pretrained, model.revision)
    if (own_marker or model.folder).exists():
        return "is there"
    found = downloaded_bytes(model, own)
    return "unknown" if math.isnan(found) else f"up to {size(found / 1e9)}"
