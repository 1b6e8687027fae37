"""What samples a prompt with one of a study's models."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..cells.sample import ImageMaker, LatentSampler, StitchedSampler
from ..latents import autoencoder
from ..latents.text_encoder import CaptionEncoder
from ..models import denoiser
from ..study.adopted import AdoptedModel
from ..study.study import Study
from ..training.devices import in_precision, own_device, precision
from ..workflow import paths, stages
from .models import model_folders


def maker_of(study: Study, row: pd.Series, prompt: str, images: int) -> ImageMaker:
    """What samples a prompt, on this process's device: each image from the noise of its row."""
    if study.adopted:
        return _adopted(stages.adopted(study, row["stage"], row["size"]), prompt, images)
    device = own_device()
    encoder = CaptionEncoder(study.latents.text_encoder, device)
    text, empty = encoder([prompt, ""]).cpu().numpy()
    text = np.broadcast_to(text, (images, *text.shape))
    decoder = autoencoder.load(paths.autoencoder(study), study.latents.autoencoder.revision).to(
        device
    )
    samplers = [
        LatentSampler(
            in_precision(denoiser.load(folder).to(device), precision()),
            decoder,
            study.diffusion,
            text,
            empty,
        )
        for folder in model_folders(study, row)
    ]
    return StitchedSampler(samplers) if len(samplers) > 1 else samplers[0]


def _adopted(model: AdoptedModel, prompt: str, images: int) -> ImageMaker:
    from ..cells.adopted import (
        PipelineSampler,  # seconds of import that trained models need not pay
    )
    from ..models.adopt import encode, load, read_layout
    from ..models.encode_prompts import as_array

    layout = read_layout(model)
    found = encode(load(model, text=True).to(own_device()), layout, model, [prompt])
    prompts = {
        name: np.broadcast_to(own := as_array(name, values), (images, *own.shape[1:]))
        for name, values in found.items()
    }
    pipeline = load(model, text=False).to(own_device())
    return PipelineSampler(pipeline, layout, prompts, model.side, model.side)
