"""The jobs of stage dreambooth, for the plan."""

from __future__ import annotations

import math

from ..costs.networks import Networks
from ..diffusion.sampling import network_evaluations
from ..study.study import Study
from ..tables.fits import TRAINING_FORWARDS
from ..workflow import stages
from .job import Job, whole_batches


def dreambooth_jobs(study: Study, networks: Networks) -> list[Job]:
    """Every job up to the table of scores; none without subjects."""
    settings = study.dreambooth
    if settings is None:
        return []
    prompts = settings.subjects * (len(settings.prompts) + 2)
    flops = {"text encoder": (prompts + 1) * networks.caption}
    size = prompts * 2 * math.prod(study.text_shape)
    encoded = f"{study.results}/latents/subjects.safetensors"
    return [
        Job("prepare_subjects", f"{study.results}/data/subjects.csv"),
        Job("encode_subjects", encoded, flops, size),
        *(job for model in stages.taught(study) for job in _of_model(study, networks, *model)),
        Job("dreambooth_table", f"{study.results}/tables/dreambooth.csv"),
    ]


def _of_model(study: Study, networks: Networks, size: str, seed: int) -> list[Job]:
    settings, fixed, name = study.dreambooth, study.sampling.fixed, f"{size} seed{seed}"
    forward = networks.forward[size]
    sampling = network_evaluations(fixed.steps, fixed.guidance) * forward
    models = f"{study.results}/models/dreambooth/{size}/seed{seed}"
    classes = settings.subjects * settings.prior_images
    latents = 4 * math.prod(study.latent_shape)
    prior = {"U-Net": classes * sampling}
    jobs = [
        Job("sample_prior", f"{models}/prior.safetensors", prior, classes * latents, name),
    ]
    # of the subject, and as many of its class
    seen = 2 * whole_batches(settings.images, settings.batch)
    flops, weights = {"U-Net": TRAINING_FORWARDS * seen * forward}, 4 * networks.params[size]
    for subject in range(settings.subjects):
        summary = f"{models}/subject{subject}/summary.json"
        jobs.append(Job("dreambooth", summary, flops, weights, f"{name} subject{subject}"))
    return [*jobs, _score_job(study, networks, name, sampling)]


def _score_job(study: Study, networks: Networks, name: str, sampling: float) -> Job:
    """Prompts and classes, each before and after; what DINO costs is not counted."""
    settings = study.dreambooth
    prompts = settings.subjects * len(settings.prompts)
    images = 4 * prompts * settings.images_per_prompt
    flops = {
        "U-Net": images * sampling,
        "decoding": images * networks.decode,
        "features": images * networks.features,
    }
    if study.metrics.clip:
        flops["CLIP score"] = images * networks.clip_image + prompts * networks.clip_caption
    if settings.dino:
        flops["DINO"] = math.nan
    output = f"{study.results}/cells/dreambooth/{name.replace(' ', '/')}/scores.safetensors"
    disk = 2 * prompts * 3 * study.data.image_size**2
    return Job("score_subjects", output, flops, disk, name)
