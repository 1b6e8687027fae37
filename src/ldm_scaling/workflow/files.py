"""Files that tables and figures are made of, for each word of `kinds`.

Rows of `_cells`, `_images` and `_paths` say what words stand for; others are functions of the
study, which return what their option is given, once for each time that it is repeated. Any other
word is a table: `<results>/tables/WORD.csv`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from ..kinds.metrics import METRICS
from ..kinds.stages import (
    BUDGET,
    CANDIDATES,
    CURRICULUM,
    DISTILL,
    DREAMBOOTH,
    GUIDED_DISTILL,
    INVERSION,
    PRETRAIN,
    STITCH,
    SUPERRES,
    is_consistency,
    is_pretrained,
    is_superres,
)
from ..study.study import Study
from . import stages
from .searches import on_other_schedules, sampler_of, searched_models
from .stages import stitched_sampler, trajectories


class Given(NamedTuple):
    """What an option is given at a time: what the files are of, and the files."""

    labels: tuple[object, ...]
    paths: tuple[str, ...]


def named(study: Study, word: str) -> list[Given]:
    """What a word stands for."""
    if function := globals().get(word):
        return function(study)
    if word in (cells := _cells(study)):
        return [_collected(study, *pair) for pair in cells[word]]
    if word in (images := _images(study)):
        return _shown(study, *images[word])
    return _at(study, _paths(study).get(word, f"tables/{word}.csv"))


def _cells(study: Study) -> dict[str, list[tuple[str, str]]]:
    """Stage and sampler of the cells of a word."""
    every, fixed = _stages_and_samplers(study), (PRETRAIN, study.sampling.fixed.sampler)
    superres = [pair for pair in every if is_superres(pair[0])]
    return {
        "cells": [(PRETRAIN, study.sampling.samplers[0])],
        "fixed_cells": [fixed],
        "samplers_cells": [(PRETRAIN, sampler) for sampler in study.sampling.samplers],
        "all_sizes_cells": [pair for pair in every if pair[0] in (PRETRAIN, DISTILL)],
        "student_cells": [fixed, *(pair for pair in every if pair[0] == DISTILL)],
        "consistency_cells": [pair for pair in every if is_consistency(pair[0])],
        "guided_student_cells": [fixed, *_of(GUIDED_DISTILL, every)],
        "superres_cells": superres,
        "finetuned_cells": superres[:1],
        "curriculum_cells": [fixed, *_of(CURRICULUM, every)],
        "cells_beside_stitch": [(PRETRAIN, stitched_sampler(study))] if study.stitch else [],
    }


def _images(study: Study) -> dict[str, tuple[str, list[str], str]]:
    """Stage, sizes and file of the images of a word."""
    sizes, fixed = study.sizes, f"{study.sampling.fixed.sampler}/images.safetensors"
    student, with_student = stages.student_sampler(study), stages.sizes(study, DISTILL)
    return {
        "fixed_images": (PRETRAIN, sizes, fixed),
        "images_before_distillation": (PRETRAIN, with_student, fixed),
        "guidance_images": (PRETRAIN, study.guidance_sizes, fixed),
        "student_images": (DISTILL, with_student, f"{student}/images.safetensors"),
        "superres_images": (SUPERRES, sizes, fixed),
        "illustrations": (PRETRAIN, sizes, "illustrations.safetensors"),
    }


def _paths(study: Study) -> dict[str, str]:
    """The one file of a word, below the study's results."""
    tables, photos = f"tables/{PRETRAIN}", study.superres and study.superres.validation
    originals = "data/superres/photos_validation" if photos else "data/test"
    return {
        "captions": "data/test.csv",
        "validation_captions": "data/validation.csv",
        "train_images": "data/train.safetensors",
        "validation_images": "data/validation.safetensors",
        "subjects": "data/subjects.csv",
        "subject_images": "data/subjects.safetensors",
        "superres_enlarged": "data/superres/validation.safetensors",
        "superres_originals": f"{originals}.safetensors",
        "superres_captions": f"{originals}.csv",
        "test_features": "cells/reference/test.safetensors",
        "validation_features": "cells/reference/validation.safetensors",
        "verifier": "models/verifier.csv",
        "component_counts": "models/components.csv",
        "component_seconds": "models/component_seconds.csv",
        "pair_counts": "models/param_budget.csv",
        "dreambooth_draws": "tables/dreambooth/draws.safetensors",
        "fixed_best": f"{tables}/{study.sampling.fixed.sampler}/best.csv",
        "student_best": f"tables/{DISTILL}/{stages.student_sampler(study)}/best.csv",
    }


def options(option: str, given: list[Given], paths: Iterable[str]) -> list[str]:
    """The option for each of what it is given, whose paths stand in this order."""
    words, remaining = [], iter(paths)
    for one in given:
        words += [flag(option), *map(str, one.labels)]
        words += [next(remaining) for _ in one.paths]
    return words


def flag(option: str) -> str:
    """An option as a command has it."""
    return f"--{option.replace('_', '-')}"


