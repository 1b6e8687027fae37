"""The specs of jobs that count or time networks, without training them."""

from __future__ import annotations

import operator
from typing import Annotated, Literal

from pydantic import Field

from ...kinds.samplers import NATIVE
from ...kinds.stages import BUDGET, OWN
from ...study.adopted import AdoptedModel
from ...study.family import Family, Layout, Size
from ...study.fields import Guidance, Positive, Strict, is_none
from ...study.figures import Latency
from ...study.latents import AutoencoderNetwork, TextEncoder
from ...study.sampling import AnySampler, FixedSetting, Schedule
from ...study.study import Study
from .. import needed, pairs, stages

LatentShape = tuple[Positive, Positive, Positive]
"""channels, height and width"""
TextShape = tuple[Positive, Positive]
"""tokens and width"""


class CostSpec(Strict):
    """Count parameters and FLOPs of the family."""

    recipe: Literal[1] = 1
    family: Family
    latent_shape: LatentShape
    text_shape: TextShape

    @classmethod
    def of(cls, study: Study) -> CostSpec:
        """What the family costs at the study's shapes."""
        shapes = {"latent_shape": study.latent_shape, "text_shape": study.text_shape}
        return cls(family=study.family, **shapes)


class FamilySpec(CostSpec):
    """Count what an image costs beside the U-Net too."""

    image_size: Positive
    autoencoder: AutoencoderNetwork
    text_encoder: TextEncoder

    @classmethod
    def of(cls, study: Study) -> FamilySpec:
        """Spec of rule count_family."""
        latents = study.latents
        return cls(
            **dict(CostSpec.of(study)),
            image_size=study.data.image_size,
            autoencoder=AutoencoderNetwork.part_of(latents.autoencoder),
            text_encoder=latents.text_encoder,
        )


class AdoptedSpec(Strict):
    """Count parameters and FLOPs of adopted models."""

    recipe: Literal[1] = 1
    models: list[AdoptedModel]
    reference: str
    order: Literal["params", "cost", "listed"]
    students: dict[str, AdoptedModel] = Field(default_factory=dict, exclude_if=operator.not_)
    """to be counted in place of the models, by the names of their teachers"""

    @classmethod
    def of(cls, study: Study) -> AdoptedSpec:
        """The study's models, with its reference and order."""
        adopted = needed.adopted(study)
        return cls(models=adopted.compared, reference=adopted.reference, order=adopted.order)


class CountAdoptedSpec(AdoptedSpec):
    """Count them too, and check that they can be sampled as the study asks."""

    samplers: list[AnySampler]
    schedules: list[Schedule]
    """of samplers other than native"""
    strongest: dict[str, Guidance]
    """the largest guidance scale of each model or student that is counted, by its name"""

    @classmethod
    def of(cls, study: Study) -> CountAdoptedSpec:
        """Spec of rule count_adopted."""
        return cls._of(study, stages.PRETRAIN)

    @classmethod
    def of_students(cls, study: Study) -> CountAdoptedSpec:
        """Spec of rule count_students."""
        students = needed.adopted(study).students
        return cls._of(study, stages.DISTILL).model_copy(update={"students": students})

    @classmethod
    def _of(cls, study: Study, stage: str) -> CountAdoptedSpec:
        sampling = study.sampling
        strongest = {
            stages.adopted(study, stage, size).name: max(
                *stages.grid(study, stage, size)[1],
                stages.fixed_guidance(study, size) if stage == stages.PRETRAIN else 1,
            )
            for size in stages.sizes(study, stage)
        }
        return cls(
            **dict(AdoptedSpec.of(study)),
            samplers=stages.samplers(study).get(stage, []),
            schedules=[sampling.schedule, *(sampling.other_schedules or [])],
            strongest=strongest,
        )


class AdoptedLatencySpec(Strict):
    """Time forward passes of adopted models."""

    models: list[AdoptedModel] = Field(min_length=1)
    latency: Latency

    @classmethod
    def of(cls, study: Study) -> AdoptedLatencySpec:
        """Spec of rule latency where models are adopted."""
        return cls(models=needed.adopted(study).compared, latency=study.latency)


class LatencySpec(Strict):
    """Time forward passes of the family."""

    sizes: list[Size] = Field(min_length=1)
    layout: Layout
    latent_shape: LatentShape
    text_shape: TextShape
    latency: Latency

    @classmethod
    def of(cls, study: Study) -> LatencySpec | AdoptedLatencySpec:
        """Spec of rule latency."""
        if study.adopted:
            return AdoptedLatencySpec.of(study)
        return cls(
            sizes=study.family.sizes,
            layout=Layout.part_of(study.family),
            latent_shape=study.latent_shape,
            text_shape=study.text_shape,
            latency=study.latency,
        )


class CountComponentsSpec(Strict):
    """Count the parameters and FLOPs of all networks, with each text encoder."""

    recipe: Literal[1] = 1
    encoders: dict[str, FamilySpec | AdoptedSpec]
    """sizes with each text encoder, by its name; adopted models have one each"""
    native_steps: Annotated[Positive | None, Field(exclude_if=is_none)] = None
    """of adopted models: steps of the fixed setting, if their own schedulers take them. A step of
    such a scheduler may take more than one evaluation"""

    @classmethod
    def of(cls, study: Study) -> CountComponentsSpec:
        """Spec of rule count_components: the study's sizes with its text encoder."""
        if not study.adopted:
            return cls(encoders={OWN: FamilySpec.of(study)})
        fixed = study.sampling.fixed
        steps = fixed.steps if fixed.sampler == NATIVE else None
        return cls(encoders={OWN: AdoptedSpec.of(study)}, native_steps=steps)

    @classmethod
    def of_pairs(cls, study: Study) -> CountComponentsSpec:
        """Spec of rule count_pairs: the budget's sizes with each of its text encoders."""
        budget, own, encoders = needed.param_budget(study), FamilySpec.of(study), {}
        sizes = {"sizes": budget.sizes, "reference_size": budget.sizes[0]}
        for encoder in budget.text_encoders:
            text = pairs.text_encoder(study, f"{BUDGET}{encoder.name}")
            changed = {
                "family": own.family.model_copy(update=sizes),
                "text_encoder": text,
                "text_shape": (text.max_tokens, text.width),
            }
            encoders[encoder.name] = own.model_copy(update=changed)
        return cls(encoders=encoders)


class TimeAdoptedSpec(Strict):
    """Time the networks of an image of each adopted model at the fixed setting."""

    recipe: Literal[1] = 1
    models: list[AdoptedModel] = Field(min_length=1)
    fixed: FixedSetting
    repeats: Positive

    @classmethod
    def of(cls, study: Study) -> TimeAdoptedSpec:
        """Spec of rule time_components where models are adopted."""
        models, repeats = needed.adopted(study).compared, study.latency.repeats
        return cls(models=models, fixed=study.sampling.fixed, repeats=repeats)


class TimeComponentsSpec(FamilySpec):
    """Time the networks of an image at the fixed setting."""

    fixed: FixedSetting
    repeats: Positive

    @classmethod
    def of(cls, study: Study) -> TimeComponentsSpec | TimeAdoptedSpec:
        """Spec of rule time_components."""
        if study.adopted:
            return TimeAdoptedSpec.of(study)
        return cls(
            **dict(FamilySpec.of(study)),
            fixed=study.sampling.fixed,
            repeats=study.latency.repeats,
        )
