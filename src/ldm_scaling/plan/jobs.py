"""Every job of a study, with its FLOPs and the bytes that it leaves, without running anything.

A training step counts as three forward passes (Kaplan et al. 2020, section 2.1) and those of its
teacher, a guided denoising step as two. Tables, figures and metrics run on a processor in minutes
and count as jobs only.
"""

from __future__ import annotations

import math
from pathlib import Path

from ..cells.illustrate import ALPHAS
from ..costs.networks import Networks
from ..data.prepare import SPLITS
from ..data.sources import coco, emoji, imagefolder, webdataset
from ..diffusion.sampling import network_evaluations
from ..jobs.arrays import map_array
from ..jobs.choice import steps_bought
from ..kinds.sizes import channels
from ..models.students import EMBEDDING
from ..study.data import Data
from ..study.figures import SHEET_IMAGES
from ..study.hub import MARKER, RESOURCES, WORD_VECTORS_FILES, hub_id
from ..study.study import Study
from ..tables.fits import TRAINING_FORWARDS
from ..workflow import stages
from ..workflow.downloads import (
    ARCHIVES,
    SQUEEZENET,
    SQUEEZENET_BYTES,
    WORD_VECTORS_BYTES,
    downloads,
)
from ..workflow.searches import collected, sampler_names, sampler_of
from ..workflow.specs.cells import SweepSpec
from ..workflow.targets import figures, tables
from .dreambooth_jobs import dreambooth_jobs
from .job import Job, state_bytes, whole_batches
from .param_budget_jobs import param_budget_jobs
from .search_jobs import replay_jobs, sampled
from .stitch_jobs import stitch_jobs
from .superres_jobs import superres_jobs

GUIDED = 2
"""forward passes of a guided prediction"""
_OTHERWISE = ("cells", "best", "superres_baselines", "dreambooth", "search_cost", "components")
_OTHERWISE += ("metric_ranking", "metric_agreement", "param_budget", "param_budget_splits")
"""tables that are counted with what makes them"""


def split_images(study: Study) -> dict[str, float]:
    """Images of each split: as prepared, else as configured; of training nan if unknown."""
    folder, held_out = Path(study.results, "data"), study.data.splits
    files = {split: folder / f"{split}.safetensors" for split in SPLITS}
    if all(path.exists() for path in files.values()):
        return {split: len(map_array(path, "images")) for split, path in files.items()}
    if (index := folder / "index.safetensors").exists():
        train = float(map_array(index, "starts")[-1])
    else:
        train = _training_images(study.data)
    return {"train": train, "validation": held_out.validation, "test": held_out.test}


def _training_images(data: Data) -> float:
    limit, splits = data.max_images or math.inf, data.splits
    held_out = 0 if data.evaluation else splits.validation + splits.test
    if data.source == "emoji":
        return min(limit, sum(emoji.IMAGES[style] for style in data.styles)) - held_out
    if data.source == "coco":
        validation = 0 if data.evaluation else splits.validation
        return min(limit - held_out, coco.TRAIN_IMAGES - validation)
    if limit < math.inf:  # the planner does not look at millions of files
        return limit - held_out
    if data.source == "imagefolder" and data.folder.is_dir():
        return len(imagefolder.records(data)) - held_out
    return math.nan


def study_jobs(study: Study, networks: Networks, images: dict[str, float]) -> list[Job]:
    """Every job of rule `all`, done or not, upstream first."""
    return [
        *_data_jobs(study, images),
        *_latent_jobs(study, networks, images),
        *(superres_jobs(study, networks, images) if study.superres else []),
        *_model_jobs(study, networks),
        *dreambooth_jobs(study, networks),
        *stitch_jobs(study, networks),
        *param_budget_jobs(study, networks, images),
        *_reference_jobs(study, networks, images),
        *_table_jobs(study),
        *_illustrate_jobs(study, networks),
        *replay_jobs(study),
        *(Job(name, f"{study.results}/figures/{name}.png") for name in figures(study)),
    ]


def _data_jobs(study: Study, images: dict[str, float]) -> list[Job]:
    folder, source = f"{study.results}/data", study.data.source
    packed = [split for split in SPLITS if (split, source) != ("train", "webdataset")]
    pixels = sum(images[split] for split in packed) * 3 * study.data.image_size**2
    jobs = [*map(_fetch, downloads(study)), Job("prepare_data", f"{folder}/test.csv", bytes=pixels)]
    if source == "webdataset":
        places = images["train"] * 8 * len(webdataset.COLUMNS)
        jobs.append(Job("index_shards", f"{folder}/index.safetensors", bytes=places))
    return jobs


