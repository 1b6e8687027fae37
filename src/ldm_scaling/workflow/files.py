"""Files that tables and figures are made of: a function of the study for each word of `kinds`.

A word that is neither in `PATHS` nor a function here is a table: `<results>/tables/WORD.csv`. Each
function returns what its option is given, once for each time that the option is repeated.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..kinds.stages import (
    BUDGET,
    DISTILL,
    DREAMBOOTH,
    GUIDED_DISTILL,
    PRETRAIN,
    SAMPLER_OF,
    STITCH,
    SUPERRES,
    is_superres,
)
from ..study.study import Study
from . import needed, stages
from .searches import searched_models, shown_grids, whole_grid
from .settings import stitch_sampler
from .stages import trajectories


class Given(NamedTuple):
    """What an option is given at a time: what the files are of, and the files."""

    labels: tuple[object, ...]
    paths: tuple[str, ...]


PATHS = {
    "captions": "data/test.csv",
    "validation_captions": "data/validation.csv",
    "test_images": "data/test.safetensors",
    "subjects": "data/subjects.csv",
    "subject_images": "data/subjects.safetensors",
    "superres_enlarged": "data/superres/validation.safetensors",
    "test_features": "cells/reference/test.safetensors",
    "validation_features": "cells/reference/validation.safetensors",
    "reconstruction_features": "cells/reference/reconstruction.safetensors",
    "component_counts": "models/components.csv",
    "component_seconds": "models/component_seconds.csv",
    "pair_counts": "models/param_budget.csv",
    "dreambooth_draws": "tables/dreambooth/draws.safetensors",
}
"""words of one file below the study's results"""


def named(study: Study, word: str) -> list[Given]:
    """What a word stands for."""
    if function := globals().get(word):
        return function(study)
    return _at(study, PATHS.get(word, f"tables/{word}.csv"))


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


def cells(study: Study) -> list[Given]:
    """Cells of pretrained models, by the first sampler."""
    return [_collected(study, PRETRAIN, study.sampling.samplers[0])]


def fixed_cells(study: Study) -> list[Given]:
    """Cells of pretrained models, by the sampler of the fixed setting."""
    return [_collected(study, PRETRAIN, study.sampling.fixed.sampler)]


def grid_cells(study: Study) -> list[Given]:
    """Cells of pretrained models, by the first sampler, at every guidance scale."""
    return [_collected(study, PRETRAIN, shown_grids(study)[0])]


def samplers_cells(study: Study) -> list[Given]:
    """Cells of pretrained models, by each sampler."""
    return [_collected(study, PRETRAIN, sampler) for sampler in study.sampling.samplers]


def all_sizes_cells(study: Study) -> list[Given]:
    """Cells of stages that train every size."""
    return [
        _collected(study, stage, sampler)
        for stage, sampler in _stages_and_samplers(study)
        if stage in (PRETRAIN, DISTILL)
    ]


def _with_students(study: Study, kind: str) -> list[tuple[str, str]]:
    students = [pair for pair in _stages_and_samplers(study) if pair[0].startswith(kind)]
    return [(PRETRAIN, study.sampling.fixed.sampler), *students]


def student_cells(study: Study) -> list[Given]:
    """Cells of undistilled models, then of the students of consistency distillation."""
    return [_collected(study, *pair) for pair in _with_students(study, DISTILL)]


def guided_student_cells(study: Study) -> list[Given]:
    """Cells of undistilled models, then of each stage of progressive distillation."""
    return [_collected(study, *pair) for pair in _with_students(study, GUIDED_DISTILL)]


def superres_cells(study: Study) -> list[Given]:
    """Cells of fine-tuned super-resolution models, then of those trained from scratch."""
    return [
        _collected(study, stage, sampler)
        for stage, sampler in _stages_and_samplers(study)
        if is_superres(stage)
    ]


def finetuned_cells(study: Study) -> list[Given]:
    """Cells of fine-tuned super-resolution models."""
    return superres_cells(study)[:1]


def cells_beside_stitch(study: Study) -> list[Given]:
    """Cells of single sizes, by the sampler of stitched trajectories."""
    return [_collected(study, PRETRAIN, stitch_sampler(study))]


def claimed_cells(study: Study) -> list[Given]:
    """All that claims are decided by, with stage and sampler."""
    claimed = [*_stages_and_samplers(study), (PRETRAIN, shown_grids(study)[1])]
    return [_collected(study, *pair, *pair) for pair in dict.fromkeys(claimed)]


def _tables_of_all(study: Study, name: str) -> list[Given]:
    folders = [f"{study.results}/tables/{'/'.join(pair)}" for pair in _stages_and_samplers(study)]
    return [Given((), tuple(f"{folder}/{name}" for folder in folders))]


def every_cells(study: Study) -> list[Given]:
    """The table of cells of each stage and sampler, together."""
    return _tables_of_all(study, "cells.csv")


def every_best(study: Study) -> list[Given]:
    """The table of best guidances of each stage and sampler, together."""
    return _tables_of_all(study, "best.csv")


def fixed_best(study: Study) -> list[Given]:
    """The best guidances of undistilled models, by the sampler of the fixed setting."""
    return _at(study, f"tables/{PRETRAIN}/{study.sampling.fixed.sampler}/best.csv")


