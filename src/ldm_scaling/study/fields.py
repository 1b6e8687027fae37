"""Types of the study's keys, and the base of its sections. Free of torch and quick to import."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetPydanticSchema,
    model_validator,
)
from pydantic_core.core_schema import literal_schema


def _distinct(values: list) -> list:
    names = [f"{value:g}" if isinstance(value, float) else value for value in values]
    if twice := [name for name in names if names.count(name) > 1]:
        digits = "" if len(set(values)) < len(values) else " (rounded to six digits)"
        raise ValueError(f"{twice[0]} is listed twice{digits}; remove one")
    return values


def is_none(value: object) -> bool:
    """Whether a field is unset. Such a field is left out of a spec, so that older specs stay."""
    return value is None


def one_of(names: Iterable[str]) -> GetPydanticSchema:
    """What a text is annotated with that must be one of a registry's names."""
    known = list(names)
    return GetPydanticSchema(lambda *_: literal_schema(known))


Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Guidance = Annotated[float, Field(ge=1, le=100)]
Seed = Annotated[int, Field(ge=0)]
Distinct = AfterValidator(_distinct)
Seeds = Annotated[list[Seed], Distinct, Field(min_length=1)]
OwnSeeds = Annotated[Seeds | None, Field(exclude_if=is_none)]
"""training seeds of a stage's models: some of training.seeds; null: all of them"""


class StudyError(ValueError):
    """A study that cannot be run; the message is one line and names the key."""


class Strict(BaseModel):
    """A section in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def part_of(cls, whole: BaseModel) -> Self:
        """The keys that this section shares with a larger one, which has all of them."""
        return cls(**{name: getattr(whole, name) for name in cls.model_fields})


class Optimisation(Strict):
    """How a network is trained, in every stage except DreamBooth.

    Lengths are in images seen, so that they do not depend on the batch.
    """

    images: Positive
    """images seen by each model"""
    batch: Positive
    """images in a step, over all devices"""
    lr: Annotated[float, Field(gt=0)]
    """peak learning rate"""
    warmup_images: Annotated[int, Field(ge=0)]
    """images of linear warm-up"""
    decay: Literal["cosine", "constant"]
    """learning rate after the warm-up"""
    weight_decay: Annotated[float, Field(ge=0)]
    """weight decay of AdamW"""
    clip_norm: Annotated[float, Field(gt=0)]
    """maximum gradient norm"""
    ema_images: Positive
    """half-life of the averaged weights, in images; they are the model that is kept"""

    @model_validator(mode="after")
    def _check_warmup(self) -> Optimisation:
        if self.warmup_images >= self.images:
            raise ValueError("warmup_images: must be smaller than images")
        return self

    @model_validator(mode="after")
    def _check_keep(self) -> Optimisation:
        keep: list[float] = getattr(self, "keep", [])  # in stages whose checkpoints are measured
        steps = math.ceil(self.images / self.batch)
        if len({max(1, round(part * steps)) for part in keep}) < len(keep):
            raise ValueError(
                f"keep: two fractions fall on the same one of {steps} steps; remove one"
            )
        return self


Kept = Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Distinct]
"""fractions of a training at which a checkpoint of the averaged weights is kept"""
