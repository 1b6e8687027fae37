"""What jobs that sample and measure images cost; see `prices`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..cells.adaptive import searches
from ..cells.illustrate import ALPHAS, MOST_STEPS
from ..cells.search import most_images
from ..diffusion.sampling import network_evaluations
from ..jobs.choice import steps_bought
from ..kinds import stages
from ..kinds.candidates import verified
from ..kinds.noises import NONE, iterations
from ..kinds.sizes import SEPARATOR, channels
from ..study.figures import SHEET_IMAGES
from ..study.metrics import Judge
from ..tables.fits import TRAINING_FORWARDS
from ..workflow.specs.bias import BiasSweepSpec, JudgeSpec
from ..workflow.specs.candidates import CandidatesSpec
from ..workflow.specs.cells import CellSpec, IllustrateSpec, SearchSpec, SweepSpec
from ..workflow.specs.dreambooth import PriorSpec, ScoreSubjectsSpec
from ..workflow.specs.inversion import InvertSpec
from ..workflow.specs.measuring import BaselinesSpec, ClipLikeSpec, FeaturesSpec
from ..workflow.specs.noise import NoiseLossesSpec
from ..workflow.specs.seen import ScoreSpec
from .dag import Job
from .known import Known
from .price import (
    CAPTIONS,
    DECODING,
    GUIDED,
    SCORE,
    UNET,
    WEIGHT,
    Price,
    decoding_bytes,
    state_bytes,
    whole_batches,
)


def sweep(job: Job, spec: SweepSpec, known: Known) -> Price:
    """Price of sampling a model's cells with one sampler."""
    stage, size = job.wildcards["stage"], job.wildcards["size"]
    told, forward = stages.is_student(stage), known.unets(job).forward[size]
    counts = sampled(spec)
    forwards = sum(
        count * network_evaluations(cell.steps, cell.guidance, told) for count, cell in counts
    )
    return _cells(job, spec, known, counts, forwards * forward, [size], told)


def stitched(job: Job, spec: SweepSpec, known: Known) -> Price:
    """Each size has the forward passes of its own steps."""
    sizes = job.wildcards["sizes"].split(SEPARATOR)
    forwards = [known.networks.own.forward[size] for size in sizes]
    counts = sampled(spec)
    flops = sum(
        count * network_evaluations(steps, cell.guidance) * forward
        for count, cell in counts
        for steps, forward in zip(cell.allocation or (), forwards, strict=True)
    )
    return _cells(job, spec, known, counts, flops, sizes)


def inverted(job: Job, spec: SweepSpec, known: Known) -> Price:
    """Sampling a student from each noise; a backward pass of ascent costs a forward pass."""
    size, networks, first = job.wildcards["size"], known.networks, spec.cells[0]
    forward = known.unets(job).forward[size]
    passes = sum(cell.n * (1 + 2 * iterations(cell.noise or NONE)) for cell in spec.cells)
    climbing = [cell for cell in spec.cells if cell.ascent]
    climbed = sum(cell.n * (1 + 2 * iterations(cell.noise or NONE)) for cell in climbing)
    counts = [(cell.n, cell) for cell in spec.cells]
    own = _cells(job, spec, known, counts, passes * forward, [size], told=True)
    more = climbed - sum(cell.n for cell in climbing)
    flops = dict(own.flops_of)
    flops[DECODING] += more * networks.decode
    if climbing and climbing[0].verifier:
        flops[SCORE] = climbed * _score(climbing[0].verifier, known)
    if first.judge:
        flops["judge"] = _judging(first.judge, sum(cell.n for cell in spec.cells), first.n, known)
    return replace(own, flops_of=flops)


def invert(job: Job, spec: InvertSpec, known: Known) -> Price:
    """Price of fitting a distribution of noise, forward and backward; all weights are frozen."""
    networks, unets, batch = known.networks, known.unets(job), spec.fitting.batch
    seen = whole_batches(spec.fitting.images, batch)
    flops = {
        UNET: 2 * seen * unets.forward[spec.size],
        DECODING: 2 * seen * networks.decode,
        SCORE: 2 * seen * _score(spec.verifier, known),
        CAPTIONS: known.images(job) * unets.caption,
    }
    held = batch * (channels(spec.size) * networks.activations.training + networks.decode_bytes)
    memory = WEIGHT * (unets.params[spec.size] + networks.autoencoder_params) + held
    numbers = 2 * known.latents * (1 + (spec.width or 0))
    weights = WEIGHT * numbers
    return Price(flops, weights + state_bytes(weights), memory, epochs=seen / known.images(job))


def _score(verifier: ScoreSpec, known: Known) -> float:
    """FLOPs of scoring an image."""
    seen = known.networks.seen
    if verifier.scorer:
        return seen.scorers[verifier.scorer.name].image
    assert verifier.extractor
    return seen.extractors[verifier.extractor.name].flops


