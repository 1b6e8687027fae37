"""Speed of this code against the usual way with diffusers, as ratios within one run.

Sampling: images a second of the sweep against StableDiffusionPipeline with the same U-Net, steps,
guidance and batch, both from captions' text or cached embeddings to pixels. Training: images a
second of a step on cached latents and text against the same step that encodes images and captions
first, as diffusers' text-to-image example does. Start-up: seconds until each command's --help.
Untrained networks of the study's sizes are as fast as trained ones.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import yaml
from project import command_modules

from ldm_scaling.cells.sample import LatentSampler
from ldm_scaling.diffusion.sampling import make_scheduler
from ldm_scaling.latents.autoencoder import build, encode, load
from ldm_scaling.latents.pairs import PackedPairs
from ldm_scaling.latents.text_encoder import CaptionEncoder
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.models.pipeline import make_pipeline
from ldm_scaling.models.pretrain import Denoising
from ldm_scaling.study.load import load_study
from ldm_scaling.study.study import Study
from ldm_scaling.workflow.specs.cells import SweepSpec
from ldm_scaling.workflow.specs.models import PretrainSpec


def seconds(*functions: Callable[[], object], repeats: int = 3) -> list[float]:
    """Median seconds of each function; they take turns, so that a slow moment hits them alike."""
    times: list[list[float]] = [[] for _ in functions]
    for repeat in range(repeats + 1):
        for function, own in zip(functions, times, strict=True):
            began = time.perf_counter()
            function()
            if repeat:  # the first round warms up
                own.append(time.perf_counter() - began)
    return [statistics.median(own) for own in times]


def bench_sampling(study: Study, size: str, steps: int, images: int) -> None:
    """Print images a second of both ways."""
    autoencoder, encoder, unet = _networks(study, size)
    captions = [f"a thing number {number}, flat twemoji style" for number in range(images)]
    text = encoder(captions).cpu().numpy()
    empty = encoder([""])[0].cpu().numpy()
    sampler = LatentSampler(
        copy.deepcopy(unet), copy.deepcopy(autoencoder), study.diffusion, text, empty
    )
    cells = SweepSpec.of(study, "pretrain", "ddim").cells
    guidance = max(cell.guidance for cell in cells)
    cell = cells[0].model_copy(update={"steps": steps, "guidance": guidance})
    pipeline = make_pipeline(unet, autoencoder, encoder, make_scheduler("ddim", study.diffusion))

    def usual() -> None:
        pipeline(captions, num_inference_steps=steps, guidance_scale=guidance, output_type="pil")

    ours, theirs = seconds(lambda: sampler.images(cell, range(images)), usual)
    print(
        f"sampling {size}, {steps} steps, guidance {guidance:g}: {images / ours:.1f} images/s, "
        f"diffusers' pipeline {images / theirs:.1f} images/s, ratio {theirs / ours:.2f}"
    )


def bench_training(study: Study, size: str) -> None:
    """Print images a second of both ways."""
    autoencoder, encoder, unet = _networks(study, size)
    batch, side = study.training.batch, study.data.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (batch, 3, side, side), dtype=np.uint8)
    captions = ["a thing, flat twemoji style"] * batch
    latents = encode(autoencoder, pixels).cpu().numpy()
    text, empty = encoder(captions).cpu().numpy(), encoder([""])[0].cpu().numpy()
    spec = PretrainSpec.of(study, size, 0)
    task = Denoising(spec, PackedPairs(latents, text, empty))
    unet = task.module
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4)

    def cached() -> None:
        task.losses(unet, np.arange(batch), range(batch), unet.device).mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    def usual() -> None:
        encode(autoencoder, pixels)
        encoder(captions)
        cached()

    ours, theirs = seconds(cached, usual)
    print(
        f"training {size}, batch {batch}: {batch / ours:.1f} images/s cached, "
        f"{batch / theirs:.1f} images/s encoding every step, ratio {theirs / ours:.2f}"
    )


def bench_startup() -> None:
    """Print seconds until each command's --help, and of a dry run."""
    commands = [name.removeprefix("ldm_scaling.") for name in command_modules()]
    lines = [([sys.executable, "-m", f"ldm_scaling.{name}", "--help"], name) for name in commands]
    snakemake = str(Path(sys.executable).parent / "snakemake")
    lines.append(([snakemake, "-n", "figures", "--quiet", "all"], "snakemake -n figures"))
    for command, name in lines:
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        print(f"start-up {name}: {time.perf_counter() - began:.1f} s")


def _networks(study: Study, size: str):
    settings = study.latents.autoencoder
    trained = settings.pretrained and Path(settings.pretrained).exists()
    autoencoder = load(settings.pretrained) if trained else build(settings).eval()
    encoder = CaptionEncoder(study.latents.text_encoder)
    side = study.data.image_size // settings.downsampling
    width = encoder.model.config.hidden_size
    unet = build_unet(study.family, size, (settings.latent_channels, side, side), width).eval()
    return autoencoder.requires_grad_(False), encoder, unet.requires_grad_(False)


def main() -> None:
    """Command line."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--study", type=Path, default=Path("config.yaml"))
    arguments.add_argument("--images", type=int, default=64, help="images a batch of sampling")
    options = arguments.parse_args()
    study = load_study(yaml.safe_load(options.study.read_text()))
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    sizes = study.family.sizes
    for size in (sizes[0], sizes[-1]):
        for steps in (4, 20):
            bench_sampling(study, size, steps, options.images)
    for size in (sizes[0], sizes[len(sizes) // 2], sizes[-1]):
        bench_training(study, size)
    bench_startup()


if __name__ == "__main__":
    main()
