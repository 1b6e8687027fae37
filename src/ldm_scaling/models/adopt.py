"""Adopted pipelines: reads what a folder contains, and loads its components.

A pipeline is loaded in two parts: first the components that encode captions, then the components
that generate images. Only safetensors are read, no remote code is run, and components that change
finished images (`LEFT_OUT`) are not loaded.
"""

from __future__ import annotations

import importlib
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from diffusers.configuration_utils import FrozenDict
from diffusers.pipelines.pipeline_utils import DiffusionPipeline

from ..diffusion.flow import is_flow
from ..diffusion.pipeline_solvers import replaced
from ..jobs.cli import InputError, first_line
from ..jobs.light_imports import allow_lora
from ..jobs.workdir import file_hash, fingerprint
from ..kinds.pipelines import LEFT_OUT, PIPELINES, SWITCHED_OFF, WRITTEN, Pipeline
from ..kinds.samplers import NATIVE
from ..study.adopted import AdoptedModel
from ..study.hub import marker
from .known_pipelines import KNOWN, Components

INDEX = "model_index.json"
_CONFIGS = {"scheduler": "scheduler_config.json", "tokenizer": "tokenizer_config.json"}


class Missing(InputError):
    """A pipeline whose configurations are neither there nor known."""


@dataclass(frozen=True)
class Layout:
    """What a pipeline's folder contains, read without weights."""

    folder: Path
    kind: Pipeline
    classes: dict[str, tuple[str, str]]
    """library and class of each component that has a folder"""
    absent: tuple[str, ...]
    """names of components that model_index.json lists as null"""
    own_denoiser: Path | None = None
    """folder of a student's denoiser, which replaces the pipeline's"""
    known: Components | None = None
    """configurations of a public pipeline that is not downloaded; None: the folder has them"""

    @property
    def components(self) -> list[str]:
        """Names of the components that have a folder."""
        return list(self.classes)

    def config(self, component: str) -> dict[str, Any]:
        """The configuration of a component.

        Raises Missing if it is not there, InputError if it is unreadable.
        """
        if self.own_denoiser and component == self.kind.denoiser:
            return _json(self.own_denoiser / "config.json")
        if self.known:
            return self.known[component].config
        kind = component.partition("_")[0]  # of text_encoder_2 and tokenizer_2 too
        return _json(self.folder / component / _CONFIGS.get(kind, "config.json"))

    @property
    def denoiser(self) -> dict[str, Any]:
        """The configuration of the denoiser."""
        return self.config(self.kind.denoiser)

    @property
    def told(self) -> bool:
        """Whether the guidance scale is an input of the network: one evaluation a step."""
        return bool(self.kind.told and self.denoiser.get(self.kind.told))

    @property
    def flow(self) -> bool:
        """Whether its process is flow matching, as its scheduler says."""
        return is_flow(self.classes["scheduler"][1], self.config("scheduler"))

    @property
    def left_out(self) -> list[str]:
        """Components of the folder that are not loaded."""
        return [name for name in self.components if name.startswith(LEFT_OUT)]


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Missing(f"{path} is missing; is its folder a whole pipeline?") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({first_line(error)})") from None


def _require_commit(model: AdoptedModel) -> None:
    if model.lacks_revision:
        raise Missing(f"config key adopted.models: {model.unnamed_commit}")


def refusal(model: AdoptedModel, why: object) -> InputError:
    """The error that names a model of the study."""
    return InputError(f"config key adopted.models: {model.name}: {why}")


def read_layout(model: AdoptedModel) -> Layout:
    """Read what a model's folder contains.

    Raises Missing if it is not downloaded; InputError if it is unreadable, if its class is not in
    `PIPELINES`, or if the model has a key that is not for this class.
    """
    layout = _read(model)
    if model.dtype == "float16" and not layout.kind.halves:
        raise refusal(model, f"{layout.kind.name} fails in float16; set dtype: bfloat16 or float32")
    if model.max_sequence_length and not layout.kind.sequence:
        raise refusal(
            model,
            f"max_sequence_length: {layout.kind.name} takes as many tokens as its tokenizer; remove"
            " it",
        )
    scheduler_of(model, layout)
    return layout


def _read(model: AdoptedModel) -> Layout:
    whole = model.whole
    folder = whole.folder
    own = None
    if model.part == "denoiser":
        _require_commit(model)
        own = model.folder
    if not (folder / INDEX).exists() and whole.pretrained in KNOWN:
        name, components = KNOWN[whole.pretrained]
        classes = {key: own[:2] for key, own in components.items()}
        return Layout(folder, PIPELINES[name], classes, (), own, components)
    _require_commit(whole)
    index = _json(folder / INDEX)
    name = index.get("_class_name", "")
    if name not in PIPELINES:
        known = ", ".join(PIPELINES)
        rest = "**_UNET" if "unet" in index else 'width="caption_channels"'
        raise InputError(
            f"{folder / INDEX}: pipeline class {name} is not known (known: {known}); if its call"
            " takes prompt_embeds, add to PIPELINES in src/ldm_scaling/kinds/pipelines.py, with the"
            " right arguments and their width as the denoiser's configuration names it:"
            f' Pipeline("{name}", TEXT, {rest})'
        )
    named = {key: own[0] for key, own in index.items() if isinstance(own, list)}
    classes = {key: tuple(index[key][:2]) for key, library in named.items() if library}
    absent = [key for key, library in named.items() if not library]
    return Layout(folder, PIPELINES[name], classes, tuple(absent), own)