def _at(study: Study, path: str) -> list[Given]:
    return [Given((), (f"{study.results}/{path}",))]


# ------------------------------------------------------------ cells of models


def _collected(study: Study, stage: str, sampler: str, *labels: str) -> Given:
    folder = f"{study.results}/tables/{stage}/{sampler}"
    return Given(labels, (f"{folder}/cells.csv", f"{folder}/draws.safetensors"))


def _stages_and_samplers(study: Study) -> list[tuple[str, str]]:
    return [(stage, name) for stage, names in stages.samplers(study).items() for name in names]


def _of(kind: str, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair in pairs if pair[0].startswith(kind)]


def claimed_cells(study: Study) -> list[Given]:
    """All that claims are decided by, with stage and sampler."""
    others = [(PRETRAIN, name) for name in on_other_schedules(study)]
    return [_collected(study, *pair, *pair) for pair in (*_stages_and_samplers(study), *others)]


def schedule_cells(study: Study) -> list[Given]:
    """The cells of the first sampler on each schedule, with its name; the study's own first."""
    sampling = study.sampling
    names = {sampling.samplers[0]: sampling.schedule} | on_other_schedules(study)
    return [_collected(study, PRETRAIN, name, schedule) for name, schedule in names.items()]


def _of_prompts(study: Study) -> list[tuple[str, str, str]]:
    """Stage, sampler and schedule of all cells that make images of the test prompts.

    What several models sample together is not among them.
    """
    others = [(PRETRAIN, name, schedule) for name, schedule in on_other_schedules(study).items()]
    own = study.sampling.schedule
    every = [(*pair, own) for pair in _stages_and_samplers(study) if not is_superres(pair[0])]
    return [*every, *others]


def frontier_cells(study: Study) -> list[Given]:
    """All cells that make images of the test prompts, with the schedule of their steps."""
    return [_collected(study, *names, schedule) for *names, schedule in _of_prompts(study)]


def frontier_images(study: Study) -> list[Given]:
    """Their images, of the first training seed, with stage, size, sampler and schedule."""
    seed, own = study.training_seeds[0], study.sampling.schedule
    models = [
        (stage, size, name, schedule)
        for stage, name, schedule in _of_prompts(study)
        for size in stages.sizes(study, stage)
    ]
    models += [
        (STITCH, sizes, stitched_sampler(study), own)
        for sizes, first in trajectories(study)
        if first == seed
    ]
    models += [
        (INVERSION, size, stages.student_sampler(study), own)
        for size, first in stages.inverted(study)
        if first == seed
    ]
    found = []
    for stage, size, name, schedule in models:
        path = f"{study.results}/cells/{stage}/{size}/seed{seed}/{name}/images.safetensors"
        found.append(Given((stage, size, sampler_of(name), schedule), (path,)))
    for stage, size, own_seed in stages.with_candidates(study):
        if own_seed == seed:
            path = (
                f"{study.results}/cells/{CANDIDATES}/{stage}/{size}/seed{seed}/images.safetensors"
            )
            found.append(
                Given((stage, size, stages.candidates_sampler(study, stage), own), (path,))
            )
    return found


def _tables_of_all(study: Study, name: str) -> list[Given]:
    folders = [f"{study.results}/tables/{'/'.join(pair)}" for pair in _stages_and_samplers(study)]
    return [Given((), tuple(f"{folder}/{name}" for folder in folders))]


def every_cells(study: Study) -> list[Given]:
    """The table of cells of each stage and sampler, together."""
    return _tables_of_all(study, "cells.csv")


def every_best(study: Study) -> list[Given]:
    """The table of best guidances of each stage and sampler, together."""
    return _tables_of_all(study, "best.csv")


def searched_cells(study: Study) -> list[Given]:
    """Features, metrics and draws of every scale of each model whose guidance is searched."""
    names = ("features.safetensors", "metrics.csv", "draws.safetensors")
    found = []
    for stage, size, seed, sampler in searched_models(study):
        folder = f"{study.results}/cells/{stage}/{size}/seed{seed}/{sampler}"
        paths = tuple(f"{folder}/{name}" for name in names)
        found.append(Given((stage, size, seed, sampler), paths))
    return found


def _measured(study: Study, stage: str, size: str, seed: int, sampler: str, *labels) -> Given:
    folder = f"{study.results}/cells/{stage}/{size}/seed{seed}/{sampler}"
    return Given(labels, (f"{folder}/metrics.csv", f"{folder}/draws.safetensors"))


def measured(study: Study, stage: str, name: str, sampler: str) -> list[Given]:
    """The metrics of each model of a stage by a sampler, whose cells stand under a name."""
    return [
        _measured(study, *model, name, *model, sampler)
        for model in stages.models(study)
        if model[0] == stage
    ]


def stitched_metrics(study: Study) -> list[Given]:
    """The metrics of each sequence of sizes and training seed."""
    sampler = stitched_sampler(study)
    return [
        _measured(study, STITCH, sizes, seed, sampler, sizes, seed, sampler)
        for sizes, seed in trajectories(study)
    ]