def _fetch(path: Path) -> Job:
    """The job that downloads a file, or what a marker is of."""
    if path.name == MARKER:
        return Job("fetch_hub", str(path), bytes=math.nan, name=hub_id(path.parents[1].name))
    name = path.relative_to(RESOURCES).as_posix()
    if path == SQUEEZENET:
        return Job("fetch_squeezenet", str(path), bytes=SQUEEZENET_BYTES)
    if path in WORD_VECTORS_FILES:
        return Job("fetch_word_vectors", str(path), bytes=WORD_VECTORS_BYTES)
    if name in ARCHIVES:
        return Job("fetch_file", str(path), bytes=ARCHIVES[name].bytes, name=name)
    return Job("fetch_emoji", str(path), bytes=emoji.ARCHIVE_BYTES)


def _latent_jobs(study: Study, networks: Networks, images: dict[str, float]) -> list[Job]:
    folder, autoencoder = f"{study.results}/latents", study.latents.autoencoder
    jobs = []
    if autoencoder.pretrained is None:
        seen = whole_batches(autoencoder.images, autoencoder.batch)
        flops = TRAINING_FORWARDS * seen * (networks.encode + networks.decode)
        weights = 4 * networks.autoencoder_params
        state = state_bytes(weights)
        summary = f"{folder}/autoencoder/summary.json"
        jobs.append(Job("train_autoencoder", summary, {"autoencoder": flops}, weights + state))
    latents, text = math.prod(study.latent_shape), math.prod(study.text_shape)
    captions = ["train", "test"]
    if study.data.source == "webdataset":
        captions = ["test"]
        for part in range(study.latents.parts if study.latents.cache else 0):
            count = images["train"] / study.latents.parts
            flops, size = _encoding(networks, count), count * 2 * (latents + text)
            output = f"{folder}/train/part{part}.safetensors"
            jobs.append(Job("encode_part", output, flops, size, f"part {part}"))
    else:
        flops = {"autoencoder": images["train"] * networks.encode}
        size = images["train"] * 4 * latents
        jobs.append(Job("encode_images", f"{folder}/train.safetensors", flops, size))
    for split in captions:
        flops = {"text encoder": images[split] * networks.caption}
        output, size = f"{folder}/text_{split}.safetensors", images[split] * 2 * text
        jobs.append(Job("encode_text", output, flops, size, name=split))
    return jobs


def _encoding(networks: Networks, count: float) -> dict[str, float]:
    return {"autoencoder": count * networks.encode, "text encoder": count * networks.caption}


def _model_jobs(study: Study, networks: Networks) -> list[Job]:
    """Of every model: its training, its sweeps, and their measuring."""
    models = stages.models(study)
    trainings = [_training_job(study, networks, *model) for model in models]
    sweeps, measures = [], []
    samplers = {stage: sampler_names(study, stage) for stage in stages.samplers(study)}
    for stage, size, seed in [*models, *stages.pairs(study)]:
        name = f"{size} seed{seed}" if stage == stages.PRETRAIN else f"{stage} {size} seed{seed}"
        for sampler in samplers.get(stage, [study.sampling.fixed.sampler]):
            folder = f"{study.results}/cells/{stage}/{size}/seed{seed}/{sampler}"
            flops, disk = _sweep_costs(study, networks, stage, size, sampler)
            sweeps.append(Job("sweep", f"{folder}/cells.json", flops, disk, f"{name} {sampler}"))
            measures.append(Job("measure", f"{folder}/metrics.csv", name=f"{name} {sampler}"))
    return [*trainings, *sweeps, *measures]


def _training_job(study: Study, networks: Networks, stage: str, size: str, seed: int) -> Job:
    rule, forwards, kept, name = stage, TRAINING_FORWARDS, 0, f"{size} seed{seed}"
    if stage == stages.PRETRAIN:
        settings, kept = study.training, len(study.training.keep)
    elif stages.is_superres(stage):
        rule, settings, kept = "train_superres", study.superres, len(study.superres.keep)
        name = f"{stage} {name}"
    elif stage == stages.DISTILL:
        settings = study.distill
        forwards += GUIDED + 1  # of the teacher, and of the target
    else:
        rule, settings, name = stages.GUIDED_DISTILL, study.guided_distill, f"{stage} {name}"
        first = stages.teacher(study, stage) == stages.PRETRAIN
        forwards += 2 * (GUIDED if first else 1)  # the teacher's two steps
    seen = whole_batches(settings.images, settings.batch)
    flops = {"U-Net": forwards * seen * networks.forward[size]}
    if not study.latents.cache and not stages.is_superres(stage):
        flops |= _encoding(networks, seen)
    told = EMBEDDING * channels(size) if stages.is_student(stage) else 0
    weights = 4 * (networks.params[size] + told)
    disk = weights * (1 + kept) + state_bytes(weights, weights * kept)
    summary = f"{study.results}/models/{stage}/{size}/seed{seed}/summary.json"
    return Job(rule, summary, flops, disk, name)


