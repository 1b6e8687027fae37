"""What one GPU does with this code, in at most 8 minutes: no weights and no network are needed.

    timeout 480 python tests/gpu/measure.py --out FOLDER

Writes gpu.json and gpu.md after each part:

- tiny pipelines of every class in bfloat16, as a check of the device
- adopted pipelines of public shapes with random weights: seconds, memory, FLOPs, utilisation
- seconds of a forward pass of the paper's U-Nets
- images a second of sampling and training, against diffusers' pipeline and the loop of its example
- the same with torch.compile

A part that fails is a row that says why. Parts that would begin too late are left out.
`--rehearse` runs tiny shapes on any device, and compiles nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import yaml
from snakemake.utils import update_config

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "src"), str(ROOT / "tests")]

# tiny ones, of the tests; it comes first, since it imports diffusers whole, as torch.compile needs
import pipelines  # noqa: E402

from ldm_scaling.cells.adopted import PipelineSampler  # noqa: E402
from ldm_scaling.cells.sample import LatentSampler  # noqa: E402
from ldm_scaling.costs.count_adopted import (  # noqa: E402
    adopted_costs,
    assemble,
    prompt_shapes,
    untrained,
)
from ldm_scaling.costs.latency import latency_table  # noqa: E402
from ldm_scaling.costs.timing import timed  # noqa: E402
from ldm_scaling.diffusion.sampling import make_scheduler  # noqa: E402
from ldm_scaling.latents.autoencoder import build as build_autoencoder  # noqa: E402
from ldm_scaling.latents.pairs import PackedPairs  # noqa: E402
from ldm_scaling.models import adopt  # noqa: E402
from ldm_scaling.models.denoiser import build  # noqa: E402
from ldm_scaling.models.pretrain import Denoising  # noqa: E402
from ldm_scaling.plan.devices import BFLOAT16, DEVICES  # noqa: E402
from ldm_scaling.study.adopted import AdoptedModel  # noqa: E402
from ldm_scaling.study.load import load_study  # noqa: E402
from ldm_scaling.study.study import Study  # noqa: E402
from ldm_scaling.training.devices import (  # noqa: E402
    device_name,
    dtype_on,
    forget_peak,
    in_precision,
    own_device,
    peak_gb,
    precision,
)
from ldm_scaling.workflow.reruns import as_table  # noqa: E402
from ldm_scaling.workflow.specs.cells import CellSpec  # noqa: E402
from ldm_scaling.workflow.specs.costs import LatencySpec  # noqa: E402
from ldm_scaling.workflow.specs.models import PretrainSpec  # noqa: E402

PUBLIC = {
    "sd1": ("CompVis/stable-diffusion-v1-4", 512),
    "bk-base": ("nota-ai/bk-sdm-base", 512),
    "bk-small": ("nota-ai/bk-sdm-small", 512),
    "bk-tiny": ("nota-ai/bk-sdm-tiny", 512),
    "sana-600m": ("Efficient-Large-Model/Sana_600M_512px_diffusers", 512),
}
COMPILED = ("sd1", "sana-600m")
"""one of each architecture: compiling takes about a minute"""
STEPS, REPEATS = 8, 3
LATEST = 360
"""seconds after which no part begins"""

costs_of = cache(adopted_costs)
Row = dict[str, Any]
Parts = dict[str, Callable[[], Row | list[Row]]]


def peak(device: torch.device) -> float | None:
    """FLOP/s of the device in bfloat16, where they are known."""
    name = device_name(device).lower().replace(" ", "")
    return next((own.get(BFLOAT16) for known, own in DEVICES.items() if known in name), None)


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Median seconds of a call; those that warm up also compile."""
    return statistics.median(timed(call, REPEATS, device))


def dtype_named(device: torch.device) -> str:
    """What networks compute in on the device."""
    return str(dtype_on(device)).removeprefix("torch.")


def cell_of(sampler: str, images: int) -> CellSpec:
    """A guided cell."""
    return CellSpec(
        sampler=sampler,
        schedule=None if sampler == "native" else "trailing",
        steps=STEPS,
        guidance=5,
        n=images,
        seed=0,
        extractors=[{"name": "effnet_lite0", "input_size": 64}],
    )


def sampler_of(model: AdoptedModel, pipeline: Any, batch: int) -> PipelineSampler:
    """What samples a pipeline, with random prompts."""
    layout, draw = adopt.read_layout(model), np.random.default_rng(0)
    config = getattr(pipeline, layout.kind.denoiser).config
    prompts = {
        name: np.ones((batch, *shape), np.int32)
        if name.endswith("mask")
        else draw.standard_normal((batch, *shape)).astype(np.float16)
        for name, shape in prompt_shapes(layout, model, config).items()
    }
    return PipelineSampler(pipeline, layout, prompts, model.side, model.side)


# ------------------------------------------------------------ adopted pipelines