def grid_best(study: Study) -> list[Given]:
    """The same, of cells at every scale."""
    return _at(study, f"tables/{PRETRAIN}/{shown_grids(study)[1]}/best.csv")


def student_best(study: Study) -> list[Given]:
    """The best guidances of the students of consistency distillation."""
    stage, sampler = _with_students(study, DISTILL)[1]
    return _at(study, f"tables/{stage}/{sampler}/best.csv")


def searched_cells(study: Study) -> list[Given]:
    """Features, metrics and draws of every scale of each model whose guidance is searched."""
    names = ("features.safetensors", "metrics.csv", "draws.safetensors")
    found = []
    for stage, size, seed, sampler in searched_models(study):
        grid = whole_grid(study, stage, sampler)
        folder = f"{study.results}/cells/{stage}/{size}/seed{seed}/{grid}"
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
    sampler = stitch_sampler(study)
    return [
        _measured(study, STITCH, sizes, seed, sampler, sizes, seed, sampler)
        for sizes, seed in trajectories(study)
    ]


def pair_metrics(study: Study) -> list[Given]:
    """The metrics of each pair of a text encoder and a U-Net, and training seed."""
    sampler = study.sampling.fixed.sampler
    return [
        _measured(study, stage, size, seed, sampler, stage.removeprefix(BUDGET), size, seed)
        for stage, size, seed in stages.pairs(study)
    ]


# ------------------------------------------------------------ tables with draws, tables of counts


def _and_draws(study: Study, name: str) -> list[Given]:
    folder = f"{study.results}/tables"
    return [Given((), (f"{folder}/{name}.csv", f"{folder}/{name}/draws.safetensors"))]


def stitch_and_draws(study: Study) -> list[Given]:
    """Stitched trajectories, if there are any."""
    return _and_draws(study, "stitch") if study.stitch else []


def dreambooth_and_draws(study: Study) -> list[Given]:
    """Scores of subjects, if there are any."""
    return _and_draws(study, "dreambooth") if study.dreambooth else []


def param_budget_and_draws(study: Study) -> list[Given]:
    """Pairs of text encoders and U-Nets, if there are any."""
    return _and_draws(study, "param_budget") if study.param_budget else []


def search_cost_if_searched(study: Study) -> list[Given]:
    """What adaptive searches save and miss, if there is a guidance to find."""
    return _at(study, "tables/search_cost.csv") if searched_cells(study) else []


# ------------------------------------------------------------ images and captions


def _shown(study: Study, sizes: list[str], name: str, stage: str = PRETRAIN) -> list[Given]:
    """A file of each size, of the first training seed: the one that figures show."""
    seed = study.training.seeds[0]
    folder = f"{study.results}/cells/{stage}"
    return [Given((size,), (f"{folder}/{size}/seed{seed}/{name}",)) for size in sizes]


def fixed_images(study: Study) -> list[Given]:
    """Images of each size by the sampler of the fixed setting."""
    name = f"{study.sampling.fixed.sampler}/images.safetensors"
    return _shown(study, study.family.sizes, name)


def grid_images(study: Study) -> list[Given]:
    """The same at every scale, of the sizes that are drawn so."""
    return _shown(study, study.guidance_sizes, f"{shown_grids(study)[1]}/images.safetensors")


def student_images(study: Study) -> list[Given]:
    """Images of the students of consistency distillation."""
    name = f"{SAMPLER_OF[DISTILL]}/images.safetensors"
    return _shown(study, study.family.sizes, name, DISTILL)


def superres_images(study: Study) -> list[Given]:
    """Images that each size enlarged."""
    name = f"{study.sampling.fixed.sampler}/images.safetensors"
    return _shown(study, study.family.sizes, name, SUPERRES)


def illustrations(study: Study) -> list[Given]:
    """Images of each size that no cell has."""
    return _shown(study, study.family.sizes, "illustrations.safetensors")


def _originals(study: Study) -> str:
    return "superres/photos_validation" if needed.superres(study).validation else "test"


def superres_originals(study: Study) -> list[Given]:
    """The images that were made smaller."""
    return _at(study, f"data/{_originals(study)}.safetensors")


def superres_captions(study: Study) -> list[Given]:
    """Captions of the images that were made smaller."""
    return _at(study, f"data/{_originals(study)}.csv")


# ------------------------------------------------------------ features of real images


def clip_like(study: Study) -> list[Given]:
    """The maps of the CLIP-like score, if there is one."""
    return _at(study, "cells/reference/clip_like.safetensors") if study.metrics.clip_like else []


# ------------------------------------------------------------ subjects


def _scores(study: Study, seeds: list[int]) -> list[tuple[str, int, str]]:
    folder = f"{study.results}/cells/{DREAMBOOTH}"
    return [
        (size, seed, f"{folder}/{size}/seed{seed}/scores.safetensors")
        for size, seed in stages.taught(study)
        if seed in seeds
    ]


def every_subject_scores(study: Study) -> list[Given]:
    """Scores of each model that was taught subjects."""
    found = _scores(study, study.training.seeds)
    return [Given((size, seed), (path,)) for size, seed, path in found]


def subject_scores(study: Study) -> list[Given]:
    """Scores and images of each size, of the first training seed: the one that figures show."""
    return [Given((size,), (path,)) for size, _, path in _scores(study, study.training.seeds[:1])]
