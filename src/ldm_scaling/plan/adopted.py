"""What jobs of adopted models cost; see `prices`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from ..costs.count_adopted import AdoptedCosts, adopted_costs
from ..diffusion.sampling import network_evaluations
from ..jobs.cli import InputError
from ..study.adopted import AdoptedModel
from ..study.figures import SHEET_IMAGES
from ..study.hub import hub_id
from ..workflow.specs.cells import SweepSpec
from ..workflow.specs.latents import EncodePromptsSpec
from .cells import sampled
from .dag import Job
from .known import Known, Models
from .price import GUIDED, TEXT_ENCODER, UNET, WEIGHT, Price

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_UNKNOWN = AdoptedCosts(*[math.nan] * 7, False, math.nan, math.nan)


def adopted_models(jobs: Sequence[Job]) -> Models:
    """The models of a study; costs are nan where configurations are neither there nor known."""
    specs = [job.spec for job in jobs if job.rule == "encode_prompts"]
    models = [EncodePromptsSpec.model_validate_json(spec).pipeline for spec in specs]
    with ProcessPoolExecutor() as pool:
        pairs = zip(models, pool.map(_costs, models), strict=True)
        return {model.name: (model, own) for model, own in pairs}


def _costs(model: AdoptedModel) -> AdoptedCosts:
    try:
        return adopted_costs(model)
    except InputError:
        return _UNKNOWN


def download(job: Job, known: Known) -> Price:
    """Weights of a pipeline, as many bytes as they have in the type that is downloaded."""
    named = hub_id(job.wildcards["name"])
    own = [pair for pair in known.adopted.values() if pair[0].pretrained == named]
    return Price(bytes=max((_weights(*pair, text=True) for pair in own), default=math.nan))


def _weights(model: AdoptedModel, own: AdoptedCosts, *, text: bool) -> float:
    params = own.params + own.autoencoder_params + (own.text_params if text else 0)
    return BYTES[model.dtype] * params


def encode_prompts(job: Job, spec: EncodePromptsSpec, known: Known) -> Price:
    """Every prompt, and what guidance leads away from."""
    model, own = known.adopted[spec.pipeline.name]
    flops = {TEXT_ENCODER: 2 * spec.n * own.caption}
    return Price(flops, spec.n * 2 * own.prompt, BYTES[model.dtype] * own.text_params)


def sweep(job: Job, spec: SweepSpec, known: Known) -> Price:
    """One evaluation a step, or two with guidance, of a solver that takes no more."""
    assert spec.pipeline
    model, own = known.adopted[spec.pipeline.name]
    counts = sampled(spec)
    evaluations = sum(
        count * network_evaluations(cell.steps, cell.guidance, own.told) for count, cell in counts
    )
    images, networks = sum(count for count, _ in counts), known.networks
    flops = {
        UNET: evaluations * own.forward,
        "decoding": images * own.decode,
    }
    first, batch = spec.possible[0], int(job.resources.get("batch", 1))
    flops |= networks.seen.flops(first, images, first.n)
    width, guided = BYTES[model.dtype], any(cell.guidance != 1 for cell in spec.possible)
    passes = GUIDED if guided and not own.told else 1
    activations = max(passes * own.forward_bytes, own.decode_bytes) * batch * width / WEIGHT
    shown = len(spec.possible) * SHEET_IMAGES * 3 * (spec.side or 0) ** 2
    left = 3 * (images * 2 * networks.seen.width(first) + shown)
    return Price(flops, left, _weights(model, own, text=False) + activations)
