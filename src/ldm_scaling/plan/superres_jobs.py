"""The jobs of super-resolution but training and sampling: low-resolution images, their latents."""

from __future__ import annotations

import math

from ..costs.networks import Networks
from ..study.study import Study
from ..study.superres import SCALE
from .job import Job


def superres_jobs(study: Study, networks: Networks, images: dict[str, float]) -> list[Job]:
    """Those of a study that has the stage; `images` are those of each split."""
    settings, jobs = study.superres, []
    pixels, latents = 3 * study.data.image_size**2, 4 * math.prod(study.latent_shape)
    photos = {"train": settings.training, "validation": settings.validation}
    for split, source in photos.items():
        count = images[split] if source is None else source.patches
        if source:
            path = f"superres/photos_{split}"
            csv = f"{study.results}/data/{path}.csv"
            jobs.append(Job("crop_photos", csv, bytes=count * pixels, name=split))
            if split == "train":
                jobs.append(_encoding(study, networks, path, count, latents))
        low = count if split == "train" else settings.n
        size = low * pixels * (1 + 1 / SCALE**2)
        path = f"superres/{split}"
        output = f"{study.results}/data/{path}.safetensors"
        jobs += [
            Job("degrade", output, bytes=size, name=split),
            _encoding(study, networks, path, low, latents),
        ]
    flops = {
        "autoencoder": settings.n * (networks.encode + networks.decode),
        "features": 2 * settings.n * networks.features,
        "perceptual distance": 4 * settings.n * networks.perceptual,
    }
    table = f"{study.results}/tables/superres_baselines.csv"
    jobs.append(Job("superres_baselines", table, flops))
    if source := settings.validation:
        flops = {"features": source.patches * networks.features}
        output = f"{study.results}/cells/reference/superres/photos_validation.safetensors"
        size = 2 * networks.feature_width * source.patches
        jobs.append(Job("real_features", output, flops, size, "superres/photos_validation"))
    return jobs


def _encoding(study: Study, networks: Networks, path: str, count: float, latents: int) -> Job:
    flops = {"autoencoder": count * networks.encode}
    output = f"{study.results}/latents/{path}.safetensors"
    return Job("encode_images", output, flops, count * latents, path)