def _sweep_costs(
    study: Study, networks: Networks, stage: str, size: str, sampler: str
) -> tuple[dict[str, float], float]:
    spec, told = SweepSpec.of(study, stage, sampler), stages.is_student(stage)
    is_grid = sampler != sampler_of(sampler)
    before = SweepSpec.of(study, stage, sampler_of(sampler)) if is_grid else None
    counts = sampled(spec, before)
    images = sum(count for count, _ in counts)
    forwards = sum(
        count * network_evaluations(cell.steps, cell.guidance, told) for count, cell in counts
    )
    unet = networks.pairs[stage] if stages.is_budget(stage) else networks
    flops = {
        "U-Net": forwards * unet.forward[size],
        "decoding": images * networks.decode,
        "features": images * networks.features,
    }
    if stages.is_superres(stage):
        flops["perceptual distance"] = 2 * images * networks.perceptual
    else:
        flops |= _clip_score(study, networks, images, study.sampling.n)
    shown = len(spec.possible) * SHEET_IMAGES * 3 * study.data.image_size**2
    return flops, 3 * (images * 2 * networks.feature_width + shown)


def _clip_score(
    study: Study, networks: Networks, images: float, captions: float
) -> dict[str, float]:
    if study.metrics.clip is None:
        return {}
    return {"CLIP score": images * networks.clip_image + captions * networks.clip_caption}


def _reference_jobs(study: Study, networks: Networks, images: dict[str, float]) -> list[Job]:
    folder, width = f"{study.results}/cells/reference", 2 * networks.feature_width
    jobs = []
    fitted = study.metrics.clip_like is not None
    for split in ("train", "validation", "test") if fitted else ("validation", "test"):
        count = images[split]
        scored = _clip_score(study, networks, count, count) if split == "test" else {}
        flops = {"features": count * networks.features, **scored}
        output = f"{folder}/{split}.safetensors"
        jobs.append(Job("real_features", output, flops, images[split] * width, name=split))
    test = images["test"]
    flops = {
        "autoencoder": test * (networks.encode + networks.decode),
        "features": test * networks.features,
        **_clip_score(study, networks, test, test),
    }
    output = f"{folder}/reconstruction.safetensors"
    jobs.append(Job("reconstruction_features", output, flops, test * width))
    return [*jobs, _fit_clip_like(study, networks, images)] if fitted else jobs


def _fit_clip_like(study: Study, networks: Networks, images: dict[str, float]) -> Job:
    settings = study.metrics.clip_like
    maps = settings.width * (networks.feature_width + study.text_shape[1])
    # besides the two maps, every caption of a batch is compared with every image, twice
    forward = 2 * maps + 4 * settings.batch * settings.width
    flops = {
        "text encoder": sum(images.values()) * networks.caption,
        "maps": TRAINING_FORWARDS * settings.epochs * images["train"] * forward,
    }
    size = 4 * (maps + images["test"] * settings.width)
    return Job("fit_clip_like", f"{study.results}/cells/reference/retrieval.csv", flops, size)


def _table_jobs(study: Study) -> list[Job]:
    folder = f"{study.results}/tables"
    names = [name for name in tables(study) if name not in _OTHERWISE]
    return [
        Job("count_family", f"{study.results}/models/family.csv"),
        *(Job(name, f"{folder}/{name}.csv") for name in names),
        *(
            Job("collect", f"{folder}/{stage}/{sampler}/best.csv", name=f"{stage} {sampler}")
            for stage, sampler in collected(study)
        ),
        Job("concatenate", f"{folder}/cells.csv"),
        Job("rank_sizes", f"{folder}/metric_agreement.csv"),
    ]


def _illustrate_jobs(study: Study, networks: Networks) -> list[Job]:
    jobs, seed = [], study.training.seeds[0]
    reference, most = networks.forward[study.family.reference_size], study.diffusion.train_timesteps
    strongest = max(study.sampling.guidance)  # what the search will choose costs as much, or half
    fixed, prompts = study.sampling.fixed, len(study.figures.prompts)
    for size in study.family.sizes:
        forward = networks.forward[size]
        bought = {steps_bought(b, forward / reference, most) for b in study.figures.budgets} - {0}
        forwards = prompts * sum(network_evaluations(steps, strongest) for steps in bought)
        forwards += len(ALPHAS) * network_evaluations(fixed.steps, fixed.guidance)
        images = prompts * len(bought) + len(ALPHAS)
        flops = {"U-Net": forwards * forward, "decoding": images * networks.decode}
        path = f"pretrain/{size}/seed{seed}"
        output = f"{study.results}/cells/{path}/illustrations.safetensors"
        disk = images * 3 * study.data.image_size**2
        jobs.append(Job("illustrate", output, flops, disk, f"{size} seed{seed}"))
    return jobs
