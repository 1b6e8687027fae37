"""Where everything lies, relative to the working directory: the one place that knows."""

from __future__ import annotations

from ..study.study import Study


def model(study: Study, stage: str, size: str, seed: int | str) -> str:
    """The folder of a model."""
    return f"{study.results}/models/{stage}/{size}/seed{seed}"


def autoencoder(study: Study) -> str:
    """The folder, or the hub id, of the autoencoder."""
    return study.latents.autoencoder.pretrained or f"{study.results}/latents/autoencoder"