def toned_metrics(study: Study) -> list[Given]:
    """The metrics of each model that is asked for prompts without a tone."""
    sampler = stages.bias_sampler(study)
    return [_measured(study, *model, sampler, *model, sampler) for model in stages.toned(study)]


def candidates_metrics(study: Study) -> list[Given]:
    """The metrics of the candidates of each model."""
    found = []
    for stage, size, seed in stages.with_candidates(study):
        folder = f"{study.results}/cells/{CANDIDATES}/{stage}/{size}/seed{seed}"
        labels = (stage, size, seed, stages.candidates_sampler(study, stage))
        found.append(Given(labels, (f"{folder}/metrics.csv", f"{folder}/draws.safetensors")))
    return found


def inverted_metrics(study: Study) -> list[Given]:
    """The metrics of each student whose noise is made for a score."""
    sampler = stages.student_sampler(study)
    return [
        _measured(study, INVERSION, size, seed, sampler, size, seed, sampler)
        for size, seed in stages.inverted(study)
    ]


def pair_metrics(study: Study) -> list[Given]:
    """The metrics of each pair of a text encoder and a U-Net, and training seed."""
    sampler = study.sampling.fixed.sampler
    return [
        _measured(study, stage, size, seed, sampler, stage.removeprefix(BUDGET), size, seed)
        for stage, size, seed in stages.pairs(study)
    ]


def noise_losses(study: Study) -> list[Given]:
    """Losses by noise level of each pretrained model, and of those trained by a curriculum."""
    return [
        Given(
            model, (f"{study.results}/models/{stage}/{size}/seed{seed}/noise_losses.safetensors",)
        )
        for model in stages.models(study)
        for stage, size, seed in [model]
        if is_pretrained(stage)
    ]


# ------------------------------------------------------------ tables with draws


def _and_draws(study: Study, section: str) -> list[Given]:
    """The table of a section with its draws, if the study has the section."""
    folder = f"{study.results}/tables/{section}"
    paths = (f"{folder}.csv", f"{folder}/draws.safetensors")
    return [Given((), paths)] if getattr(study, section) else []


candidates_and_draws = partial(_and_draws, section="candidates")
stitch_and_draws = partial(_and_draws, section="stitch")
inversion_and_draws = partial(_and_draws, section="inversion")
dreambooth_and_draws = partial(_and_draws, section="dreambooth")
param_budget_and_draws = partial(_and_draws, section="param_budget")
bias_and_draws = partial(_and_draws, section="bias")


def search_cost_if_searched(study: Study) -> list[Given]:
    """What adaptive searches save and miss, if they can be replayed."""
    return _at(study, "tables/search_cost.csv") if study.has_every_scale else []


# ------------------------------------------------------------ images and captions


def test_images(study: Study) -> list[Given]:
    """The real images that have the prompts as captions, if there are any."""
    return _at(study, "data/test.safetensors") if study.compares_with_images else []


def floors(study: Study) -> list[Given]:
    """The floors, where there are real images."""
    return _at(study, "tables/floors.csv") if study.compares_with_images else []


def _shown(study: Study, stage: str, sizes: list[str], name: str) -> list[Given]:
    """A file of each size, of the first training seed: the one that figures show."""
    seed = study.training_seeds[0]
    folder = f"{study.results}/cells/{stage}"
    return [Given((size,), (f"{folder}/{size}/seed{seed}/{name}",)) for size in sizes]


# ------------------------------------------------------------ features of real images


def reconstruction_features(study: Study) -> list[Given]:
    """Features of images through the autoencoder; adopted models have one each."""
    path = "cells/reference/reconstruction.safetensors"
    return _at(study, path) if study.trains else []


def searched_reference(study: Study) -> list[Given]:
    """Features of real images, where guidance is searched by comparing with them."""
    compares = METRICS[study.metrics.select_by].compares
    return _at(study, "cells/reference/test.safetensors") if compares else []


def clip_like(study: Study) -> list[Given]:
    """The maps of the CLIP-like score, if there is one."""
    return _at(study, "cells/reference/clip_like.safetensors") if study.metrics.clip_like else []


# ------------------------------------------------------------ subjects


def _scores(study: Study) -> list[tuple[str, int, str]]:
    folder = f"{study.results}/cells/{DREAMBOOTH}"
    return [
        (size, seed, f"{folder}/{size}/seed{seed}/scores.safetensors")
        for size, seed in stages.taught(study)
    ]


def every_subject_scores(study: Study) -> list[Given]:
    """Scores of each model that was taught subjects."""
    return [Given((size, seed), (path,)) for size, seed, path in _scores(study)]


def subject_scores(study: Study) -> list[Given]:
    """Scores and images of each size, of the first training seed: the one that figures show."""
    first = study.training_seeds[0]
    return [Given((size,), (path,)) for size, seed, path in _scores(study) if seed == first]
