"""What a study may lack. A job of what is lacking raises StudyError, in one line."""

from __future__ import annotations

from typing import TypeVar

from ..study.adopted import Adopted
from ..study.bias import Bias
from ..study.candidates import Candidates
from ..study.curriculum import CurriculumArms
from ..study.distill import Arm, Distill, GuidedDistill
from ..study.dreambooth import DreamBooth
from ..study.fields import StudyError
from ..study.inversion import Inversion
from ..study.metrics import ClipLike, FeatureNetwork, Judge
from ..study.param_budget import ParamBudget
from ..study.stitch import Stitch
from ..study.study import Study
from ..study.superres import Photos, SuperRes

Section = TypeVar("Section")


def _given(section: Section | None, key: str, why: str) -> Section:
    if section is None:
        raise StudyError(f"config key {key}: is null{why}")
    return section


def adopted(study: Study) -> Adopted:
    """The section `adopted`."""
    return _given(study.adopted, "adopted", "; the study trains its models")


def distill(study: Study) -> Distill:
    """The section `distill`."""
    return _given(study.distill, "distill", "; nothing is distilled")


def arms(study: Study) -> dict[str, Arm]:
    """The key `distill.stochastic`."""
    return _given(
        study.arms,
        "distill.stochastic",
        "; there are no arms to compare. studies/pocket-scott.yaml has some",
    )


def arm(study: Study, name: str) -> Arm:
    """An arm of stochastic distillation."""
    return _given(arms(study).get(name), f"distill.stochastic.{name}", "; add it there")


def guided_distill(study: Study) -> GuidedDistill:
    """The section `guided_distill`."""
    return _given(study.guided_distill, "guided_distill", "; nothing is distilled")


def superres(study: Study) -> SuperRes:
    """The section `superres`."""
    return _given(study.superres, "superres", "; nothing is enlarged")


def photos(study: Study, split: str) -> Photos:
    """The photographs of super-resolution of the split train or validation."""
    key = {"train": "training"}.get(split, split)
    given = getattr(superres(study), key)
    return _given(given, f"superres.{key}", "; name a folder of photographs")


def trains(study: Study) -> bool:
    """That the study trains its models."""
    if study.adopted:
        raise StudyError("config key adopted: these models are not trained here; nothing to show")
    return True


def has_students(study: Study) -> bool:
    """That there are students of few steps."""
    if not study.has_students:
        key = "adopted.models: none is few_step_of another" if study.adopted else "distill: is null"
        raise StudyError(f"config key {key}; nothing is distilled")
    return True


def compares_with_training(study: Study) -> bool:
    """That the training split is a file of images."""
    trains(study)
    if not study.data.is_packed:
        raise StudyError(
            f"config key data.source: images of {study.data.source} stay in their shards; they are"
            " not compared with held-out ones"
        )
    return True


def compares_with_images(study: Study) -> bool:
    """That there are real images."""
    if not study.compares_with_images:
        raise StudyError(
            "config key data.evaluation: has prompts alone; there are no images to compare with"
        )
    return True


def compares_metrics(study: Study) -> bool:
    """That there are several metrics."""
    if not study.compares_metrics:
        raise StudyError(
            "config key metrics: there is one metric only, and none to compare it with"
        )
    return True


def dreambooth(study: Study) -> DreamBooth:
    """The section `dreambooth`."""
    why = ", or has no path where data.source is not emoji; no subject is taught"
    return _given(study.dreambooth, "dreambooth", why)


def stitch(study: Study) -> Stitch:
    """The section `stitch`."""
    return _given(study.stitch, "stitch", ", or the family has one size; nothing is stitched")


def param_budget(study: Study) -> ParamBudget:
    """The section `param_budget`."""
    return _given(study.param_budget, "param_budget", "; no parameters are split")


def curriculum(study: Study) -> CurriculumArms:
    """The section `curriculum`."""
    return _given(
        study.curriculum,
        "curriculum",
        "; no curricula are compared. studies/pocket-curriculum.yaml compares some",
    )


def bias(study: Study) -> Bias:
    """The section `bias`."""
    return _given(study.bias, "bias", "; no shares of tones are measured")


def candidates(study: Study) -> Candidates:
    """The section `candidates`."""
    return _given(study.candidates, "candidates", "; each image is kept")


def inversion(study: Study) -> Inversion:
    """The section `inversion`."""
    return _given(study.inversion, "inversion", "; no noise is made for a score")


def other_schedules(study: Study) -> list[str]:
    """The key `sampling.other_schedules`."""
    why = "; no schedules are compared"
    return _given(study.sampling.other_schedules, "sampling.other_schedules", why)


def has_every_scale(study: Study) -> bool:
    """That guidance is chosen among several scales, all of them sampled whole."""
    if not study.chooses_guidance:
        raise StudyError("config key sampling.guidance: has one scale; none is chosen")
    if study.searches:
        raise StudyError(
            "config key search.method: an adaptive search samples one scale whole, and this"
            " shows every scale; set it to grid"
        )
    return True


def clip_like(study: Study) -> ClipLike:
    """The section `metrics.clip_like`."""
    return _given(study.metrics.clip_like, "metrics.clip_like", "; nothing is fitted")


def judge(study: Study) -> Judge:
    """The section `metrics.judge`."""
    return _given(study.metrics.judge, "metrics.judge", "; nothing is judged")


def judge_extractor(study: Study) -> FeatureNetwork:
    """The network whose features a second CLIP-like score is fitted on."""
    return _given(judge(study).extractor, "metrics.judge.extractor", "; its judge is a scorer")