def check_classes(names: Iterable[str], folder: Path, device: torch.device) -> list[Row]:
    """Whether tiny pipelines sample on the device, and how much images change with the batch."""
    side, images, dtype = 32, 4, dtype_named(device)
    rows: list[Row] = []
    for name in names:
        own = str(pipelines.save(name, folder / name))
        model = AdoptedModel(name=name.replace("_", "-"), pretrained=own, side=side, dtype=dtype)
        pipeline = adopt.load(model, text=False).to(device)
        sampler, cell = sampler_of(model, pipeline, images), cell_of("native", images)
        made, finite = sampler.images(cell, range(images))
        alone, _ = sampler.images(cell, [1])
        change = int(np.abs(made[1].astype(int) - alone[0]).max())
        shown = {"finite": finite, "nfe": sampler.evaluations(cell)}
        rows.append({"class": name, "dtype": dtype, **shown, "most_change_of_a_pixel": change})
    return rows


def random_pipeline(model: AdoptedModel, device: torch.device) -> Any:
    """A pipeline of a model's shapes with random weights, without text encoders."""
    layout = adopt.read_layout(model)
    networks = {
        name: untrained(layout, name, device, model.dtype) for name in (layout.kind.denoiser, "vae")
    }
    return assemble(layout, adopt.pipeline_class(layout), networks)


def measure_pipeline(model: AdoptedModel, device: torch.device, batch: int, compiled: bool) -> Row:
    """Seconds an image, memory and utilisation of one adopted pipeline."""
    costs, pipeline = costs_of(model), random_pipeline(model, device)
    if compiled:
        compile_forward(getattr(pipeline, adopt.read_layout(model).kind.denoiser))
    sampler, cell = sampler_of(model, pipeline, batch), cell_of("dpmpp", batch)
    most = peak(device)
    forget_peak(device)
    taken = seconds(lambda: sampler.images(cell, range(batch)), device) / batch
    evaluations = sampler.evaluations(cell)
    flops = evaluations * costs.forward + costs.decode
    return {
        "side": model.side,
        "batch": batch,
        "steps": STEPS,
        "nfe": evaluations,
        "params": costs.params,
        "gflops": costs.forward / 1e9,
        "tflops_per_image": flops / 1e12,
        "seconds_per_image": taken,
        "peak_memory_gb": peak_gb(device),
        "utilisation_percent": 100 * flops / taken / most if most else None,
    }


def compile_forward(network: Any) -> None:
    """Compile a network without its hooks, whose counts would compile it anew at each call."""
    network.forward = torch.compile(network.forward)


# ------------------------------------------------------------ models trained here


def measure_family(study: Study, device: torch.device) -> list[Row]:
    """Seconds of a forward pass of every U-Net."""
    return latency_table(LatencySpec.of(study), device, dtype_named(device)).to_dict("records")