def load(model: AdoptedModel, *, text: bool) -> Any:
    """Load the components that encode captions (`text`), or those that generate images.

    Raises InputError, naming the folder, if it is unusable.
    """
    for own in (model, model.whole):
        _require_commit(own)
    layout = read_layout(model)
    none: dict[str, Any] = dict.fromkeys(layout.absent)
    for name in layout.components:
        encodes = name.startswith(WRITTEN)
        if name in layout.left_out or (name != "scheduler" and encodes != text):
            none[name] = None
    accepted = inspect.signature(pipeline_class(layout).__init__).parameters
    if "safety_checker" in accepted:
        none |= {"safety_checker": None, "requires_safety_checker": False}
    if "add_watermarker" in accepted:
        none["add_watermarker"] = False
    dtype = getattr(torch, model.dtype)
    try:
        if model.part == "denoiser" and not text:
            name = layout.kind.denoiser
            none[name] = component_class(layout, name).from_pretrained(
                model.folder, torch_dtype=dtype, variant=model.variant, use_safetensors=True
            )
        pipeline = DiffusionPipeline.from_pretrained(
            layout.folder,
            torch_dtype=dtype,
            variant=model.whole.variant,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            **none,
        )
        if model.part == "lora" and not text:
            allow_lora()
            pipeline.load_lora_weights(
                model.folder, weight_name=model.lora, use_safetensors=True, local_files_only=True
            )
            pipeline.fuse_lora()
            pipeline.unload_lora_weights()  # they are in the weights now, and cost nothing
        if model.scheduler and not text:
            pipeline.scheduler = replaced(pipeline.scheduler, model.scheduler)
    except Exception as error:  # whatever reading a broken folder raises
        raise InputError(f"{layout.folder} cannot be loaded ({first_line(error)})") from None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def pipeline_class(layout: Layout) -> Any:
    """The class of a pipeline."""
    return getattr(importlib.import_module("diffusers"), layout.kind.name)


def component_class(layout: Layout, component: str) -> Any:
    """The class of a component."""
    library, name = layout.classes[component]
    found = getattr(importlib.import_module(library), name, None)
    if found is None:
        raise InputError(f"{layout.folder / INDEX}: {library} has no class {name} ({component})")
    return found


def scheduler_of(model: AdoptedModel, layout: Layout) -> Any:
    """The scheduler of sampler native, as configurations have it.

    Raises InputError if the model names one that does not fit.
    """
    saved = component_class(layout, "scheduler").from_config(layout.config("scheduler"))
    if model.scheduler is None:
        return saved
    try:
        return replaced(saved, model.scheduler)
    except (TypeError, ValueError, NotImplementedError) as error:  # wrong values
        raise refusal(model, f"scheduler: {first_line(error)}") from None


def check_setting(layout: Layout, sampler: str, guidance: float) -> None:
    """Raise InputError if a class of pipelines does not have this sampler or scale."""
    kind = layout.kind
    if guidance != 1 and not (kind.guided or layout.told):
        raise InputError(
            f"{layout.folder}: {kind.name} ignores the guidance scale; list the model with"
            " guidance: [1]"
        )
    if sampler != NATIVE and kind.native_only:
        raise InputError(
            f"sampling.samplers: {kind.name} has its own sampler only; choose {NATIVE}"
        )


def summarized(model: AdoptedModel, layout: Layout) -> dict[str, Any]:
    """What a reader should know of a pipeline beside its costs."""
    kind = pipeline_class(layout)
    taken = {**inspect.signature(kind).parameters, **inspect.signature(kind.__call__).parameters}
    off = [what for argument, what in SWITCHED_OFF.items() if argument in taken]
    guided = "the scale is an input of the network" if layout.told else "two evaluations"
    return {
        "pipeline": layout.kind.name,
        "denoiser": layout.classes[layout.kind.denoiser][1],
        "scheduler": (model.scheduler or {}).get("class", layout.classes["scheduler"][1]),
        "process": "flow" if layout.flow else "ddpm",
        "guidance": guided if layout.told or layout.kind.guided else "none",
        "dtype": model.dtype,
        "side": model.side,
        "left_out": layout.left_out + off,
    }


def files_hash(model: AdoptedModel) -> str:
    """Hash of a pipeline's files; for a download, hash of its list of hashes."""
    if model.base:
        return fingerprint(
            files_hash(model.model_copy(update={"base": None})), files_hash(model.base)
        )
    if model.revision:
        return file_hash(marker(model.pretrained, model.revision))
    files = sorted(path for path in model.folder.rglob("*") if path.is_file())
    return fingerprint(*(part for path in files for part in (str(path.name), file_hash(path))))


def encode(
    pipeline: Any, layout: Layout, model: AdoptedModel, captions: list[str]
) -> dict[str, torch.Tensor]:
    """Encoded captions by the names of a call's arguments: tensors [len(captions), ...]."""
    taken = inspect.signature(pipeline.encode_prompt).parameters
    given: dict[str, Any] = {
        "prompt": [model.prompt_prefix + caption for caption in captions],
        "device": pipeline.device,
        "num_images_per_prompt": 1,
        "do_classifier_free_guidance": True,
        "clean_caption": False,
        "complex_human_instruction": None,
        "prompt_2": None,
        "prompt_3": None,
    }
    if model.negative_prompt is not None:
        given["negative_prompt"] = [model.negative_prompt] * len(captions)
    if model.max_sequence_length is not None:
        given["max_sequence_length"] = model.max_sequence_length
    given = {name: value for name, value in given.items() if name in taken}
    # some ask the denoiser, which is not loaded, how wide its text is
    vars(pipeline)[layout.kind.denoiser] = SimpleNamespace(config=FrozenDict(layout.denoiser))
    with torch.no_grad():
        found = pipeline.encode_prompt(**given)
    named = zip(layout.kind.encoded, found, strict=False)
    return {name: tensor for name, tensor in named if tensor is not None}
