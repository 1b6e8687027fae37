"""The specs of jobs on components and on the parameter budget, and their makers; see `specs`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..study.fields import Fraction, Positive, Strict, StudyError
from ..study.latents import TextEncoder
from ..study.param_budget import BudgetEncoder, ParamBudget
from ..study.sampling import FixedSetting
from ..study.study import Study
from .specs import EncodeTextSpec, FamilySpec, PretrainSpec
from .stages import BUDGET
from .study_specs import Specs

OWN = "own"
"""stands for the study's text encoder"""


class CountComponentsSpec(Strict):
    """Count the parameters and FLOPs of all networks, with each text encoder."""

    recipe: Literal[1] = 1
    encoders: dict[str, FamilySpec]
    """sizes with each text encoder, by its name"""


class TimeComponentsSpec(FamilySpec):
    """Time the networks of an image at the fixed setting."""

    fixed: FixedSetting
    repeats: Positive


class ParamBudgetSpec(Strict):
    """Compare splits of equal parameters, and of equal FLOPs."""

    quality: str
    """the metric that chooses the guidance; lower is better"""
    alignment: str | None
    """the metric of images against their captions; null: none is measured"""
    sampler: str
    steps: Positive
    guided: bool
    """whether an image takes two forward passes a step"""
    confidence: Annotated[Fraction, Field(gt=0, lt=1)]


class BudgetSpecs:
    """The specs of a study on components and on the parameter budget."""

    def __init__(self, study: Study):
        self.study, self._specs = study, Specs(study)

    @property
    def budget(self) -> ParamBudget:
        """The section. Raises StudyError if the study has none."""
        if self.study.param_budget is None:
            raise StudyError("config key param_budget: is null; no parameters are split")
        return self.study.param_budget

    def encoder(self, stage: str) -> BudgetEncoder:
        """The text encoder of a stage. Raises StudyError if the study has it not."""
        known = {f"{BUDGET}{encoder.name}": encoder for encoder in self.budget.text_encoders}
        if stage not in known:
            name = stage.removeprefix(BUDGET)
            raise StudyError(f"config key param_budget.text_encoders: {name} is not among them")
        return known[stage]

    def text_encoder(self, stage: str) -> TextEncoder:
        """The same as the section `latents` would name it; captions have the study's length."""
        tokens = self.study.latents.text_encoder.max_tokens
        return TextEncoder(**dict(self.encoder(stage)), max_tokens=tokens)

    def is_own(self, stage: str) -> bool:
        """Whether it is the study's own text encoder, whose embeddings are there."""
        return self.text_encoder(stage) == self.study.latents.text_encoder

    def encode_text(self, stage: str) -> EncodeTextSpec:
        """Of rule encode_text_of."""
        return EncodeTextSpec(text_encoder=self.text_encoder(stage))

    def pretrain(self, stage: str, size: str, seed: int, autoencoder: str) -> PretrainSpec:
        """Of rule pretrain_pair: as pretraining, but for its lengths; nothing of it is kept.

        Tar shards are encoded while training: what is cached of them has one encoder's embeddings.
        """
        budget, spec, encoding = self.budget, self._specs.pretrain(size, seed), None
        names = ("images", "warmup_images", "ema_images")
        lengths = {name: getattr(budget, name) for name in names}
        if self.study.data.source == "webdataset":
            text = self.encode_text(stage)
            encoding = self._specs.encoding(autoencoder).model_copy(update={"text": text})
        training = spec.training.model_copy(update={**lengths, "keep": []})
        changed = {"stage": stage, "training": training, "encoding": encoding}
        return spec.model_copy(update=changed)

    def count_components(self) -> CountComponentsSpec:
        """Of rule count_components: the study's sizes with its text encoder."""
        return CountComponentsSpec(encoders={OWN: self._specs.family()})

    def count_pairs(self) -> CountComponentsSpec:
        """Of rule count_pairs: the budget's sizes with each of its text encoders."""
        budget, own, encoders = self.budget, self._specs.family(), {}
        for encoder in budget.text_encoders:
            text = self.text_encoder(f"{BUDGET}{encoder.name}")
            sizes = {"sizes": budget.sizes, "reference_size": budget.sizes[0]}
            changed = {
                "family": own.family.model_copy(update=sizes),
                "text_encoder": text,
                "text_shape": (text.max_tokens, text.width),
            }
            encoders[encoder.name] = own.model_copy(update=changed)
        return CountComponentsSpec(encoders=encoders)

    def time_components(self) -> TimeComponentsSpec:
        """Of rule time_components."""
        return TimeComponentsSpec(
            **dict(self._specs.family()),
            fixed=self.study.sampling.fixed,
            repeats=self.study.latency.repeats,
        )

    def param_budget(self) -> ParamBudgetSpec:
        """Of rule param_budget_table."""
        study, metrics = self.study, self.study.metrics
        return ParamBudgetSpec(
            quality=metrics.names[metrics.select_by],
            alignment=metrics.alignment,
            sampler=study.sampling.fixed.sampler,
            steps=self.budget.steps,
            guided=max(self.budget.guidance) > 1,
            confidence=metrics.confidence,
        )