def _judging(judge: Judge, images: float, captions: int, known: Known) -> float:
    """FLOPs of judging images; a scorer embeds each caption once."""
    seen = known.networks.seen
    if judge.scorer:
        own = seen.scorers[judge.scorer.name]
        return images * own.image + captions * own.caption
    assert judge.extractor
    return images * seen.extractors[judge.extractor.name].flops


def _cells(
    job: Job,
    spec: SweepSpec | BiasSweepSpec,
    known: Known,
    counts: Sequence[tuple[int, CellSpec]],
    flops: float,
    sizes: list[str],
    told: bool = False,
) -> Price:
    possible = spec.possible if isinstance(spec, SweepSpec) else spec.cells
    networks, first = known.networks, possible[0]
    images = sum(count for count, _ in counts)
    flops_of = {
        UNET: flops,
        DECODING: images * networks.decode,
    } | networks.seen.flops(first, images, first.n)
    if first.perceptual:
        flops_of["perceptual distance"] = 2 * images * networks.perceptual
    shown = len(possible) * SHEET_IMAGES * known.image_bytes
    guided = not told and any(cell.guidance != 1 for cell in possible)
    memory = _sampling_bytes(job, known, sizes, guided)
    kept = images * 2 * networks.seen.width(first) + shown
    return Price(flops_of, 3 * kept, memory)


def candidates(job: Job, spec: CandidatesSpec, known: Known) -> Price:
    """Candidates of the strongest scale of each step count, what looks at them, what is kept."""
    networks, size = known.networks, job.wildcards["size"]
    told, strongest = stages.is_student(job.wildcards["stage"]), spec.cells[-1].guidance
    flops_of: dict[str, float] = dict.fromkeys((UNET, DECODING, "features", "scores"), 0.0)
    images = kept = 0
    for steps in spec.steps:
        evaluations = network_evaluations(steps, strongest, told)
        for method in spec.methods:
            for count in spec.counts_of(method, steps)[-1:]:
                made, looks = spec.n * count, spec.n * max(count, verified(method, count, steps))
                flops_of[UNET] += made * evaluations * known.unets(job).forward[size]
                flops_of[DECODING] += looks * networks.decode
                for name, flops in networks.seen.flops(spec.cells[0], looks, spec.n).items():
                    flops_of[name] += flops
                images += made
            kept += spec.n * len(spec.counts_of(method, steps))
    flops_of["judge"] = _judging(spec.judge, images, spec.n, known)
    memory = _sampling_bytes(job, known, [size], guided=not told and strongest != 1)
    flops_of = {name: flops for name, flops in flops_of.items() if flops}
    return Price(flops_of, 3 * kept * 2 * networks.seen.width(spec.cells[0]), memory)


def sampled(spec: SweepSpec) -> list[tuple[int, CellSpec]]:
    """Images of each cell of a sweep, and of each search the most, as if at its strongest guidance.

    Which scales a search looks at, a plan cannot know: none costs more than that one.
    """
    return [*((cell.n, cell) for cell in spec.cells), *_most(spec.search)]


def _most(spec: SearchSpec | None) -> list[tuple[int, CellSpec]]:
    if spec is None:
        return []
    return [
        (most_images(len(cells), cells[0].n, spec.look), max(cells, key=lambda cell: cell.guidance))
        for cells in searches(spec).values()
    ]


def _sampling_bytes(
    job: Job, known: Known, sizes: list[str], guided: bool, images: int | None = None
) -> float:
    """Bytes of memory for sampling with these models.

    The weights of all models, plus the larger of two: one of them denoises a batch, or the
    autoencoder decodes images.
    """
    unets, batch = known.unets(job), int(job.resources.get("batch", images or 1))
    weights = sum(WEIGHT * unets.params[size] for size in sizes)
    denoised = max(map(channels, sizes)) * known.networks.activations.sampling
    passes = GUIDED if guided else 1
    return weights + max(passes * batch * denoised, decoding_bytes(known, batch))


def toned(job: Job, spec: BiasSweepSpec, known: Known) -> Price:
    """Price of sampling prompts that name no tone; guidance towards shares costs nothing."""
    size = job.wildcards["size"]
    counts = [(cell.n, cell) for cell in spec.cells]
    forwards = sum(
        count * network_evaluations(cell.steps, cell.guidance) * (cell.candidates or 1)
        for count, cell in counts
    )
    return _cells(job, spec, known, counts, forwards * known.unets(job).forward[size], [size])


def judge(job: Job, spec: JudgeSpec, known: Known) -> Price:
    """Price of the drawings of every tone through the autoencoder and back."""
    networks = known.networks
    return Price({"autoencoder": known.images(job) * (networks.encode + networks.decode)})


