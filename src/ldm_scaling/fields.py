"""Types of the study's keys, and the base of its sections. Free of torch and quick to import."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _distinct(values: list) -> list:
    names = [f"{value:g}" if isinstance(value, float) else value for value in values]
    if twice := [name for name in names if names.count(name) > 1]:
        digits = "" if len(set(values)) < len(values) else " to six digits"
        raise ValueError(f"{twice[0]} stands twice{digits}")
    return values


def is_none(value: object) -> bool:
    """For fields that are left out of a spec while they are unset, so that older specs stay."""
    return value is None


Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Guidance = Annotated[float, Field(ge=1, le=100)]
Seed = Annotated[int, Field(ge=0)]
Distinct = AfterValidator(_distinct)


class Strict(BaseModel):
    """A section in which an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )
