"""Checks of the keys that every study has, and what the checks of single sections share."""

from __future__ import annotations

from collections.abc import Iterable

from ..sections import Sections


def check_shapes_and_counts(study: Sections) -> None:
    """Check the sections that every study has against each other."""
    _check_images(study)
    _check_counts(study)
    if study.searches and len(study.training_seeds) > 1:
        raise ValueError(
            "search.method: adaptive finds the guidance of one model, but with several"
            " training.seeds it is chosen for their mean; set it to grid"
        )
    _check_most_steps(study)
    check_sizes(study, "figures.guidance_sizes", study.guidance_sizes)


def check_prompts(study: Sections) -> None:
    """Check that cells have images of the prompts that figures draw."""
    if (last := max(study.figures.prompts)) >= study.sampling.n:
        raise ValueError(
            f"figures.prompts: row {last} is not sampled; rows must be below sampling.n"
        )


def check_sizes(study: Sections, key: str, sizes: Iterable[str]) -> None:
    """Raise ValueError if `key` names a size that the study lacks."""
    if unknown := set(sizes) - set(study.sizes):
        known = "family.sizes" if study.trains else "adopted.models"
        raise ValueError(f"{key}: {min(unknown)} is not in {known}; add it there, or remove it")


def check_steps(study: Sections, key: str, steps: Iterable[int]) -> None:
    """Raise ValueError if `key` has more steps than there are noise levels."""
    if (most := max(steps)) > (levels := study.diffusion.train_timesteps):
        raise ValueError(
            f"{key}: {most} steps are more than diffusion.train_timesteps ({levels}); lower them"
        )


def _check_images(study: Sections) -> None:
    """Check that features are compared with real images where there are any, and only there."""
    extractor = study.metrics.extractor
    if study.compares_with_images:
        if extractor is None:
            raise ValueError("metrics.extractors: [] is for prompts alone; name one")
        return
    if study.trains:
        key = "evaluation" if study.data.evaluation else "source"
        raise ValueError(
            f"data.{key}: prompts alone are for adopted models; a study that trains its own needs"
            " images"
        )
    if extractor:
        raise ValueError(
            f"metrics.extractors: there are prompts alone, and no images that {extractor} could"
            " compare with; set [], and let select_by name a scorer"
        )


def _check_counts(study: Sections) -> None:
    splits = study.data.splits
    for split, count in (("test", splits.test), ("validation", splits.validation)):
        if study.compares_with_images and study.sampling.n > count:
            raise ValueError(
                f"sampling.n: {study.sampling.n} is larger than data.splits.{split} ({count})"
            )
    for own in study.metrics.extractors:
        if (own.components or 0) >= study.sampling.n:
            raise ValueError(
                f"metrics.extractors: the components of {own.name} must be fewer than sampling.n"
                f" ({study.sampling.n})"
            )


def _check_most_steps(study: Sections) -> None:
    sampling, models = study.sampling, study.adopted.compared if study.adopted else []
    own = {model.name: model.steps for model in models if model.steps}
    for name, most in (sampling.most_steps or {}).items():
        if name not in (*study.sizes, *sampling.samplers):
            known = "family.sizes" if study.trains else "adopted.models"
            raise ValueError(
                f"sampling.most_steps: {name} is neither in {known} nor in sampling.samplers;"
                " add it there, or remove it"
            )
        sizes = [name] if name in study.sizes else study.sizes
        fewest = max(min(own.get(size, sampling.steps)) for size in sizes)
        if most < fewest:
            raise ValueError(
                f"sampling.most_steps: {name} would have none of its steps; allow it {fewest} or"
                " more"
            )