def illustrate(job: Job, spec: IllustrateSpec, known: Known) -> Price:
    """Price of sampling the images that only figures show."""
    networks = known.networks
    reference = networks.own.forward[known.family.family.reference_size]
    forward = networks.own.forward[spec.size]
    images, forwards = illustrated(spec, forward / reference)
    flops = {UNET: forwards * forward, DECODING: images * networks.decode}
    together = at_a_time(spec)
    memory = _sampling_bytes(job, known, [spec.size], max(spec.guidance) > 1, together)
    return Price(flops, images * known.image_bytes, memory)


def illustrated(
    spec: IllustrateSpec,
    cost: float,
    nfe: Callable[[int, float], int] = network_evaluations,
) -> tuple[int, int]:
    """Images that only figures show, of a model of this normalized cost, and their NFE in all.

    `nfe` are those of one image with so many steps and a guidance scale.
    """
    fixed, prompts = spec.setting, len(spec.prompts)
    most = spec.diffusion.train_timesteps if spec.diffusion else MOST_STEPS
    strongest = max(spec.guidance)  # what the search will choose costs as much, or half
    bought = {steps_bought(budget, cost, most) for budget in spec.budgets} - {0}
    forwards = prompts * sum(nfe(steps, strongest) for steps in bought)
    forwards += len(ALPHAS) * nfe(fixed.steps, fixed.guidance)
    return prompts * len(bought) + len(ALPHAS), forwards


def at_a_time(spec: IllustrateSpec) -> int:
    """The most of these images that are sampled at a time."""
    return max(len(spec.prompts), len(ALPHAS))


def score_subjects(job: Job, spec: ScoreSubjectsSpec, known: Known) -> Price:
    """Prompts and classes, each before and after; what DINO costs is not counted."""
    networks, fixed = known.networks, spec.setting
    prompts = known.subjects * len(spec.prompts)
    images = 4 * prompts * spec.images_per_prompt
    evaluations = network_evaluations(fixed.steps, fixed.guidance)
    flops = {
        UNET: images * evaluations * networks.own.forward[spec.size],
        DECODING: images * networks.decode,
    } | networks.seen.flops(spec, images, prompts)
    if spec.dino:
        flops["DINO"] = math.nan
    memory = _sampling_bytes(job, known, [spec.size], fixed.guidance != 1)
    return Price(flops, 2 * prompts * known.image_bytes, memory)


def real_features(job: Job, spec: FeaturesSpec, known: Known) -> Price:
    """Price of extracting the features of a split's images."""
    count, networks = known.images(job), known.networks
    flops = networks.seen.flops(spec, count, count)
    return Price(flops, count * 2 * networks.seen.width(spec))


def reconstruction(job: Job, spec: FeaturesSpec, known: Known) -> Price:
    """Price of encoding and decoding the test images, and of the features of the result."""
    real, networks = real_features(job, spec, known), known.networks
    autoencoder = known.images(job) * (networks.encode + networks.decode)
    return Price({"autoencoder": autoencoder} | real.flops_of, real.bytes)


def clip_like(job: Job, spec: ClipLikeSpec, known: Known) -> Price:
    """Price of fitting a CLIP-like score: the study's or the judge's, which is counted last."""
    settings, images = spec.clip_like, known.splits
    counted = list(known.networks.seen.extractors.values())
    of_images = counted[-1 if job.rule == "fit_judge" else 0].width
    maps = settings.width * (of_images + spec.text_encoder.width)
    # besides the two maps, every caption of a batch is compared with every image, twice
    forward = 2 * maps + 4 * settings.batch * settings.width
    flops = {
        CAPTIONS: sum(images.values()) * known.networks.own.caption,
        "maps": TRAINING_FORWARDS * settings.epochs * images["train"] * forward,
    }
    return Price(flops, 4 * (maps + images["test"] * settings.width), epochs=settings.epochs)


def baselines(job: Job, spec: BaselinesSpec, known: Known) -> Price:
    """Price of the super-resolution baselines, which need no diffusion model."""
    networks = known.networks
    return Price(
        {
            "autoencoder": spec.n * (networks.encode + networks.decode),
            "perceptual distance": 4 * spec.n * networks.perceptual,
        }
        | networks.seen.flops(spec, 2 * spec.n)
    )


def noise_losses(job: Job, spec: NoiseLossesSpec, known: Known) -> Price:
    """Price of a model's losses by bands of noise levels: a forward pass each."""
    size = job.wildcards["size"]
    forwards = (len(spec.keep) + 1) * spec.bands * spec.n
    flops = {UNET: forwards * known.unets(job).forward[size]}
    return Price(flops, 4 * forwards, _sampling_bytes(job, known, [size], guided=False))


def prior(job: Job, spec: PriorSpec, known: Known) -> Price:
    """Price of sampling the images of the subjects' classes."""
    count = known.subjects * spec.images
    forwards = network_evaluations(spec.setting.steps, spec.setting.guidance)
    flops = {UNET: count * forwards * known.networks.own.forward[spec.size]}
    memory = _sampling_bytes(job, known, [spec.size], guided=spec.setting.guidance != 1)
    return Price(flops, count * 4 * known.latents, memory)
