"""Checks across the sections of a study; each raises ValueError that names the key."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TypeVar

from ..kinds.architectures import ARCHITECTURES
from ..kinds.metrics import METRICS
from ..kinds.samplers import NATIVE, SAMPLERS
from ..kinds.sizes import SEPARATOR, channels
from ..kinds.stages import SECTIONS
from .adopted import AdoptedModel
from .distill import FEW_STEPS
from .sampling import at_most
from .sections import Sections
from .stitch import allocations
from .superres import MIN_SIDE

Whole = TypeVar("Whole", bound=Sections)


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
    _check_sizes(study, "figures.guidance_sizes", study.guidance_sizes)


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
    _check_steps(study, "sampling.steps", study.sampling.steps)
    _check_steps(study, "sampling.fixed.steps", [study.sampling.fixed.steps])
    _check_sizes(study, "training.lr_by_size", study.training.lr_by_size or {})


def check_adopted(study: Sections) -> None:
    """Check the section against the rest of the study. Raises ValueError that names the key."""
    if study.adopted is None:
        return
    sampling = study.sampling
    if sampling.other_schedules and sampling.samplers[0] == NATIVE:
        raise ValueError(
            f"sampling.other_schedules: {NATIVE}, the first of sampling.samplers, has a schedule"
            " of its own; set null"
        )
    own = {model.name: model for model in study.adopted.compared}
    taught = [own[name] for name in study.adopted.students]

    def steps_of(model: AdoptedModel) -> set[int]:
        names = (model.name, sampling.fixed.sampler)
        return set(at_most(model.steps or sampling.steps, sampling.most_steps, *names))

    if not _shared(map(steps_of, taught)):
        names = ", ".join(model.name for model in taught)
        raise ValueError(
            f"adopted.models: {names} share no step count, at which figures could show them beside"
            " their students; give their steps a common one"
        )
    drawn = [own[name] for name in study.guidance_sizes]
    if study.has_every_scale and not (
        _shared(map(steps_of, drawn))
        and _shared(set(model.guidance or sampling.guidance) for model in drawn)
    ):
        raise ValueError(
            f"figures.guidance_sizes: {', '.join(study.guidance_sizes)} share no step count or no"
            " guidance scale; name models that do"
        )
    for student in study.adopted.students.values():
        if FEW_STEPS not in (student.steps or sampling.students.steps):
            raise ValueError(
                f"adopted.models: {student.name} lacks {FEW_STEPS} steps, at which students are"
                f" compared; add {FEW_STEPS} to its steps"
            )


def _shared(grids: Iterable[set]) -> bool:
    """Whether grids have a common value; there may be no grids."""
    listed = list(grids)
    return not listed or bool(set.intersection(*listed))


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


def _check_steps(study: Sections, key: str, steps: Iterable[int]) -> None:
    if (most := max(steps)) > (levels := study.diffusion.train_timesteps):
        raise ValueError(
            f"{key}: {most} steps are more than diffusion.train_timesteps ({levels}); lower them"
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


def _check_sizes(study: Sections, key: str, sizes: Iterable[str]) -> None:
    if unknown := set(sizes) - set(study.sizes):
        known = "family.sizes" if study.trains else "adopted.models"
        raise ValueError(f"{key}: {min(unknown)} is not in {known}; add it there, or remove it")


def check_students(study: Sections) -> None:
    """Raise ValueError, naming the key, if students do not fit the rest of a study."""
    architecture = ARCHITECTURES[study.family.architecture]
    if (study.distill or study.guided_distill) and not architecture.students:
        key = "distill" if study.distill else "guided_distill"
        raise ValueError(f"{key}: architecture {architecture.name} has no students; set null")
    levels, most = study.diffusion.train_timesteps, max(study.sampling.students.steps)
    if (study.distill or study.guided_distill) and FEW_STEPS not in study.sampling.students.steps:
        raise ValueError(
            f"sampling.students.steps: students are compared at {FEW_STEPS} steps; add {FEW_STEPS}"
        )
    if study.distill and not most <= study.distill.teacher_steps <= levels:
        raise ValueError(
            f"distill.teacher_steps: must be at least {most}, the largest of"
            f" sampling.students.steps, and at most diffusion.train_timesteps ({levels})"
        )
    if study.distill and levels % study.distill.teacher_steps:
        raise ValueError(
            f"distill.teacher_steps: must divide diffusion.train_timesteps ({levels}), so that"
            " students start at pure noise"
        )
    for name, section in (("distill", study.distill), ("guided_distill", study.guided_distill)):
        untold = set(study.sampling.students.guidance) - set(section.guidance if section else [])
        if section and untold:
            raise ValueError(
                f"sampling.students.guidance: students do not learn {min(untold):g}; add it to"
                f" {name}.guidance, or remove it here"
            )
    if study.guided_distill:
        if study.sampling.schedule == "leading":
            raise ValueError(
                "guided_distill: a student's levels must be every second one of its teacher's,"
                " which sampling.schedule leading has not; set null, or take trailing or linspace"
            )
        _check_sizes(study, "guided_distill.sizes", study.guided_distill.sizes or [])
        if 2 * study.guided_distill.steps[0] > levels:
            raise ValueError(
                f"guided_distill.steps: {study.guided_distill.steps[0]} steps are more than half of"
                f" diffusion.train_timesteps ({levels})"
            )


def check_prompts(study: Sections) -> None:
    """Check that cells have images of the prompts that figures draw."""
    if (last := max(study.figures.prompts)) >= study.sampling.n:
        raise ValueError(
            f"figures.prompts: row {last} is not sampled; rows must be below sampling.n"
        )


def check_superres(study: Sections) -> None:
    """Check the section against the rest of the study. Raises ValueError that names the key."""
    superres = study.superres
    if superres is None:
        return
    if not ARCHITECTURES[study.family.architecture].superres:
        name = study.family.architecture
        raise ValueError(f"superres: architecture {name} takes no second image; set null")
    if not METRICS[study.metrics.select_by].compares:
        raise ValueError(
            f"superres: its images have no captions, and so no {study.metrics.select_by}, which"
            " metrics.select_by names; set superres: null"
        )
    if study.data.image_size < MIN_SIDE:
        raise ValueError(
            f"superres: needs data.image_size of {MIN_SIDE} or more; otherwise set superres: null"
        )
    _check_sizes(study, "superres.scratch", superres.scratch or [])
    found, key = study.data.splits.test, "data.splits.test"
    if superres.validation:
        found, key = superres.validation.patches, "superres.validation.patches"
    for name, photos in (("training", superres.training), ("validation", superres.validation)):
        if photos and photos.side and photos.side < study.data.image_size:
            raise ValueError(
                f"superres.{name}.side: {photos.side} is smaller than data.image_size"
                f" ({study.data.image_size})"
            )
    if superres.n > found:
        raise ValueError(f"superres.n: {superres.n} is larger than {key} ({found})")
    if (components := study.metrics.components or 0) >= superres.n:
        raise ValueError(
            f"superres.n: must be larger than the components of metrics.extractors ({components})"
        )
    _check_steps(study, "superres.steps", superres.steps)
    if max(study.figures.prompts) >= superres.n:
        raise ValueError("superres.n: must be larger than every row in figures.prompts")
    if not study.data.is_packed and superres.training is None:
        raise ValueError(
            "superres.training: data.source webdataset needs a folder of photographs,"
            " such as {path: resources/df2k, patches: 100000}"
        )


def check_param_budget(study: Sections) -> None:
    """Check the section against the rest of the study. Raises ValueError that names the key."""
    budget = study.param_budget
    if budget is None:
        return
    own = ARCHITECTURES[study.family.architecture]
    unit = math.lcm(*(getattr(study.family, name) for name in own.divisors))
    keys = " and ".join(f"family.{name}" for name in own.divisors)
    for size in budget.sizes:
        if not re.fullmatch(own.size, size):
            known = study.family.sizes[0]
            raise ValueError(f"param_budget.sizes: {size} is not a size such as {known}")
        if channels(size) % unit:
            raise ValueError(
                f"param_budget.sizes: the channels of {size} must be a multiple of {unit}, for"
                f" {keys}"
            )
    _check_steps(study, "param_budget.steps", [budget.steps])


def of_evaluation(study: Whole) -> Whole:
    """The study of adopted models, with the source of its evaluation as the only one."""
    own = study.data.evaluation
    if own is None:
        return study
    only = {"source": own.source, "path": own.path, "revision": None, "max_images": None}
    data = study.data.model_copy(update={**only, "evaluation": None})
    return study.model_copy(update={"data": data})


def with_subjects(study: Whole) -> Whole:
    """The study, without the section `dreambooth` if there are no subjects.

    Raises ValueError, naming the key, if the section does not fit the others.
    """
    dreambooth = study.dreambooth
    if dreambooth is None:
        return study
    _check_sizes(study, "dreambooth.sizes", dreambooth.sizes or [])
    of_emoji = study.data.source == "emoji" and study.data.evaluation is None
    if dreambooth.path is None and not of_emoji:
        return study.model_copy(update={"dreambooth": None})
    return study


def with_trajectories(study: Whole) -> Whole:
    """The study, without the section `stitch` if it names no sizes and the family has only one.

    Raises ValueError, naming the key, if the section does not fit the others.
    """
    stitch, listed = study.stitch, sequences(study)
    if stitch is None:
        return study
    if not listed:
        return study.model_copy(update={"stitch": None})
    named = [SEPARATOR.join(sizes) for sizes in listed]
    if twice := [name for name in named if named.count(name) > 1]:
        raise ValueError(f"stitch.sizes: {twice[0]} is listed twice; remove one")
    _check_sizes(study, "stitch.sizes", {size for sizes in listed for size in sizes})
    steps = stitch.steps or study.sampling.steps
    for sizes, name in zip(listed, named, strict=True):
        if not any(allocations(count, stitch.shares, len(sizes)) for count in steps):
            raise ValueError(
                f"stitch.shares: a size of {name} has no step at any number of steps; change shares"
            )
    _check_steps(study, "stitch.steps", steps)
    if stitch.sampler and stitch.sampler not in study.sampling.samplers:
        raise ValueError(f"stitch.sampler: {stitch.sampler} is not in sampling.samplers")
    return study


def sequences(study: Sections) -> list[list[str]]:
    """The sizes of each stitched trajectory, in the order in which they denoise.

    Without a list, each size except the smallest comes before the largest. With two sizes it is the
    smaller one. The control is the largest before the second largest.
    """
    if study.stitch is None:
        return []
    if study.stitch.sizes:
        return study.stitch.sizes
    rising = sorted(study.family.sizes, key=channels)
    smaller = rising[1:-1] or rising[:-1]
    pairs = [[size, rising[-1]] for size in smaller]
    return pairs + [pair[::-1] for pair in pairs[-1:]]
