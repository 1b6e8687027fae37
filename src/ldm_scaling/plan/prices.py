"""What a job of each rule costs, from its spec and the counted networks.

A training step counts as three forward passes (Kaplan et al. 2020, section 2.1) and those of its
teacher, a guided denoising step as two. Tables, figures and metrics run on a processor in minutes
and cost nothing here.

The memory of a GPU is what stays there (weights, gradients, AdamW's moments, the average, teachers)
and the activations of the images that it takes at a time, in float32; see `costs.memory`. Frozen
encoders and what they hold are in bfloat16. Copies of weights in bfloat16, buffers of collective
operations, CUDA itself and fragmentation are not counted: leave a fifth of the GPU for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

from ..costs.networks import count_measuring, count_networks
from ..data.sources import emoji, webdataset
from ..data.sources.tones import CLASSES, DRAWN
from ..kinds import stages
from ..kinds.sizes import channels
from ..latents.encode_images import BATCH as IMAGES
from ..latents.encode_part import BATCH as IMAGES_OF_SHARDS
from ..models.students import EMBEDDING
from ..study.distill import PLAIN
from ..study.fields import Strict
from ..study.superres import SCALE
from ..tables.fits import TRAINING_FORWARDS
from ..workflow.downloads import ARCHIVES, SQUEEZENET_BYTES, WORD_VECTORS_BYTES
from ..workflow.specs.bias import HeadsSpec, TonesSpec
from ..workflow.specs.cells import IllustrateSpec, SweepSpec
from ..workflow.specs.data import IndexSpec, PrepareSpec
from ..workflow.specs.dreambooth import DreamBoothSpec, EncodeSubjectsSpec
from ..workflow.specs.latents import (
    AutoencoderSpec,
    EncodeImagesSpec,
    EncodePartSpec,
    EncodeTextSpec,
)
from ..workflow.specs.models import DistillSpec, GuidedDistillSpec, PretrainSpec
from ..workflow.specs.superres import DegradeSpec, PhotosSpec, SuperResSpec
from . import adopted, cells
from .dag import Job
from .known import Known, counted, measured
from .price import (
    ENCODED,
    ENCODING,
    GUIDED,
    STATE,
    TEXT_ENCODER,
    UNET,
    WEIGHT,
    Price,
    encoding_bytes,
    state_bytes,
    whole_batches,
)

# ---------------------------------------------------------------- downloads, data and latents


def _download(job: Job, spec: Strict, known: Known) -> Price:
    sizes = {
        "fetch_emoji": emoji.ARCHIVE_BYTES,
        "fetch_squeezenet": SQUEEZENET_BYTES,
        "fetch_word_vectors": WORD_VECTORS_BYTES,
    }
    if known.adopted and job.rule == "fetch_hub":
        return adopted.download(job, known)
    if archive := job.wildcards.get("archive"):
        return Price(bytes=ARCHIVES[archive].bytes)
    return Price(bytes=sizes.get(job.rule, math.nan))


def _prepare(job: Job, spec: PrepareSpec, known: Known) -> Price:
    packed = [Path(path).stem for path in job.outputs if path.endswith(".safetensors")]
    return Price(bytes=sum(known.splits[split] for split in packed) * known.image_bytes)


def _prepare_tones(job: Job, spec: TonesSpec, known: Known) -> Price:
    count = emoji.toned(spec.data) + known.splits["train"]
    return Price(bytes=count * known.image_bytes)


def _index(job: Job, spec: IndexSpec, known: Known) -> Price:
    return Price(bytes=known.splits["train"] * 8 * len(webdataset.COLUMNS))


def _crop(job: Job, spec: PhotosSpec, known: Known) -> Price:
    return Price(bytes=spec.photos.patches * known.image_bytes)


def _degrade(job: Job, spec: DegradeSpec, known: Known) -> Price:
    count = known.images(job) if spec.count is None else spec.count
    return Price(bytes=count * known.image_bytes * (1 + 1 / SCALE**2))


def _autoencoder(job: Job, spec: AutoencoderSpec, known: Known) -> Price:
    networks, settings = known.networks, spec.autoencoder
    seen = whole_batches(settings.images, settings.batch)
    weights = WEIGHT * networks.autoencoder_params
    flops = TRAINING_FORWARDS * seen * (networks.encode + networks.decode)
    return Price(
        {"autoencoder": flops}, weights + state_bytes(weights), epochs=seen / known.splits["train"]
    )


def _encode_images(job: Job, spec: EncodeImagesSpec, known: Known) -> Price:
    count = known.images(job)
    flops = {ENCODING: count * known.networks.encode}
    return Price(flops, count * 4 * known.latents, encoding_bytes(known, IMAGES))


def _encode_text(job: Job, spec: EncodeTextSpec, known: Known) -> Price:
    count, text = known.images(job), spec.text_encoder
    flops = {TEXT_ENCODER: count * known.unets(job).caption}
    memory = ENCODED * known.unets(job).text_params
    return Price(flops, count * 2 * text.max_tokens * text.width, memory)


def _encode_part(job: Job, spec: EncodePartSpec, known: Known) -> Price:
    count, text = known.images(job) / spec.parts, spec.encoding.text.text_encoder
    numbers = known.latents + text.max_tokens * text.width
    return Price(_encoding(job, known, count), count * 2 * numbers, _encoding_bytes(job, known))


def _encoding(job: Job, known: Known, count: float) -> dict[str, float]:
    caption = known.unets(job).caption
    return {ENCODING: count * known.networks.encode, TEXT_ENCODER: count * caption}


def _encoding_bytes(job: Job, known: Known) -> float:
    text_encoder = ENCODED * known.unets(job).text_params
    return encoding_bytes(known, IMAGES_OF_SHARDS) + text_encoder


def _encode_subjects(job: Job, spec: EncodeSubjectsSpec, known: Known) -> Price:
    prompts, text = known.subjects * (len(spec.prompts) + 2), spec.text.text_encoder
    flops = {TEXT_ENCODER: (prompts + 1) * known.unets(job).caption}
    return Price(flops, prompts * 2 * text.max_tokens * text.width)


# ---------------------------------------------------------------- models


def _pretrain(job: Job, spec: PretrainSpec, known: Known) -> Price:
    return _training(job, spec, spec.training, known)


def _heads(job: Job, spec: HeadsSpec, known: Known) -> Price:
    # of the training images with tones at each level, at most; what the fits cost is not counted
    levels, unets = sum(spec.steps), known.unets(job)
    with_tones = DRAWN / sum(map(len, CLASSES.values())) * known.tones
    images = with_tones * spec.noises * levels
    return Price({UNET: images * unets.forward[spec.size]})


def _superres(job: Job, spec: SuperResSpec, known: Known) -> Price:
    return _training(job, spec, spec.training, known)


def _distill(job: Job, spec: DistillSpec, known: Known) -> Price:
    # a guided prediction of the teacher in each of its steps, and one of the target
    arm, settings = spec.arm or PLAIN, spec.distill
    teachers = GUIDED * arm.substeps + 1
    if arm.adversary is None:
        return _training(job, spec, settings, known, teachers, frozen=2)
    # the discriminator sees latents of both kinds, and for the student its own once more; half of
    # it is trained, so that less than this is kept of the former, and saved
    found = _training(job, spec, settings, known, teachers + 3 * TRAINING_FORWARDS, frozen=2)
    weights = WEIGHT * known.unets(job).params[spec.size]
    images = 2 * _images_at_a_time(job, settings.batch)
    activations = images * channels(spec.size) * known.networks.activations.training
    memory = found.gpu_bytes + (STATE - 1) * weights + activations
    return replace(found, bytes=found.bytes + 2 * 3 * weights, gpu_bytes=memory)


def _guided_distill(job: Job, spec: GuidedDistillSpec, known: Known) -> Price:
    # the teacher's two steps; only a pretrained one is not told the scale
    first = any(f"/models/{stages.PRETRAIN}/" in path for path in job.inputs)
    steps = 2 * (GUIDED if first else 1)
    return _training(job, spec, spec.guided_distill, known, teachers=steps, frozen=1)


def _training(
    job: Job, spec: Any, settings: Any, known: Known, teachers: int = 0, frozen: int = 0
) -> Price:
    """Price of a training. Each image takes `teachers` forward passes of `frozen` networks."""
    size, unets = spec.size, known.unets(job)
    seen = whole_batches(settings.images, settings.batch)
    flops = {UNET: (TRAINING_FORWARDS + teachers) * seen * unets.forward[size]}
    if spec.encoding:
        flops |= _encoding(job, known, seen)
    told = EMBEDDING * channels(size) if frozen else 0
    weights, kept = WEIGHT * (unets.params[size] + told), len(getattr(settings, "keep", ()))
    disk = weights * (1 + kept) + state_bytes(weights, weights * kept)
    memory = _training_bytes(job, known, size, settings.batch) + frozen * weights
    if spec.encoding:
        memory += _encoding_bytes(job, known)
    return Price(flops, disk, memory, epochs=seen / known.images(job))


def _training_bytes(job: Job, known: Known, size: str, batch: int) -> float:
    switches = str(job.resources.get("switches", ""))
    weights, activations = WEIGHT * known.unets(job).params[size], known.networks.activations
    shared = max(1, job.gpus) if "--sharded" in switches else 1
    image = activations.checkpointing if "--checkpointing" in switches else activations.training
    images = _images_at_a_time(job, batch)
    return STATE * weights / shared + images * channels(size) * image


def _images_at_a_time(job: Job, batch: int) -> int:
    """Images of a batch that one GPU takes through the network at a time."""
    return min(math.ceil(batch / max(1, job.gpus)), int(job.resources.get("micro_batch", batch)))


def _dreambooth(job: Job, spec: DreamBoothSpec, known: Known) -> Price:
    unets = known.networks.own
    # of the subject, and as many of its class
    seen = 2 * whole_batches(spec.teaching.images, spec.teaching.batch)
    flops = {UNET: TRAINING_FORWARDS * seen * unets.forward[spec.size]}
    memory = _training_bytes(job, known, spec.size, 2 * spec.teaching.batch)
    return Price(flops, WEIGHT * unets.params[spec.size], memory)


def _sweep(job: Job, spec: SweepSpec, known: Known) -> Price:
    return (adopted.sweep if spec.pipeline else cells.sweep)(job, spec, known)


def _illustrate(job: Job, spec: IllustrateSpec, known: Known) -> Price:
    return (adopted.illustrate if spec.pipeline else cells.illustrate)(job, spec, known)


PRICES: dict[str, Callable[..., Price]] = {
    **dict.fromkeys(("fetch_emoji", "fetch_file", "fetch_hub"), _download),
    **dict.fromkeys(("fetch_squeezenet", "fetch_word_vectors"), _download),
    "prepare_data": _prepare,
    "prepare_tones": _prepare_tones,
    "index_shards": _index,
    "crop_photos": _crop,
    "degrade": _degrade,
    "train_autoencoder": _autoencoder,
    "encode_images": _encode_images,
    "encode_text": _encode_text,
    "encode_text_of": _encode_text,
    "encode_part": _encode_part,
    "encode_subjects": _encode_subjects,
    "encode_prompts": adopted.encode_prompts,
    "pretrain": _pretrain,
    "pretrain_pair": _pretrain,
    "pretrain_curriculum": _pretrain,
    "noise_losses": cells.noise_losses,
    "pretrain_balanced": _pretrain,
    "fit_tone_heads": _heads,
    "train_superres": _superres,
    **dict.fromkeys(("distill", "distill_stochastic"), _distill),
    "guided_distill": _guided_distill,
    "sample_prior": cells.prior,
    "dreambooth": _dreambooth,
    "sweep": _sweep,
    "sample_stitched": cells.stitched,
    "sample_bias": cells.toned,
    "judge_tones": cells.judge,
    "sample_candidates": cells.candidates,
    "invert": cells.invert,
    "sample_inverted": cells.inverted,
    "illustrate": _illustrate,
    "score_subjects": cells.score_subjects,
    **dict.fromkeys(("real_features", "judge_features"), cells.real_features),
    "reconstruction_features": cells.reconstruction,
    **dict.fromkeys(("fit_clip_like", "fit_judge"), cells.clip_like),
    "superres_baselines": cells.baselines,
}
"""of each rule that costs something: a function of a job, its spec and what is known"""
FREE = {"latency", "time_components"}
"""rules that ask for a GPU for a few seconds"""


def price(job: Job, known: Known) -> Price:
    """What a job costs: without a price nothing, or unknown FLOPs if it asks for a GPU."""
    if own := PRICES.get(job.rule):
        kind = get_type_hints(own)["spec"]
        return own(job, kind.model_validate_json(job.spec), known)
    return Price({"FLOPs": math.nan} if job.gpus and job.rule not in FREE else {})


def know(jobs: Sequence[Job]) -> Known:
    """What prices of a study's jobs know; the networks are counted for it."""
    if models := adopted.adopted_models(jobs):
        return Known(jobs, count_measuring(measured(jobs)), models)
    return Known(jobs, count_networks(*counted(jobs)))


def priced(known: Known) -> list[tuple[Job, Price]]:
    """Every job of a study with its price."""
    return [(job, price(job, known)) for job in known.jobs]
