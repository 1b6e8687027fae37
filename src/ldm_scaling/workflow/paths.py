"""Where everything lies, relative to the working directory, and how files of one kind are named."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ..kinds.architectures import FOLDER, WEIGHTS
from ..study import hub
from ..study.adopted import AdoptedModel
from ..study.study import Study
from . import needed, patterns
from .downloads import SQUEEZENET

TRAINED = {
    "weights": f"{FOLDER}/{WEIGHTS}",
    "config": f"{FOLDER}/config.json",
    "kept": "kept.safetensors",
    "scheduler": "scheduler/scheduler_config.json",
    "metrics": "metrics.jsonl",
    "summary": "summary.json",
}
"""files of a trained model; the summary is written last"""
NETWORK = ("weights", "config", "summary")
"""those that say whether a model is there, and which one it is"""
SAMPLED = {
    "features": "features.safetensors",
    "records": "cells.json",
    "images": "images.safetensors",
}
"""files of sampled cells"""
AUTOENCODER = ("config.json", WEIGHTS)
AUTOENCODER_BIN = "diffusion_pytorch_model.bin"
"""weights of autoencoders that others trained some time ago"""


def pathvars(study: Study) -> dict[str, str]:
    """What <results>, <logs> and <benchmarks> stand for in the paths of rules."""
    folders = {name: f"<results>/{name}" for name in ("logs", "benchmarks")}
    return {"results": study.results} | folders


def trained(pattern: str, *names: str) -> dict[str, str]:
    """Files, by name, of a model below <results>/models; all unless some are named."""
    chosen = names or TRAINED
    return {name: f"<results>/models/{pattern}/{TRAINED[name]}" for name in chosen}


def sampled(pattern: str) -> dict[str, str]:
    """Files, by name, of sampled cells below <results>/cells."""
    return {name: f"<results>/cells/{pattern}/{file}" for name, file in SAMPLED.items()}


def prepared(study: Study) -> dict[str, str]:
    """Images and captions of each split, by name; prompts alone are captions of the test split.

    Training images are neither packed where they are tar shards, nor where models are adopted.
    """
    if not study.compares_with_images:
        return {"test_captions": "<results>/data/test.csv"}
    return {
        f"{split}{name}": f"<results>/data/{split}.{kind}"
        for split in ("train", "validation", "test")
        if split != "train" or study.compares_with_training
        for name, kind in (("", "safetensors"), ("_captions", "csv"))
    }


def model(study: Study, stage: str, size: str, seed: int | str) -> str:
    """The folder of a model."""
    return f"{study.results}/models/{stage}/{size}/seed{seed}"


def network(folder: str) -> list[str]:
    """The files of a model's folder that the jobs wait for which read it."""
    return [f"{folder}/{TRAINED[name]}" for name in NETWORK]


def inputs_of(files: Iterable[str | Path]) -> list[str]:
    """Files as inputs of a rule, relative to the working directory if they lie below it.

    None of a repository with braces in its path, when it is called from elsewhere: Snakemake would
    take them for wildcards, and has no way to escape them. Then an edit of a file reruns nothing.
    """
    here = f"{Path.cwd()}/"
    named = [str(Path(file)).removeprefix(here) for file in files]
    return [path for path in named if "{" not in path]


def exported() -> dict[str, str]:
    """Files, by name, of a model that is exported from any study's results."""
    names = (*NETWORK, "scheduler")
    return {name: f"{{folder}}/models/{{model}}/{TRAINED[name]}" for name in names}


EXPORTED = "model_index.json"
"""of the folder of a pipeline; written last by rule export_pipeline"""


def pipeline(model: AdoptedModel) -> list[str]:
    """The files that jobs of an adopted model wait for.

    The marker of a download; the index of a pipeline that lies below a study's results, which a
    rule makes; all files of another folder.
    """
    if model.base:
        alone = model.model_copy(update={"base": None})
        return [*pipeline(alone), *pipeline(model.base)]
    if model.revision:
        return [str(hub.marker(model.pretrained, model.revision))]
    if re.search(rf"(^|/)pipelines/({patterns.EXPORTED})$", str(model.folder)):
        return [str(model.folder / EXPORTED)]
    return inputs_of(sorted(path for path in model.folder.rglob("*") if path.is_file()))


def autoencoder(study: Study) -> str:
    """The folder, or the hub id, of the autoencoder."""
    return study.latents.autoencoder.pretrained or f"{study.results}/latents/autoencoder"


def shards(study: Study) -> str:
    """The folder of tar shards, or nothing."""
    return "" if study.data.is_packed else str(study.data.folder)


def work(study: Study, rule: str, *names: str) -> str:
    """The folder of a job's state between interruptions."""
    return str(Path(study.results, "work", rule, *names))


def perceptual(study: Study) -> str:
    """The weights of super-resolution's perceptual distance."""
    settings = needed.superres(study).lpips
    return settings.weights if settings else str(SQUEEZENET)
