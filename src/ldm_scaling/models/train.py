"""What the commands of all training stages share: their options, and the folder that they write."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from safetensors.torch import save_file

from ..diffusion.sampling import make_scheduler
from ..jobs.cli import Slice, add_gpus, add_work_dir, positive
from ..jobs.workdir import WorkDir, atomic_path, fingerprint, write_json, write_text
from ..kinds.architectures import FOLDER, WEIGHTS
from ..latents.autoencoder import save_model, weights_hash
from ..latents.pairs import Pairs, open_pairs
from ..study.fields import Optimisation
from ..training.devices import Switches, check_gpus, precision, process_index
from ..training.loop import Plan, Task, Trainer, warmup_then
from ..training.summary import jsonl, training_summary
from .denoiser import Denoiser, alike, blocks


def make_plan(training: Optimisation, seed: int, lr_key: str, keep: Sequence[float] = ()) -> Plan:
    """The loop's plan of a section of the study; `lr_key` is the key of its learning rate."""
    warmup = training.warmup_images / training.images
    return Plan(
        images=training.images,
        batch=training.batch,
        lr=warmup_then(training.decay, training.lr, warmup),
        lr_key=lr_key,
        weight_decay=training.weight_decay,
        clip_norm=training.clip_norm,
        ema_images=training.ema_images,
        seed=seed,
        keep=tuple(keep),
    )


class DenoiserTask(Task, Protocol):
    """A task that trains a denoiser; it may have `noted(plan)`: what its summary says beside."""

    module: Denoiser


def add_training(arguments: ArgumentParser) -> None:
    """Add the options that name captioned images, output and hardware."""
    files = {"type": Path, "nargs": "+", "default": []}
    arguments.add_argument("--latents", **files, help="latents to train on, or parts of them")
    arguments.add_argument("--text", **files, help="their text embeddings")
    arguments.add_argument("--index", type=Path, help="index of the tar shards that parts are of")
    arguments.add_argument("--shards", type=Path, help="folder of tar shards, to encode on the way")
    add_hardware(arguments)


def add_hardware(arguments: ArgumentParser) -> None:
    """Add the options that name output and hardware."""
    arguments.add_argument("--out", required=True, type=Path, help="folder of the model")
    group = arguments.add_argument_group("hardware", "these change results by rounding only")
    add_gpus(group)
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
    add_work_dir(arguments)


def train(
    options: Namespace,
    task_of: Callable[[Pairs], DenoiserTask],
    plan: Plan,
    sampler: str = "ddim",
    depends_on: tuple[str, ...] = (),
) -> None:
    """Train what the options ask for on captioned images; the rest is `train_task`'s."""
    spec = options.spec
    pairs, sources = open_pairs(
        options.latents, options.text, options.index, options.shards, spec.encoding
    )
    label = f"{spec.stage} {spec.size} seed {spec.seed}"
    train_task(options, task_of(pairs), plan, label, (*sources, *depends_on), sampler)


def train_task(
    options: Namespace,
    task: DenoiserTask,
    plan: Plan,
    label: str,
    depends_on: tuple[str, ...],
    sampler: str = "ddim",
    keep_state: bool = True,
) -> None:
    """Train a task from its newest state, and write its folder.

    `depends_on` are hashes of what decides the result beside the spec. Without `keep_state` nothing
    stays in the work folder when all is written.
    """
    check_gpus(options.gpus)
    time_slice = Slice(options.max_seconds)
    content = fingerprint(options.spec, *depends_on)
    switches = Switches(options.micro_batch, options.precision or precision(), options.sharded)
    if options.checkpointing:
        task.module.enable_gradient_checkpointing()
    with WorkDir(options.work_dir, content, lock=process_index() == 0) as work:
        trainer = Trainer(task, plan, work, label, switches, blocks(task.module))
        trainer.run(time_slice)
        if trainer.accelerator.is_main_process:
            export(alike(task.module), trainer, options, sampler)
            if not keep_state:
                work.clear()
    print(f"{label}: {trainer.state.seconds:.0f} s of training")


def export(network: Denoiser, trainer: Trainer, options: Namespace, sampler: str) -> None:
    """Write the model's folder, with the averaged weights in a network; the summary comes last."""
    state, spec, out = trainer.state, options.spec, options.out
    kept = {
        f"{part}/{name}": value.contiguous().cpu()
        for part, weights in state.kept.items()
        for name, value in weights.items()
    }
    with atomic_path(out / "kept.safetensors") as path:
        save_file(kept, path)
    network.load_state_dict(trainer.averaged)
    save_model(network, out / FOLDER, WEIGHTS)
    scheduler = make_scheduler(sampler, spec.diffusion, getattr(spec, "teacher_steps", None))
    write_text(out / "scheduler" / "scheduler_config.json", scheduler.to_json_string())
    write_text(out / "metrics.jsonl", jsonl(state.log))
    final = float(np.mean([row["loss"] for row in state.log[-5:]]))
    summary = training_summary(
        trainer, loss=final, weights=weights_hash(network), spec=spec.model_dump()
    )
    noted = getattr(trainer.task, "noted", None)
    write_json(out / "summary.json", summary | (noted(trainer.plan) if noted else {}))
