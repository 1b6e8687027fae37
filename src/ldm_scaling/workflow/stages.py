"""How a study's models are trained and sampled, stage by stage."""

from __future__ import annotations

from ..kinds.samplers import NATIVE
from ..kinds.sizes import SEPARATOR, channels
from ..kinds.stages import (  # noqa: F401  # stages.PRETRAIN and so on are named through here
    BALANCED,
    BIAS,
    BUDGET,
    CANDIDATES,
    CURRICULUM_ORDERS,
    DISTILL,
    DREAMBOOTH,
    GUIDED_DISTILL,
    INVERSION,
    PRETRAIN,
    SAMPLER_OF,
    SCRATCH,
    STITCH,
    SUPERRES,
    arm_of,
    arm_stage,
    curriculum_stage,
    guided_stage,
    is_budget,
    is_consistency,
    is_curriculum,
    is_pretrained,
    is_student,
    is_superres,
    section_of,
    student_steps,
)
from ..study.adopted import AdoptedModel
from ..study.checks.stitch import sequences
from ..study.fields import StudyError
from ..study.sampling import at_most
from ..study.study import Study
from . import needed


def samplers(study: Study) -> dict[str, list[str]]:
    """The samplers of each stage that the study has."""
    stages = {PRETRAIN: list(study.sampling.samplers)}
    if study.adopted and study.adopted.students:
        stages[DISTILL] = [student_sampler(study)]
    if study.distill:
        stages[DISTILL] = [SAMPLER_OF[DISTILL]]
        stages |= {arm_stage(arm): stages[DISTILL] for arm in study.arms or {}}
    if study.guided_distill:
        own = [SAMPLER_OF[GUIDED_DISTILL]]
        stages |= {guided_stage(steps): own for steps in needed.guided_distill(study).steps}
    if study.superres:
        stages[SUPERRES] = [study.sampling.fixed.sampler]
        if sizes(study, SCRATCH):
            stages[SCRATCH] = stages[SUPERRES]
    return stages | {stage: [study.sampling.fixed.sampler] for stage in curricula(study)}


def curricula(study: Study) -> list[str]:
    """The stages of models that are trained by a curriculum, beside pretrained ones."""
    return [curriculum_stage(order) for order in CURRICULUM_ORDERS] if study.curriculum else []


def student_sampler(study: Study) -> str:
    """The sampler of students of consistency distillation; of adopted ones their pipelines' own."""
    return NATIVE if study.adopted else SAMPLER_OF[DISTILL]


def adopted(study: Study, stage: str, size: str) -> AdoptedModel:
    """The adopted model of a name, or its student. Raises StudyError if there is none."""
    listed = study.adopted
    known = {model.name: model for model in listed.compared} if listed else {}
    found = listed.students if listed and stage == DISTILL else known
    if size not in found:
        raise StudyError(f"config key adopted.models: has no model {size} of stage {stage}")
    return found[size]


def sizes(study: Study, stage: str) -> list[str]:
    """The sizes that a stage trains, or the adopted models that it has."""
    if study.adopted:
        return study.sizes if stage == PRETRAIN else list(study.adopted.students)
    if stage == SCRATCH:
        chosen = needed.superres(study).scratch
        return [min(study.family.sizes, key=channels)] if chosen is None else chosen
    if is_curriculum(stage):
        return needed.curriculum(study).sizes or study.sizes
    if not stage.startswith(GUIDED_DISTILL):
        return study.sizes
    return needed.guided_distill(study).sizes or sorted(study.family.sizes, key=channels)[:2]


def seeds(study: Study, stage: str) -> list[int]:
    """The training seeds of a stage's models, in the order of training.seeds."""
    own = getattr(getattr(study, section_of(stage)), "seeds", None) if study.trains else None
    return [seed for seed in study.training_seeds if own is None or seed in own]


def models(study: Study) -> list[tuple[str, str, int]]:
    """Stage, size and training seed of every model, teachers before their students."""
    return [
        (stage, size, seed)
        for stage in samplers(study)
        for size in sizes(study, stage)
        for seed in seeds(study, stage)
    ]


def grid(
    study: Study, stage: str, size: str = "", sampler: str = ""
) -> tuple[list[int], list[float]]:
    """Step counts and guidance scales at which a stage's models are sampled, ascending.

    A size or a sampler of pretrained models may take fewer steps than others.
    """
    if is_superres(stage):
        return sorted(needed.superres(study).steps), [1.0]
    if is_budget(stage):
        return [needed.param_budget(study).steps], sorted(needed.param_budget(study).guidance)
    if is_pretrained(stage):
        steps, scales = study.sampling.steps_of(size, sampler), study.sampling.guidance
    else:
        steps, scales = study.sampling.students.steps, study.sampling.students.guidance
    if study.adopted and size:
        own = adopted(study, stage, size)
        counts, scales = own.steps or steps, own.guidance or scales
        caps = study.sampling.most_steps if stage == PRETRAIN else None
        steps = at_most(counts, caps, size, sampler)
    elif study.adopted:  # all that some model may take
        grids = [grid(study, stage, name, sampler) for name in sizes(study, stage)]
        steps = {count for counts, _ in grids for count in counts}
        scales = {scale for _, own in grids for scale in own}
    return sorted(steps), sorted(scales)


