"""What wildcards of paths may be, as regular expressions."""

from __future__ import annotations

import re

from ..kinds.noises import FITTED, NAME
from ..kinds.schedules import SCHEDULES
from ..kinds.sizes import SEPARATOR, SIZE
from ..kinds.stages import (
    ARM,
    BALANCED,
    BIAS,
    CURRICULA,
    DISTILL,
    ENLARGING,
    GUIDED_DISTILL,
    INVERSION,
    PAIR,
    PRETRAIN,
    STITCH,
)
from ..study.study import Study

STAGE = rf"{PRETRAIN}|{CURRICULA}|{DISTILL}|{ARM}|{GUIDED_DISTILL}\d+|{ENLARGING}|{PAIR}"
"""how a model was trained"""
PRETRAINED = f"{PRETRAIN}|{CURRICULA}"
"""of models that are trained on captions from scratch, with the study's text encoder"""
SIZES = f"{SIZE}({SEPARATOR}{SIZE}){{1,2}}"
"""of a stitched trajectory"""
MEASURED_STAGE = f"{STAGE}|{STITCH}|{INVERSION}"
"""stages of cells: a model's, a trajectory's, or a student's with other noise"""
EXPORTED = rf"({PRETRAIN}|{CURRICULA}|{DISTILL}|{ARM})/({SIZE})/seed\d+"
"""a trained model that can be a pipeline"""
SPLIT = "train|validation|test"
TONED_STAGE = f"{BIAS}|{BALANCED}"
"""of cells of prompts that name no tone"""
IMAGES = r"(superres/(photos_)?)?(train|validation)|test|tones|balanced"
"""a split's images, those of super-resolution, and those by which the bias of tones is measured"""
CELL = rf"steps\d+_guidance[\d.]+(_trained[\d.]+|_stitched\d+({SEPARATOR}\d+)+|_noise-({NAME}))?"

_WILDCARDS = {
    "split": SPLIT,
    "stage": STAGE,
    "size": SIZE,
    "sizes": SIZES,
    "seed": r"\d+",
    "steps": r"\d+",
    "sampler": f"[a-z]+(/({'|'.join(SCHEDULES)}))?",
    "noise": "|".join(FITTED),
    "kind": "models|datasets",
    "revision": "[0-9a-f]{40}",
    "part": r"\d+",
    "subject": r"\d+",
    "cell": CELL,
}


def wildcards(study: Study) -> dict[str, str]:
    """What wildcards are everywhere, unless a rule says otherwise."""
    return _WILDCARDS if study.trains else _WILDCARDS | {"size": _names(study)}


def measured_size(study: Study) -> str:
    """What cells are of: a size, the sizes of a trajectory, or an adopted model."""
    return f"{SIZE}|{SIZES}" if study.trains else _names(study)


def _names(study: Study) -> str:
    return "|".join(map(re.escape, study.sizes))