def measure_sampling(
    study: Study, size: str, device: torch.device, batch: int, compiled: bool
) -> Row:
    """Images a second of our sampler, and of diffusers' pipeline with the same networks.

    Only the latter is compiled: ours keeps the projected text between steps, outside the network.
    """
    shapes = study.latent_shape, study.text_shape
    with device:
        networks = [build(study.family, size, shapes[0], shapes[1][1]) for _ in range(2)]
        decoders = [build_autoencoder(study.latents.autoencoder) for _ in range(2)]
    for network in (*networks, *decoders):
        network.eval().requires_grad_(False)
    text = np.random.default_rng(0).standard_normal((batch, *shapes[1])).astype(np.float32)
    own = in_precision(networks[0], precision())
    ours = LatentSampler(own, decoders[0], study.diffusion, text, np.zeros_like(text[0]))
    dtype, cell = dtype_on(device), cell_of("ddim", batch)
    pipeline = diffusers.StableDiffusionPipeline(
        vae=decoders[1].to(dtype),
        unet=networks[1].to(dtype),
        scheduler=make_scheduler("ddim", study.diffusion),
        text_encoder=None,
        tokenizer=None,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    if compiled:
        compile_forward(networks[1])
    prompts = torch.from_numpy(text).to(device, dtype)

    def usual() -> None:
        pipeline(
            prompt_embeds=prompts,
            negative_prompt_embeds=torch.zeros_like(prompts),
            num_inference_steps=cell.steps,
            guidance_scale=cell.guidance,
            output_type="np",
        )

    return {
        "batch": batch,
        "steps": STEPS,
        "images_per_second": batch / seconds(lambda: ours.images(cell, range(batch)), device),
        "usual_images_per_second": batch / seconds(usual, device),
    }


def measure_training(
    study: Study, size: str, device: torch.device, batch: int, compiled: bool
) -> Row:
    """Images a second of a training step: ours, and the loop of diffusers' example."""
    latents = np.zeros((batch, *study.latent_shape), np.float32)
    text = np.zeros((batch, *study.text_shape), np.float16)
    task = Denoising(PretrainSpec.of(study, size, 0), PackedPairs(latents, text, text[0]))
    network = task.module.to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    noiser = diffusers.DDPMScheduler(beta_schedule="scaled_linear")
    rows = np.arange(batch)
    if compiled:
        compile_forward(network)
    half = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
    clean = torch.zeros(batch, *study.latent_shape, device=device)
    captions = torch.zeros(batch, *study.text_shape, device=device)

    def step(loss_of: Callable[[], torch.Tensor]) -> None:
        with half:
            loss = loss_of()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def ours() -> torch.Tensor:
        return task.losses(network, rows, range(batch), device).mean()

    def usual() -> torch.Tensor:
        noise = torch.randn_like(clean)
        times = torch.randint(0, 1000, (batch,), device=device)
        noisy = noiser.add_noise(clean, noise, times)
        predicted = network(noisy, times, captions, return_dict=False)[0]
        return (predicted.float() - noise).square().mean()

    return {
        "batch": batch,
        "images_per_second": batch / seconds(lambda: step(ours), device),
        "usual_images_per_second": batch / seconds(lambda: step(usual), device),
    }


# ------------------------------------------------------------ parts and report


def study_of(overlay: Row) -> Study:
    """The pocket study with an overlay."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, overlay)
    return load_study(config)


def named(study: str) -> Study:
    """A study of studies/."""
    return study_of(yaml.safe_load((ROOT / f"studies/{study}.yaml").read_text()))


def rehearsed(device: torch.device, folder: Path) -> Parts:
    """Every kind of part on tiny shapes, by its name."""
    batch, study = 2, study_of({"latency": {"batches": [2], "repeats": REPEATS}})
    tiny = pipelines.save("stable_diffusion", folder / "tiny")
    model = AdoptedModel(name="tiny", pretrained=str(tiny), side=32)
    return {
        "classes": partial(check_classes, ["sana"], folder, device),
        "tiny eager": partial(measure_pipeline, model, device, batch, False),
        "family": partial(measure_family, study, device),
        "sampling c12 eager": partial(measure_sampling, study, "c12", device, batch, False),
        "training c12 eager": partial(measure_training, study, "c12", device, batch, False),
    }


def parts(device: torch.device, folder: Path) -> Parts:
    """What is measured, by its name, in the order of its worth."""
    found: Parts = {"classes": partial(check_classes, pipelines.MAKERS, folder, device)}
    batch, small, large = 8, named("gpu"), named("paper")
    sizes = {"c176": (small, 16 * batch), "c320": (large, batch)}
    trained = {"sampling": measure_sampling, "training": measure_training}
    for how in ("eager", "compiled"):
        compiled = how == "compiled"
        for name in COMPILED if compiled else PUBLIC:
            known, side = PUBLIC[name]
            model = AdoptedModel(name=name, pretrained=known, side=side, dtype="bfloat16")
            found[f"{name} {how}"] = partial(measure_pipeline, model, device, batch, compiled)
        if not compiled:
            found["family"] = partial(measure_family, large, device)
        for size, (study, count) in sizes.items():
            for word, measured in trained.items():
                own = partial(measured, study, size, device, count, compiled)
                found[f"{word} {size} {how}"] = own
    return found


def as_markdown(report: dict[str, Any]) -> str:
    """The report as tables, one for all parts that have the same numbers."""
    tables: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for name, own in report["parts"].items():
        for row in own if isinstance(own, list) else [own]:
            values = (f"{own:.4g}" if isinstance(own, float) else str(own) for own in row.values())
            tables.setdefault(("part", *row), []).append((name, *values))
    known = ", ".join(f"{name} {own}" for name, own in report.items() if name != "parts")
    return "\n\n".join([known, *(as_table(head, rows) for head, rows in tables.items())]) + "\n"


def run(chosen: Parts, report: Row, out: Path) -> list[str]:
    """Run the parts, and write the report after each; the names of those that failed."""
    out.mkdir(parents=True, exist_ok=True)
    start, failed = time.perf_counter(), []
    for name, part in chosen.items():
        began = time.perf_counter()
        gc.collect()  # pipelines of earlier parts
        try:
            late = began - start > LATEST
            report["parts"][name] = {"left_out": "no time"} if late else part()
        except Exception as error:  # the other parts are worth having
            report["parts"][name] = {"failed": f"{type(error).__name__}: {error}"[:300]}
            failed.append(name)
        print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)
        (out / "gpu.json").write_text(json.dumps(report, indent=1) + "\n")
        (out / "gpu.md").write_text(as_markdown(report))
    return failed


def main() -> None:
    """Command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--out", type=Path, required=True, help="folder to write to")
    arguments.add_argument("--rehearse", action="store_true", help="tiny shapes, on any device")
    options = arguments.parse_args()
    device, revision = own_device(), ["git", "rev-parse", "HEAD"]
    known = subprocess.run(revision, cwd=ROOT, capture_output=True, text=True, check=False)
    report: Row = {
        "device": device_name(device),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "revision": known.stdout.strip(),
        "parts": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        chosen = (rehearsed if options.rehearse else parts)(device, Path(folder))
        failed = run(chosen, report, options.out)
    print(f"wrote {options.out}/gpu.json and gpu.md; failed: {', '.join(failed) or 'nothing'}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