def fixed_guidance(study: Study, size: str) -> float:
    """The scale of the fixed setting of a size; 1 of an adopted model that is never guided."""
    unguided = study.adopted and size and adopted(study, PRETRAIN, size).unguided
    return 1.0 if unguided else study.sampling.fixed.guidance


def teacher(study: Study, stage: str) -> str:
    """The stage whose model of the same size and seed teaches this one.

    Raises StudyError if the study has no such student.
    """
    if is_consistency(stage):
        return PRETRAIN
    steps, known = student_steps(stage), needed.guided_distill(study).steps
    if steps not in known:
        raise StudyError(f"config key {GUIDED_DISTILL}.steps: has no student of {steps} steps")
    return PRETRAIN if steps == known[0] else guided_stage(2 * steps)


def pairs(study: Study) -> list[tuple[str, str, int]]:
    """Stage, size and training seed of every U-Net of the parameter budget."""
    budget = study.param_budget
    if budget is None:
        return []
    return [
        (f"{BUDGET}{encoder.name}", size, seed)
        for encoder in budget.text_encoders
        for size in sorted(budget.sizes, key=channels)
        for seed in seeds(study, BUDGET)
    ]


def taught(study: Study) -> list[tuple[str, int]]:
    """Size and training seed of every pretrained model that is taught subjects, smallest first."""
    if study.dreambooth is None:
        return []
    chosen = sorted(study.dreambooth.sizes or study.family.sizes, key=channels)
    return [(size, seed) for size in chosen for seed in seeds(study, DREAMBOOTH)]


def bias_sampler(study: Study) -> str:
    """The sampler of prompts without a tone. Raises StudyError if the study has none."""
    return needed.bias(study).sampler or study.sampling.samplers[0]


def balanced(study: Study) -> list[tuple[str, int]]:
    """Size and training seed of every model that is trained with balanced tones."""
    if study.bias is None:
        return []
    chosen, smallest = study.bias.balanced, min(study.family.sizes, key=channels)
    sizes = [smallest] if chosen is None else chosen
    return [(size, seed) for size in sizes for seed in seeds(study, BALANCED)]


def toned(study: Study) -> list[tuple[str, str, int]]:
    """Stage, size and training seed of every model that is asked for prompts without a tone."""
    if study.bias is None:
        return []
    own = seeds(study, BIAS)
    sizes = sorted(study.family.sizes, key=channels)
    every = [(BIAS, size, seed) for size in sizes for seed in own]
    return every + [(BALANCED, *model) for model in balanced(study)]


def inverted(study: Study) -> list[tuple[str, int]]:
    """Size and training seed of every student whose noise is made for a score, smallest first."""
    if study.inversion is None:
        return []
    chosen = sorted(study.inversion.sizes or study.family.sizes, key=channels)
    return [(size, seed) for size in chosen for seed in seeds(study, INVERSION)]


def stitched_sampler(study: Study) -> str:
    """The sampler of stitched trajectories. Raises StudyError if the study has none."""
    return needed.stitch(study).sampler or study.sampling.samplers[0]


def candidates_sampler(study: Study, stage: str) -> str:
    """The sampler of a stage's candidates. Raises StudyError if the study has none."""
    section = needed.candidates(study)
    if stage == DISTILL:
        return student_sampler(study)
    return section.sampler or study.sampling.samplers[0]


def candidates_steps(study: Study, stage: str, size: str = "") -> list[int]:
    """Step counts, ascending, at which a size of a stage makes candidates; none of other stages."""
    section = needed.candidates(study)
    if stage == DISTILL:
        return sorted(section.student_steps or [])
    if stage != PRETRAIN:
        return []
    own = study.sampling.steps_of(size, candidates_sampler(study, stage))
    return [steps for steps in own if section.steps is None or steps in section.steps]


def with_candidates(study: Study) -> list[tuple[str, str, int]]:
    """Stage, size and training seed of every model that makes candidates, smallest sizes first."""
    if study.candidates is None:
        return []
    chosen = sorted(study.candidates.sizes or study.family.sizes, key=channels)
    return [
        (stage, size, seed)
        for stage in (PRETRAIN, DISTILL)
        for size in chosen
        for seed in seeds(study, CANDIDATES)
        if candidates_steps(study, stage, size)
        if stage == PRETRAIN or seed in seeds(study, stage)
    ]


def trajectories(study: Study) -> list[tuple[str, int]]:
    """Sizes, such as c20-c48, and training seed of every stitched sweep; none without the section.

    The models of a trajectory have the same training seed.
    """
    own = seeds(study, STITCH)
    return [(SEPARATOR.join(sizes), seed) for sizes in sequences(study) for seed in own]
