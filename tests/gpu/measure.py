"""What one GPU does with this code, in at most 8 minutes: no weights and no network are needed.

    python tests/gpu/measure.py --out FOLDER

Writes gpu.json and gpu.md: seconds, peak memory and utilisation of adopted pipelines of public
shapes with random weights, as they are and compiled; seconds of a forward pass of the paper's
U-Nets; images a second of training and sampling against diffusers' own loop. Each part is a row
even if it fails. `--rehearse` runs every part on tiny shapes, on any device.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import yaml

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "src"), str(ROOT / "tests")]

from ldm_scaling.cells.adopted import PipelineSampler  # noqa: E402
from ldm_scaling.costs.count_adopted import adopted_costs, prompt_shapes  # noqa: E402
from ldm_scaling.costs.latency import latency_table  # noqa: E402
from ldm_scaling.latents.pairs import PackedPairs  # noqa: E402
from ldm_scaling.models import adopt  # noqa: E402
from ldm_scaling.models.pretrain import Denoising  # noqa: E402
from ldm_scaling.study.adopted import AdoptedModel  # noqa: E402
from ldm_scaling.study.load import load_study  # noqa: E402
from ldm_scaling.training.devices import device_name, own_device  # noqa: E402
from ldm_scaling.workflow.specs.cells import CellSpec  # noqa: E402
from ldm_scaling.workflow.specs.costs import LatencySpec  # noqa: E402
from ldm_scaling.workflow.specs.models import PretrainSpec  # noqa: E402

PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "4090": 165e12}
"""FLOP/s in bfloat16 without sparsity, as their makers print them"""
PUBLIC = {
    "sd1": ("CompVis/stable-diffusion-v1-4", 512),
    "bk-base": ("nota-ai/bk-sdm-base", 512),
    "bk-small": ("nota-ai/bk-sdm-small", 512),
    "bk-tiny": ("nota-ai/bk-sdm-tiny", 512),
    "sana-600m": ("Efficient-Large-Model/Sana_600M_512px_diffusers", 512),
}
STEPS, REPEATS = 8, 3


def peak(device: torch.device) -> float | None:
    """FLOP/s that the device could do, where it is known."""
    return next((own for name, own in PEAKS.items() if name in device_name(device)), None)


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Median seconds of a call, after one that warms up."""
    times = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def random_pipeline(layout: adopt.Layout, device: torch.device, dtype: torch.dtype) -> Any:
    """A pipeline of these configurations with random weights, without text encoders."""
    parts: dict[str, Any] = dict.fromkeys((*layout.components, *layout.absent))
    for name in (layout.kind.denoiser, "vae"):
        with device:
            own = adopt.component_class(layout, name).from_config(layout.config(name))
        parts[name] = own.to(dtype).eval().requires_grad_(False)
    solver = adopt.component_class(layout, "scheduler")
    parts["scheduler"] = solver.from_config(layout.config("scheduler"))
    if "tokenizer" in parts and layout.kind.denoiser == "unet":
        parts |= {"safety_checker": None, "feature_extractor": None}
        if layout.kind.name == "StableDiffusionPipeline":
            parts["requires_safety_checker"] = False
    pipeline = adopt.pipeline_class(layout)(**parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def measure_pipeline(
    model: AdoptedModel, device: torch.device, batch: int, compiled: bool
) -> dict[str, Any]:
    """Seconds an image, memory and utilisation of one adopted pipeline."""
    layout, costs = adopt.read_layout(model), adopted_costs(model)
    pipeline = random_pipeline(layout, device, getattr(torch, model.dtype))
    network = getattr(pipeline, layout.kind.denoiser)
    shapes = prompt_shapes(layout, model, network.config)
    draw = np.random.default_rng(0)
    prompts = {
        name: np.ones((batch, *shape), np.int32)
        if name.endswith("mask")
        else draw.standard_normal((batch, *shape)).astype(np.float16)
        for name, shape in shapes.items()
    }
    if compiled:
        network.compile()
    sampler = PipelineSampler(pipeline, layout, prompts, model.side, min(model.side, 256))
    cell = CellSpec(
        sampler="dpmpp",
        schedule="trailing",
        steps=STEPS,
        guidance=5,
        n=batch,
        seed=0,
        extractors=[{"name": "effnet_lite0", "input_size": 64}],
    )
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    taken = seconds(lambda: sampler.images(cell, range(batch)), device)
    evaluations = sampler.evaluations(cell)
    flops = batch * (evaluations * costs.forward + costs.decode)
    most = peak(device)
    return {
        "batch": batch,
        "steps": STEPS,
        "nfe": evaluations,
        "params": costs.params,
        "gflops": costs.forward / 1e9,
        "seconds_per_image": taken / batch,
        "peak_memory_gb": torch.cuda.max_memory_allocated() / 1e9
        if device.type == "cuda"
        else None,
        "utilisation_percent": 100 * flops / taken / most if most else None,
    }


def measure_training(study: Any, size: str, device: torch.device, batch: int, compiled: bool):
    """Images a second of a training step: ours, and the plain loop of diffusers' example."""
    latents = np.zeros((batch, *study.latent_shape), np.float32)
    text = np.zeros((batch, *study.text_shape), np.float16)
    task = Denoising(PretrainSpec.of(study, size, 0), PackedPairs(latents, text, text[0]))
    network = task.module.to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    noiser = diffusers.DDPMScheduler(beta_schedule="scaled_linear")
    rows = np.arange(batch)
    if compiled:
        network.compile()
    half = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
    clean = torch.zeros(batch, *study.latent_shape, device=device)
    captions = torch.zeros(batch, *study.text_shape, device=device)

    def ours() -> None:
        with half:
            loss = task.losses(network, rows, range(batch), device).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def usual() -> None:
        noise = torch.randn_like(clean)
        times = torch.randint(0, 1000, (batch,), device=device)
        with half:
            predicted = network(noiser.add_noise(clean, noise, times), times, captions).sample
            loss = (predicted.float() - noise).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return {
        "batch": batch,
        "images_per_second": batch / seconds(ours, device),
        "usual_images_per_second": batch / seconds(usual, device),
    }


def measure_family(study: Any, device: torch.device, dtype: str) -> list[dict[str, Any]]:
    """Seconds of a forward pass of every U-Net."""
    return latency_table(LatencySpec.of(study), device, dtype).to_dict("records")


def parts(rehearse: bool, device: torch.device, folder: Path) -> dict[str, Callable[[], Any]]:
    """What is measured, by name."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    if rehearse:
        import pipelines  # tiny ones, of the tests

        models = [
            AdoptedModel(name=name.replace("_", "-"), side=32, pretrained=str(folder / name))
            for name in ("stable_diffusion", "sana")
        ]
        for model in models:
            name = model.name.replace("-", "_")
            pipelines.save(name, folder / name)
        study, batch, size = load_study(config), 2, "c12"
    else:
        models = [
            AdoptedModel(name=name, pretrained=known, side=side, dtype="bfloat16")
            for name, (known, side) in PUBLIC.items()
        ]
        overlay = yaml.safe_load((ROOT / "studies/gpu.yaml").read_text())
        study = load_study(_merged(config, overlay))
        batch, size = 8, study.family.sizes[-2]
    dtype = "bfloat16" if device.type == "cuda" else "float32"
    found: dict[str, Callable[[], Any]] = {}
    for compiled in (False, True):
        how = "compiled" if compiled else "eager"
        for model in models:
            found[f"{model.name} {how}"] = lambda model=model, compiled=compiled: measure_pipeline(
                model, device, batch, compiled
            )
        found[f"training {size} {how}"] = lambda compiled=compiled: measure_training(
            study, size, device, 4 * batch, compiled
        )
    found["family"] = lambda: measure_family(study, device, dtype)
    return found


def _merged(config: dict, overlay: dict) -> dict:
    return {
        key: _merged(config.get(key) or {}, value) if isinstance(value, dict) else value
        for key, value in (config | overlay).items()
    }


def main() -> None:
    """Command line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--rehearse", action="store_true", help="tiny shapes, on any device")
    options = arguments.parse_args()
    device, revision = own_device(), ["git", "rev-parse", "HEAD"]
    known = subprocess.run(revision, cwd=ROOT, capture_output=True, text=True, check=False)
    report: dict[str, Any] = {
        "device": device_name(device),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "revision": known.stdout.strip(),
        "rehearsal": options.rehearse,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, part in parts(options.rehearse, device, Path(folder)).items():
            began = time.perf_counter()
            try:
                report[name] = part()
            except Exception as error:  # the other parts are worth having
                report[name] = {"failed": f"{type(error).__name__}: {error}"[:300]}
            print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)
            (options.out / "gpu.json").write_text(json.dumps(report, indent=1) + "\n")
    failed = [name for name, own in report.items() if isinstance(own, dict) and "failed" in own]
    print(
        f"wrote {options.out / 'gpu.json'}; {len(failed)} parts failed{': ' * bool(failed)}"
        f"{', '.join(failed)}"
    )
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
