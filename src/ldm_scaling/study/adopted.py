"""The section `adopted` of a study: pipelines that exist already, whose models are compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from .fields import Distinct, Guidance, Positive, Strict, is_none
from .hub import Revision, local_folder, revision_has_an_id

ModelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]*$")]
HUB_ID = r"[\w.-]+/[\w.-]+"
LORA = "pytorch_lora_weights.safetensors"
"""the usual name of a LoRA's file"""


class AdoptedModel(Strict):
    """A pipeline of diffusers, or a student that takes the place of the denoiser in another one."""

    name: ModelName
    """in tables, figures and paths"""
    pretrained: str
    """folder of the pipeline, or a hub id with its revision; with `part`, folder of that part"""
    revision: Annotated[Revision | None, Field(exclude_if=is_none)] = None
    """full commit of the hub id, 40 hexadecimal digits; null: `pretrained` is a folder"""
    subfolder: Annotated[str | None, Field(exclude_if=is_none)] = None
    """folder of the pipeline inside the repository; null: the top"""
    variant: Annotated[str | None, Field(exclude_if=is_none)] = None
    """variant of the weight files, such as fp16; null: files without a variant"""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """number format of weights and computation"""
    side: Positive
    """pixels a side of generated images, which are then resized to data.image_size"""
    part: Annotated[Literal["denoiser", "lora"] | None, Field(exclude_if=is_none)] = None
    """for a student that is not a whole pipeline: the part of its teacher's pipeline that it
    replaces; null: the folder is a whole pipeline"""
    weight_name: Annotated[
        str | None, Field(pattern=r"^[\w.-]+\.safetensors$", exclude_if=is_none)
    ] = None
    """file of a LoRA; null: pytorch_lora_weights.safetensors"""
    few_step_of: Annotated[ModelName | None, Field(exclude_if=is_none)] = None
    """name of its teacher, if it is a few-step student; null: it is no student"""
    steps: Annotated[
        Annotated[list[Positive], Distinct] | None, Field(min_length=1, exclude_if=is_none)
    ] = None
    """its step counts; null: sampling.steps, or sampling.students.steps for a student"""
    guidance: Annotated[
        Annotated[list[Guidance], Distinct] | None, Field(min_length=1, exclude_if=is_none)
    ] = None
    """its guidance scales; null: sampling.guidance, or sampling.students.guidance for a student"""
    scheduler: Annotated[dict[str, str | int | float | bool] | None, Field(exclude_if=is_none)] = (
        None
    )
    """scheduler of sampler native, if it is not the saved one: {class: LCMScheduler}, and settings
    that differ from the saved ones"""
    prompt_prefix: str = ""
    """text before every prompt"""
    negative_prompt: str | None = None
    """prompt of the unconditional evaluation; null: what the pipeline takes without one, which is
    the empty prompt, or zeros for SDXL"""
    max_sequence_length: Annotated[Positive | None, Field(exclude_if=is_none)] = None
    """most tokens of a prompt; null: the pipeline's default"""

    _check_revision = model_validator(mode="after")(revision_has_an_id)

    @model_validator(mode="after")
    def _scheduler_has_a_class(self) -> AdoptedModel:
        if self.scheduler is not None and not isinstance(self.scheduler.get("class"), str):
            raise ValueError(
                "scheduler: lacks class; add one of diffusers, as in {class: LCMScheduler}"
            )
        return self

    @model_validator(mode="after")
    def _weight_name_is_of_a_lora(self) -> AdoptedModel:
        if self.weight_name and self.part != "lora":
            raise ValueError("weight_name: is for part: lora only; remove it")
        return self

    base: SkipJsonSchema[Annotated[AdoptedModel | None, Field(exclude_if=is_none)]] = None
    """set by the study: the teacher whose pipeline a part goes into"""

    @property
    def whole(self) -> AdoptedModel:
        """The model whose folder is a whole pipeline: itself, or a part's teacher."""
        return self.base or self

    @property
    def folder(self) -> Path:
        """Folder of its files."""
        return local_folder(self.pretrained, self.revision) / (self.subfolder or "")

    @property
    def lora(self) -> str:
        """Name of the file of a LoRA."""
        return self.weight_name or LORA

    @property
    def unguided(self) -> bool:
        """Whether it is never guided, so that its fixed setting has scale 1 too."""
        return self.guidance == [1]

    @property
    def off_grid(self) -> AdoptedModel:
        """A copy, also of its teacher, without the keys that say where it is sampled."""
        unread = dict.fromkeys(("steps", "guidance", "few_step_of"))
        return self.model_copy(update={**unread, "base": self.base and self.base.off_grid})

    @property
    def lacks_revision(self) -> bool:
        """Whether it has a hub id without a commit, so that it cannot be downloaded."""
        named = re.fullmatch(HUB_ID, self.pretrained) and not self.folder.is_dir()
        return self.revision is None and bool(named)

    @property
    def unnamed_commit(self) -> str:
        """The error message for it."""
        return (
            f"{self.name} has no revision; give it the full commit of {self.pretrained} on the hub,"
            " as its page of files and versions shows it, or correct the name: there is no such"
            " folder"
        )


class Adopted(Strict):
    """Models that are compared as the sizes of a family are."""

    models: list[AdoptedModel] = Field(min_length=1)
    """the models, and their students"""
    reference: ModelName
    """model whose forward pass has normalized cost 1"""
    order: Literal["params", "cost", "listed"] = "params"
    """order of models in tables and figures: parameters, GFLOPs of a forward pass, or this list"""

    @model_validator(mode="after")
    def _names_are_known(self) -> Adopted:
        names = [model.name for model in self.models]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"models: {twice[0]} is the name of two; rename one")
        own = [model.name for model in self.compared]
        if self.reference not in own:
            raise ValueError(f"reference: {self.reference} is not among the models; choose one")
        taught: dict[str, str] = {}
        for model in self.models:
            teacher = model.few_step_of
            if teacher is None:
                if model.part:
                    raise ValueError(
                        f"models: {model.name} is a {model.part}; name the model with few_step_of"
                        " whose pipeline it goes into"
                    )
                continue
            if teacher not in own:
                raise ValueError(
                    f"models: {model.name} is few_step_of {teacher}, which is no model of the list"
                )
            if teacher in taught:
                raise ValueError(
                    f"models: {taught[teacher]} and {model.name} are both few_step_of {teacher};"
                    " a study takes one student of each model; list the other one without"
                    " few_step_of, or adopt it in a study of its own"
                )
            taught[teacher] = model.name
        return self

    @property
    def compared(self) -> list[AdoptedModel]:
        """The models that are not students."""
        return [model for model in self.models if model.few_step_of is None]

    @property
    def students(self) -> dict[str, AdoptedModel]:
        """The students by the names of their teachers; a part also has its teacher as `base`."""
        own = {model.name: model for model in self.compared}
        return {
            model.few_step_of: model.model_copy(
                update={"base": own[model.few_step_of]} if model.part else {}
            )
            for model in self.models
            if model.few_step_of
        }
