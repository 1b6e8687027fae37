"""Checks of a study that trains its models."""

from __future__ import annotations

from ...kinds.architectures import ARCHITECTURES
from ...kinds.samplers import SAMPLERS
from ...kinds.stages import SECTIONS
from ..sections import Sections
from .shared import check_sizes, check_steps


def check_training(study: Sections) -> None:
    """Check the sections of a study that trains its models against the others."""
    _check_latent_side(study)
    packed = study.data.is_packed
    if packed and not study.latents.cache:
        raise ValueError("latents.cache: false is for data.source webdataset only; set true")
    if not packed and study.latents.autoencoder.pretrained is None:
        raise ValueError(
            "latents.autoencoder.pretrained: data.source webdataset needs a trained one; name it"
        )
    if not packed and study.metrics.clip_like:
        raise ValueError("metrics.clip_like: must be null for data.source webdataset")
    own = study.latents.text_encoder.pretrained
    if same := [scorer.name for scorer in study.metrics.scorers if scorer.pretrained == own]:
        raise ValueError(
            f"metrics.scorers: the model of {same[0]} is also the text encoder of the U-Nets, so"
            " its score would favour them; choose another model"
        )
    for name in study.sampling.samplers:
        if SAMPLERS[name].of_adopted:
            raise ValueError(f"sampling.samplers: {name} is for adopted models; remove it")
    check_steps(study, "sampling.steps", study.sampling.steps)
    check_steps(study, "sampling.fixed.steps", [study.sampling.fixed.steps])
    check_sizes(study, "training.lr_by_size", study.training.lr_by_size or {})


def check_seeds(study: Sections) -> None:
    """Check the seeds of stages after pretraining: a model of theirs starts from one of its seed.

    Figures show images of the first seed, so that each stage has it.
    """
    first, *_ = known = study.training.seeds
    if study.metrics.training_sd is not None and len(known) > 1:
        raise ValueError(
            "metrics.training_sd: several training.seeds measure how trainings differ; set null"
        )
    for name in SECTIONS:
        own = getattr(getattr(study, name), "seeds", None) or known
        if unknown := set(own) - set(known):
            raise ValueError(
                f"{name}.seeds: {min(unknown)} is not in training.seeds; add it there, or remove it"
            )
        if first not in own:
            raise ValueError(
                f"{name}.seeds: lacks {first}, the first of training.seeds, whose images figures"
                " show; add it"
            )


def _check_latent_side(study: Sections) -> None:
    """Check that an architecture with levels can halve the latents."""
    side, rest = divmod(study.data.image_size, study.latents.autoencoder.downsampling)
    key = ARCHITECTURES[study.family.architecture].levels
    unit = 2 ** (len(getattr(study.family, key)) - 1) if key else 1
    if rest or side % unit:
        levels = f", for the levels of family.{key}" if key else ""
        raise ValueError(
            f"data.image_size: {study.data.image_size} divided by latents.autoencoder.downsampling"
            f" must be a multiple of {unit}{levels}"
        )
