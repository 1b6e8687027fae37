"""Stages, by their names: how a model was trained."""

from __future__ import annotations

PRETRAIN, DISTILL, GUIDED_DISTILL = "pretrain", "distill", "guided_distill"
SUPERRES, SCRATCH = "superres", "superres_scratch"
ENLARGING = f"{SUPERRES}|{SCRATCH}"
"""the stages of super-resolution, as a regular expression"""
DREAMBOOTH = "dreambooth"
ARM = rf"{DISTILL}_[a-z0-9]+"
"""the stages of stochastic distillation, as a regular expression: the name of an arm at the end"""
STITCH = "stitch"
"""of cells that several models sample together"""
INVERSION = "inversion"
"""of cells of students whose initial noise was made for a score"""
BUDGET = "budget_"
"""before the name of the text encoder that a U-Net of the parameter budget is trained with"""
PAIR = rf"{BUDGET}[\w.-]+"
"""the stages of the parameter budget, as a regular expression"""
CURRICULUM = "curriculum"
EASY_TO_HARD, HARD_TO_EASY = "easy_to_hard", "hard_to_easy"
CURRICULUM_ORDERS = (EASY_TO_HARD, HARD_TO_EASY)
"""which noise levels a curriculum begins with: the noisiest, or as a control the least noisy"""
CURRICULA = f"{CURRICULUM}_({'|'.join(CURRICULUM_ORDERS)})"
"""the stages of models that are trained by a curriculum, as a regular expression"""
BIAS, BALANCED = "bias", "bias_balanced"
"""of cells of prompts without a tone: of pretrained models, and of models whose training images
have as many light tones as dark ones"""
SAMPLER_OF = {DISTILL: "lcm", GUIDED_DISTILL: "ddim"}
"""the sampler that students learn with and are sampled by, by how they are distilled"""
PARAM_BUDGET, CANDIDATES = "param_budget", "candidates"
SECTIONS = (DISTILL, GUIDED_DISTILL, SUPERRES, DREAMBOOTH, STITCH, PARAM_BUDGET, CURRICULUM)
SECTIONS += (CANDIDATES, INVERSION, BIAS)
"""sections of a study that have stages or cells of their own, beside pretraining"""
OWN = "own"
"""in tables, stands for the study's text encoder"""


def guided_stage(steps: int) -> str:
    """The stage of progressive distillation's student of so many steps."""
    return f"{GUIDED_DISTILL}{steps}"


def student_steps(stage: str) -> int:
    """The steps that a student of progressive distillation takes."""
    return int(stage.removeprefix(GUIDED_DISTILL))


def arm_stage(arm: str) -> str:
    """The stage of an arm of stochastic distillation."""
    return f"{DISTILL}_{arm}"


def arm_of(stage: str) -> str:
    """The arm of stochastic distillation that a stage belongs to; empty if it has no arm."""
    return stage.removeprefix(f"{DISTILL}_") if stage.startswith(f"{DISTILL}_") else ""


def is_consistency(stage: str) -> bool:
    """Whether a stage's models are students of consistency distillation, plain or of an arm."""
    return stage == DISTILL or bool(arm_of(stage))


def is_superres(stage: str) -> bool:
    """Whether a stage's models enlarge images; they see low-resolution latents and no caption."""
    return stage in (SUPERRES, SCRATCH)


def is_budget(stage: str) -> bool:
    """Whether a stage's models are U-Nets of the parameter budget, each with an encoder."""
    return stage.startswith(BUDGET)


def is_curriculum(stage: str) -> bool:
    """Whether a stage's models are trained by a curriculum, to be compared with pretrained ones."""
    return stage.startswith(CURRICULUM)


def is_pretrained(stage: str) -> bool:
    """Whether a stage's models are trained on captions from scratch and sampled as pretrained."""
    return stage == PRETRAIN or is_curriculum(stage)


def order_of(stage: str) -> str:
    """The order in which an arm's clusters enter."""
    return stage.removeprefix(f"{CURRICULUM}_")


def curriculum_stage(order: str) -> str:
    """The stage of models whose clusters enter in an order."""
    return f"{CURRICULUM}_{order}"


def section_of(stage: str) -> str:
    """The section of a study that says how a stage's models are trained."""
    if stage == PRETRAIN:
        return "training"
    if is_budget(stage):
        return PARAM_BUDGET
    return next(name for name in SECTIONS if stage.startswith(name))


def is_student(stage: str) -> bool:
    """Whether a stage's models are told the guidance scale, which takes an embedding of it."""
    return stage.startswith((DISTILL, GUIDED_DISTILL))
