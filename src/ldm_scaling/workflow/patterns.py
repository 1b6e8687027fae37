"""What wildcards of paths may be, as regular expressions."""

from __future__ import annotations

from ..kinds.schedules import SCHEDULES
from ..kinds.sizes import SEPARATOR, SIZE
from ..kinds.stages import DISTILL, ENLARGING, GUIDED_DISTILL, PAIR, PRETRAIN, STITCH

STAGE = rf"{PRETRAIN}|{DISTILL}|{GUIDED_DISTILL}\d+|{ENLARGING}|{PAIR}"
"""how a model was trained"""
SIZES = f"{SIZE}({SEPARATOR}{SIZE}){{1,2}}"
"""of a stitched trajectory"""
MEASURED_STAGE, MEASURED_SIZE = f"{STAGE}|{STITCH}", f"{SIZE}|{SIZES}"
"""of cells: of a model, or of a trajectory"""
SPLIT = "train|validation|test"
IMAGES = r"(superres/(photos_)?)?(train|validation)|test"
"""a split's images, and those of super-resolution"""
CELL = rf"steps\d+_guidance[\d.]+(_trained[\d.]+|_stitched\d+({SEPARATOR}\d+)+)?"

WILDCARDS = {
    "split": SPLIT,
    "stage": STAGE,
    "size": SIZE,
    "sizes": SIZES,
    "seed": r"\d+",
    "steps": r"\d+",
    "sampler": f"[a-z]+(/({'|'.join(SCHEDULES)}))?",
    "kind": "models|datasets",
    "revision": "[0-9a-f]{40}",
    "part": r"\d+",
    "subject": r"\d+",
    "cell": CELL,
}
"""everywhere, unless a rule says otherwise"""
