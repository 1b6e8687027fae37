"""Pretrain one size on latents and text embeddings, cached or encoded on the way.

Writes a diffusers folder: `unet/` with the averaged weights, `scheduler/`, `summary.json`,
`metrics.jsonl`, and `kept.safetensors`: the averaged weights at every fraction of the run that the
study keeps, named `{fraction}/{parameter}`.
Running the same command again continues, on a CPU bit by bit.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import nn

from ..cli import Slice, add_work_dir, parser, positive, run
from ..devices import Switches, check_gpus, precision, process_index
from ..diffusion.samplers import make_scheduler
from ..diffusion.schedule import add_noise, alphas_cumprod, loss_weights, target
from ..latents.autoencoder import save_model, weights_hash
from ..latents.pairs import Pairs, open_pairs
from ..loop import Plan, Stream, Trainer, jsonl, row_generators, training_summary, warmup_then
from ..specs import PretrainSpec
from ..workdir import WorkDir, atomic_path, fingerprint, write_json, write_text
from .family import build_unet

WEIGHTS = "diffusion_pytorch_model.safetensors"


class Denoising:
    """The task of the training loop: predict the noise (or v) in noisy latents."""

    def __init__(self, spec: PretrainSpec, pairs: Pairs):
        self._spec, self._pairs = spec, pairs
        torch.manual_seed(spec.seed)
        self.module = self.build().to(memory_format=torch.channels_last)  # up to a third faster
        self.count, self.order, self.announce = pairs.count, pairs.order, pairs.announce
        self._alphas = alphas_cumprod(spec.diffusion)

    def build(self) -> UNet2DConditionModel:
        """An untrained network of this spec."""
        spec = self._spec
        return build_unet(spec.family, spec.size, self._pairs.latent_shape, self._pairs.text_width)

    def losses(
        self, module: nn.Module, indices: np.ndarray, positions: np.ndarray, device: torch.device
    ) -> torch.Tensor:
        """Weighted squared error of each image; shape [len(indices)]."""
        spec = self._spec
        clean, captions = self._pairs.read(indices, device)
        noise, timesteps, dropped = [], [], []
        for row, generator in enumerate(row_generators(Stream.TRAINING, spec.seed, positions)):
            timesteps.append(torch.randint(len(self._alphas), (), generator=generator))
            if torch.rand((), generator=generator) < spec.training.caption_dropout:
                dropped.append(row)
            noise.append(torch.randn(self._pairs.latent_shape, generator=generator))
        captions[dropped] = self._pairs.empty.to(device)
        steps = torch.stack(timesteps)
        alpha = self._alphas[steps].to(device)
        eps = torch.stack(noise).to(device)
        kind = spec.diffusion.prediction
        predicted = module(
            add_noise(clean, eps, alpha), steps.to(device), captions, return_dict=False
        )[0]
        error = (predicted.float() - target(kind, clean, eps, alpha)).square().mean(dim=(1, 2, 3))
        return error * loss_weights(kind, alpha, spec.training.min_snr_gamma)


def make_plan(spec: PretrainSpec) -> Plan:
    """The loop's plan of a spec."""
    training = spec.training
    return Plan(
        images=training.images,
        batch=training.batch,
        lr=warmup_then(training.decay, training.lr, training.warmup_images / training.images),
        lr_key="training.lr",
        weight_decay=training.weight_decay,
        clip_norm=training.clip_norm,
        ema_images=training.ema_images,
        seed=spec.seed,
        keep=tuple(training.keep),
    )


def export(unet: UNet2DConditionModel, trainer: Trainer, spec: PretrainSpec, out: Path) -> None:
    """Write the model's folder, with the averaged weights in `unet`; the summary comes last."""
    state = trainer.state
    kept = {
        f"{part}/{name}": value.contiguous().cpu()
        for part, weights in state.kept.items()
        for name, value in weights.items()
    }
    with atomic_path(out / "kept.safetensors") as path:
        save_file(kept, path)
    unet.load_state_dict(trainer.averaged)
    save_model(unet, out / "unet", WEIGHTS)
    scheduler = make_scheduler("ddim", spec.diffusion)
    write_text(out / "scheduler" / "scheduler_config.json", scheduler.to_json_string())
    write_text(out / "metrics.jsonl", jsonl(state.log))
    final = float(np.mean([row["loss"] for row in state.log[-5:]]))
    summary = training_summary(
        trainer, loss=final, weights=weights_hash(unet), spec=spec.model_dump()
    )
    write_json(out / "summary.json", summary)


def _add_switches(arguments: ArgumentParser) -> None:
    group = arguments.add_argument_group("hardware", "these change results by rounding only")
    group.add_argument("--gpus", type=int, default=0, help="stop if torch sees fewer GPUs")
    group.add_argument(
        "--micro-batch", type=positive(int), help="images a forward pass (default: the batch)"
    )
    group.add_argument(
        "--precision",
        choices=["no", "bf16"],
        help="arithmetic (default: bf16 on a GPU that has it)",
    )
    group.add_argument(
        "--checkpointing", action="store_true", help="compute activations twice, keep few of them"
    )
    group.add_argument(
        "--sharded", action="store_true", help="divide the weights among the processes (FSDP)"
    )


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, PretrainSpec)
    files = {"type": Path, "nargs": "+", "default": []}
    arguments.add_argument("--latents", **files, help="latents to train on, or parts of them")
    arguments.add_argument("--text", **files, help="their text embeddings")
    arguments.add_argument("--index", type=Path, help="index of the tar shards that parts are of")
    arguments.add_argument("--shards", type=Path, help="folder of tar shards, to encode on the way")
    arguments.add_argument("--out", required=True, type=Path, help="folder of the model")
    _add_switches(arguments)
    add_work_dir(arguments)
    options = arguments.parse_args()
    check_gpus(options.gpus)
    spec: PretrainSpec = options.spec
    time_slice = Slice(options.max_seconds)
    pairs, sources = open_pairs(
        options.latents, options.text, options.index, options.shards, spec.encoding
    )
    task = Denoising(spec, pairs)
    content = fingerprint(spec, *sources)
    switches = Switches(options.micro_batch, options.precision or precision(), options.sharded)
    if options.checkpointing:
        task.module.enable_gradient_checkpointing()
    with WorkDir(options.work_dir, content, lock=process_index() == 0) as work:
        label = f"{spec.stage} {spec.size} seed {spec.seed}"
        trainer = Trainer(task, make_plan(spec), work, label, switches)
        trainer.run(time_slice)
        if trainer.accelerator.is_main_process:
            export(task.build(), trainer, spec, options.out)
    print(f"{label}: {trainer.state.seconds:.0f} s of training")


if __name__ == "__main__":
    run(main)
