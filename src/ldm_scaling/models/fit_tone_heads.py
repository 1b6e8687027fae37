"""Fit linear heads that predict an image's tone from the bottleneck of one model.

One logistic regression for each level that a trajectory visits, on training images with tones that
are noised to that level, each with its caption, which names no tone. Both classes weigh the same.
Writes for T levels, from the noisiest on, the arrays of `Heads`: timesteps (int64, [T]), weight
(float32, [T, 2, D]), bias ([T, 2]) and scale ([T]); and `accuracy` ([T]), the mean over both
classes of the share that is right of concepts that were left out: 0.5 is chance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from ..data.captions import read_column
from ..data.sources.tones import is_light
from ..diffusion.distribution_guidance import Heads
from ..diffusion.process import Process, process_of
from ..diffusion.schedules import levels
from ..jobs.arrays import map_array
from ..jobs.cli import InputError, Slice, batches
from ..jobs.command import Option, Resumable, command
from ..jobs.pieces import in_pieces
from ..jobs.seeds import Stream, row_generators
from ..jobs.workdir import WorkDir, file_hash, fingerprint
from ..latents.autoencoder import weights_hash
from ..latents.pairs import PackedPairs, open_pairs
from ..training.devices import check_gpus, in_precision, own_device, precision
from ..workflow.specs.bias import HeadsSpec
from .denoiser import Denoiser, bottleneck, load

BATCH = 64
LEFT_OUT = 5
"""one in so many concepts is left out of a second fit, to see how well it predicts"""
ITERATIONS = 2000


def visited(spec: HeadsSpec) -> list[int]:
    """The levels that trajectories of these numbers of steps visit, from the noisiest on."""
    every = {
        level
        for steps in spec.steps
        for level in levels(spec.schedule, steps, spec.diffusion.train_timesteps)
    }
    return sorted(every, reverse=True)


@torch.no_grad()
def bottleneck_outputs(
    network: Denoiser,
    process: Process,
    pairs: PackedPairs,
    rows: np.ndarray,
    level: int,
    spec: HeadsSpec,
) -> np.ndarray:
    """The bottleneck's outputs [noises * len(rows), D], float32, of images noised to a level.

    All images once with the first noise, then with the next one.
    """
    seen: list[torch.Tensor] = []
    hook = bottleneck(network).register_forward_hook(lambda *given: seen.append(given[-1]))
    device = network.device
    try:
        for copy in range(spec.noises):
            for part in batches(len(rows), BATCH):
                latents, text = pairs.read(rows[part], device)
                places = (rows[part] * spec.noises + copy) * spec.diffusion.train_timesteps + level
                noise = torch.stack(
                    [
                        torch.randn(latents.shape[1:], generator=own)
                        for own in row_generators(Stream.TONES, spec.seed, places)
                    ]
                )
                at = torch.full((len(latents),), level)
                noisy = process.noised(latents, noise.to(device), at)
                network(noisy, process.timesteps(at).to(device), text, return_dict=False)
    finally:
        hook.remove()
    return torch.cat([own.flatten(1).float().cpu() for own in seen]).numpy()


def fit(
    outputs: np.ndarray, light: np.ndarray, concepts: np.ndarray, penalty: float
) -> dict[str, np.ndarray]:
    """The arrays of one level, of outputs [N, D] of images that are light or not [N]."""
    scale = float(np.sqrt(np.square(outputs, dtype=np.float64).mean()))
    scaled = outputs.astype(np.float64) / scale
    names = np.unique(concepts)
    left_out = np.isin(concepts, names[::LEFT_OUT])
    accuracy = np.nan
    if len(np.unique(light[~left_out])) == len(np.unique(light[left_out])) == 2:
        part = _regression(penalty).fit(scaled[~left_out], light[~left_out])
        accuracy = balanced_accuracy_score(light[left_out], part.predict(scaled[left_out]))
    whole = _regression(penalty).fit(scaled, light)
    # of two classes the regression has the difference of the logits
    weight, bias = whole.coef_[0] / 2, whole.intercept_[0] / 2
    return {
        "weight": np.stack([weight, -weight])[None].astype(np.float32),
        "bias": np.array([[bias, -bias]], np.float32),
        "scale": np.array([scale], np.float32),
        "accuracy": np.array([accuracy], np.float32),
    }


def _regression(penalty: float) -> LogisticRegression:
    return LogisticRegression(C=1 / penalty, class_weight="balanced", max_iter=ITERATIONS)


def read_heads(path: Path) -> Heads:
    """The heads of a file."""
    names = ("weight", "bias", "scale")
    weight, bias, scale = (torch.from_numpy(np.array(map_array(path, name))) for name in names)
    return Heads(map_array(path, "timesteps").tolist(), weight, bias, scale)


@command
def main(
    spec: HeadsSpec,
    model: Annotated[Path, "folder of the model"],
    latents: Annotated[Path, "of the training split"],
    text: Annotated[Path, "embeddings of its captions"],
    captions: Annotated[Path, "train.csv, with tones"],
    out: Annotated[Path, "file to write"],
    job: Resumable,
    gpus: Annotated[int, Option("stop if torch sees fewer GPUs", int)] = 0,
) -> None:
    check_gpus(gpus)
    time_slice = Slice(job.max_seconds)
    tones = read_column(captions, "tone")
    rows = np.array([row for row, tone in enumerate(tones) if tone])
    light = np.array([is_light(int(tones[row])) for row in rows])
    if len(set(light)) < 2:
        raise InputError(f"{captions}: tones of both classes are needed; change the share")
    concepts = np.array(read_column(captions, "concept"))[rows]
    pairs, sources = open_pairs([latents], [text], None, None, None)
    assert isinstance(pairs, PackedPairs)
    network = in_precision(load(model).to(own_device()), precision())
    network = network.to(memory_format=torch.channels_last)
    process, every = process_of(spec.diffusion), visited(spec)

    def compute(places: slice) -> dict[str, np.ndarray]:
        (level,) = every[places]
        outputs = bottleneck_outputs(network, process, pairs, rows, level, spec)
        known, of = (np.tile(array, spec.noises) for array in (light, concepts))
        return {"timesteps": np.array([level])} | fit(outputs, known, of, spec.penalty)

    content = fingerprint(spec, *sources, file_hash(captions), weights_hash(network))
    with WorkDir(job.work_dir, content) as work:
        pieces = in_pieces("levels", len(every), 1, compute, work, time_slice)
        found = dict(zip(pieces.rows("timesteps"), pieces.rows("accuracy"), strict=True))
        pieces.finish(out, content)
    print(", ".join(f"t = {level}: {own:.0%} right" for level, own in found.items()))
