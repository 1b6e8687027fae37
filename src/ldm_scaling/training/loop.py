"""The training loop that every trained network shares: resumable, by images seen, on any device.

What one step computes depends only on the seed and on the images seen before it: the order of the
data and every random draw are functions of (seed, position), so neither the micro-batch nor the
number of processes nor an interruption changes them.
"""

from __future__ import annotations

import datetime
import functools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin, InitProcessGroupKwargs
from torch import nn

from ..jobs.cli import InputError, Progress, Slice, SliceEnded
from ..jobs.seeds import order
from ..jobs.workdir import WorkDir, write_json
from .devices import (
    Switches,
    as_laid_out,
    divided,
    ignore_settings_of_accelerate,
    in_precision,
    local,
    shard,
    whole,
)
from .network import Network
from .opponent import Opponent
from .pacing import Pace

DEFAULTS = Switches()
PATIENCE = datetime.timedelta(hours=6)
"""for which processes wait for one that saves; the default of 10 minutes is too short for large
models on a slow disk"""


class Task(Protocol):
    """What a training loop optimises.

    It may have an `order(seed, start, length)` of its own, `announce(indices)`, which is told the
    images of this process's next step while the current one runs, a `target`: a copy of the
    module that always has the averaged weights, and a `pace`, which takes the loss of every step.
    If it has an `opponent`, its losses are those of both networks, and `measured(device)` gives
    numbers for the log.
    """

    module: Network
    count: int
    """images in the data"""

    def losses(
        self, module: Network, indices: np.ndarray, positions: np.ndarray, device: torch.device
    ) -> torch.Tensor:
        """The loss of each image; shape [len(indices)]."""
        ...


@dataclass(frozen=True)
class Plan:
    """Length and optimisation of a run; lengths in images."""

    images: int
    batch: int
    lr: Callable[[float], float]
    """learning rate at a fraction of the run"""
    lr_key: str
    """the study's key of that rate"""
    weight_decay: float
    clip_norm: float
    ema_images: float
    seed: int
    keep: tuple[float, ...] = ()
    log_images: int = 4096
    save_seconds: float = 5
    """state is saved so often at first; see `save_after`"""

    @property
    def steps(self) -> int:
        """Optimiser steps; the last batch is full, so a run may see a few images more."""
        return math.ceil(self.images / self.batch)

    @property
    def keep_at(self) -> dict[int, str]:
        """The steps after which a checkpoint is kept, and its name: the fraction of the run."""
        return {max(1, round(part * self.steps)): f"{part:g}" for part in self.keep}

    def save_after(self, seconds: float, took: float) -> float:
        """Seconds from one saved state to the next, of a run that has taken so many seconds.

        A tenth of the run may be lost, but no more than twelve times `save_seconds`, a minute. It
        is more where saving itself takes over a twentieth of it.
        """
        often = self.save_seconds
        return max(often, min(seconds / 10, 12 * often), 20 * took)


def warmup_then(decay: str, peak: float, warmup: float) -> Callable[[float], float]:
    """Linear warm-up over the fraction `warmup`, then cosine decay to 0 or a constant rate."""

    def rate(done: float) -> float:
        if done < warmup:
            return peak * done / warmup
        if decay == "constant":
            return peak
        return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warmup) / (1 - warmup))))

    return rate


@dataclass
class State:
    """Everything a run needs to go on as if it had never stopped."""

    step: int = 0
    seconds: float = 0.0
    log: list[dict[str, float]] = field(default_factory=list)
    kept: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)


def write_state(state: dict[str, Any], path: Path) -> None:
    """Write a state file."""
    with path.open("wb") as file:  # given a path, torch hides that a disk is full
        torch.save(state, file)


class Trainer:
    """Runs a task by a plan in a work folder; `averaged` then holds the averaged weights."""

    def __init__(
        self,
        task: Task,
        plan: Plan,
        work: WorkDir,
        label: str,
        switches: Switches = DEFAULTS,
        blocks: tuple[type[nn.Module], ...] = (),
    ):
        """Where weights are divided, modules of these classes are gathered one by one."""
        self.task, self.plan, self.work, self.label = task, plan, work, label
        ignore_settings_of_accelerate()
        self.accelerator = Accelerator(
            log_with="tensorboard",
            project_dir=str(work.path),
            mixed_precision=switches.precision,
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
            kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
        )
        ranks = self.accelerator.num_processes
        if plan.batch < ranks or (switches.sharded and plan.batch % ranks):
            raise InputError(
                f"{label}: a batch of {plan.batch} cannot be shared by {ranks} processes"
                f"{' alike' if switches.sharded else ''}; start fewer"
            )
        self.device = self.accelerator.device
        self._sharded, self._blocks = switches.sharded and ranks > 1, blocks
        if self._sharded:
            self.module = shard(task.module, self.device, blocks)
        else:
            self.module = self.accelerator.prepare(task.module)
        # fused: three to five times faster than the default on a CPU, for networks this small
        self.optimizer = self.accelerator.prepare(
            torch.optim.AdamW(
                self.module.parameters(), lr=0.0, weight_decay=plan.weight_decay, fused=True
            )
        )
        # looked up once: looking through all layers takes long beside a step of a small network
        self._parameters = list(self.module.parameters())
        self.averaged = {k: v.detach().clone() for k, v in self._weights().items()}
        self._changing = self._averaged_and_own()
        self._target = self._placed(getattr(task, "target", None))
        self.state = State()
        self._micro = switches.micro_batch or plan.batch
        self._order = getattr(task, "order", functools.partial(order, task.count))
        self._announce = getattr(task, "announce", None)
        self._pace: Pace | None = getattr(task, "pace", None)
        self._losses = torch.zeros(plan.batch, device=self.device)
        self._opponent: Opponent | None = getattr(task, "opponent", None)

    def _placed(self, target: Network | None) -> Network | None:
        if target is None:
            return None
        if self._sharded:
            return shard(target, self.device, self._blocks)
        return in_precision(target.to(self.device), self.accelerator.mixed_precision)

    def _weights(self) -> dict[str, torch.Tensor]:
        return self.accelerator.unwrap_model(self.module).state_dict()

    # ------------------------------------------------------------ state

    def _read(self, path: Path) -> dict[str, Any]:
        # on the CPU: a device that is out of memory must not make a good state look unreadable
        # and mapped, so that the processes of a node share what they read
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)

    def _resume(self) -> None:
        saved = self.work.load(self._read)
        if saved is None:
            return
        weights = self._weights()
        self.averaged = {k: divided(v, weights[k]) for k, v in saved["averaged"].items()}
        self._changing = self._averaged_and_own()
        module = {k: divided(v, weights[k]) for k, v in saved["module"].items()}
        self.accelerator.unwrap_model(self.module).load_state_dict(module)
        as_laid_out(saved["optimizer"], self.module.parameters())
        self.optimizer.load_state_dict(saved["optimizer"])
        if self._opponent:
            self._opponent.load(saved["opponent"])
        self.state = State(**{name: saved[name] for name in vars(self.state)})
        if self._pace:
            self._pace.restore(saved["pace"])
        self._show_target()
        if not self.accelerator.is_main_process:
            self.state.kept = {}

    def _save(self) -> None:
        state = {
            "module": self._weights(),
            "averaged": self.averaged,
            "optimizer": self.optimizer.state_dict(),
            **vars(self.state),
            **({"pace": self._pace.state()} if self._pace else {}),
        }
        if self._opponent:
            state["opponent"] = self._opponent.state()
        state = whole(state, self.accelerator.is_main_process)
        if self.accelerator.is_main_process:
            self.work.save(self.state.step, functools.partial(write_state, state))

    # ------------------------------------------------------------ steps

    def _step(self) -> torch.Tensor:
        """One optimiser step; this process's part of the batch's loss."""
        plan, step, ranks = self.plan, self.state.step, self.accelerator.num_processes
        rate = plan.lr((step + 1) / plan.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        # processes share the batch; the gradients' mean over them is the batch's mean
        mine = np.arange(plan.batch)[self.accelerator.process_index :: ranks]
        indices = self._order(plan.seed, step * plan.batch, plan.batch)
        if self._announce and step + 1 < plan.steps:
            self._announce(self._order(plan.seed, (step + 1) * plan.batch, plan.batch)[mine])
        total = torch.zeros((), device=self.device)
        for begin in range(0, len(mine), self._micro):
            rows = mine[begin : begin + self._micro]
            last = begin + self._micro >= len(mine)
            with self._exchange(last):
                with self.accelerator.autocast():
                    losses = self.task.losses(
                        self.module, indices[rows], step * plan.batch + rows, self.device
                    )
                self.accelerator.backward(losses.sum() * (ranks / plan.batch))
            total += losses.detach().sum() * (ranks / plan.batch)
            self._losses[rows] = losses.detach()
        self.accelerator.clip_grad_norm_(self._parameters, plan.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self._opponent:
            self._opponent.step(self.accelerator)
        self._average()
        self.state.step += 1
        return total

    def _agreed(self, loss: torch.Tensor, *flags: bool) -> tuple[float, list[bool]]:
        """The mean loss, and which flags hold in any process.

        Clocks differ, but putting divided weights together takes all processes at the same step.
        """
        own = torch.stack([loss, *(loss.new_tensor(float(flag)) for flag in flags)])
        reduced: Any = self.accelerator.reduce(own, "mean")
        mean, *found = reduced.tolist()
        return mean, [flag > 0 for flag in found]

    def _keep_pace(self) -> None:
        """Tell the pace the last step's loss: the mean over the batch, in the order of images.

        So neither the micro-batch nor the number of processes changes the order of its sum.
        """
        if self._pace:
            each: Any = self.accelerator.reduce(self._losses, "sum")  # 0 where another process is
            self._pace.after(self.state.step - 1, each.double().mean().item())

    @contextmanager
    def _exchange(self, now: bool) -> Iterator[None]:
        """Whether a backward pass exchanges gradients: only the step's last one has to."""
        if self._sharded:
            self.module.set_requires_gradient_sync(now)
            yield
        else:
            with nullcontext() if now else self.accelerator.no_sync(self.module):
                yield

    def _averaged_and_own(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """This process's part of the averaged weights and of the network's, changed in place."""
        weights = self._weights()
        floats = [name for name, value in weights.items() if value.is_floating_point()]
        return [local(self.averaged[n]) for n in floats], [local(weights[n]) for n in floats]

    @torch.no_grad()
    def _average(self) -> None:
        # a half-life of ema_images, but never longer than a tenth of what has been seen (EDM2)
        seen = (self.state.step + 1) * self.plan.batch
        decay = 0.5 ** (self.plan.batch / min(self.plan.ema_images, 0.1 * seen))
        averaged, weights = self._changing
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]  # as its optimizers
            averaged, weights, 1 - decay
        )
        self._show_target()

    @torch.no_grad()
    def _show_target(self) -> None:
        if self._target is not None:
            shown = self._target.state_dict()
            torch._foreach_copy_(  # pyright: ignore[reportPrivateImportUsage]  # as its optimizers
                [local(tensor) for tensor in shown.values()],
                [local(self.averaged[name]) for name in shown],
            )

    def run(self, time_slice: Slice) -> State:
        """Train to the end, from the newest saved state if there is one.

        Raises InputError if the loss is no longer finite, SliceEnded if the slice is over.
        """
        self._resume()
        plan, state = self.plan, self.state
        if state.step and self.accelerator.is_main_process:
            print(f"{self.label}: continuing after {state.step * plan.batch} images", flush=True)
        self.accelerator.init_trackers("tensorboard")
        keep_at = plan.keep_at
        progress = Progress(self.label, plan.images, min(state.step * plan.batch, plan.images))
        log_steps = max(1, plan.log_images // plan.batch, plan.steps // 2000)
        running, clock, save_at = [], time.monotonic(), time.monotonic() + plan.save_seconds
        while state.step < plan.steps:
            own, now = self._step(), time.monotonic()
            loss, (ended, due) = self._agreed(own, time_slice.ended(), now > save_at)
            self._check(loss)
            self._keep_pace()
            running.append(loss)
            state.seconds, clock = state.seconds + now - clock, now
            images = min(state.step * plan.batch, plan.images)
            if state.step in keep_at:
                kept = whole(self.averaged, self.accelerator.is_main_process)
                if self.accelerator.is_main_process:
                    copies = {k: v.detach().to("cpu", copy=True) for k, v in kept.items()}
                    state.kept[keep_at[state.step]] = copies
            if state.step % log_steps == 0 or state.step == plan.steps:
                row = {"loss": loss} | self._measured()
                state.log.append({"images": state.step * plan.batch} | row)
                self.accelerator.log(row, step=state.step * plan.batch)
            if self.accelerator.is_main_process:
                progress.update(images, f"loss {np.mean(running[-50:]):.4f}")
            if ended:
                self._save()
                self.accelerator.wait_for_everyone()  # the launcher ends all when one has ended
                raise SliceEnded(f"{self.label}: stopped at {images} images; state is saved")
            if due or state.step == plan.steps:
                self._save()
                took = time.monotonic() - now
                save_at = now + plan.save_after(state.seconds, took)
        self.averaged = whole(self.averaged, self.accelerator.is_main_process)
        self.accelerator.end_training()  # and no exchange between processes from here on
        return state

    def _measured(self) -> dict[str, float]:
        if self._opponent is None:
            return {}
        with torch.no_grad(), self.accelerator.autocast():
            task: Any = self.task
            return task.measured(self.device)

    def _check(self, loss: float) -> None:
        if math.isfinite(loss):
            return
        images = self.state.step * self.plan.batch
        if self.accelerator.is_main_process:
            status = {"status": "diverged", "images": images, "loss": repr(loss)}
            write_json(self.work.path / "status.json", status)
        self.accelerator.wait_for_everyone()
        other = ", or lr of the arm's adversary" if self._opponent else ""
        raise InputError(
            f"{self.label}: the loss is {loss} after {images} images; no model is saved "
            f"(status in {self.work.path}/status.json). Lower {self.plan.lr_key}{other}"
        )
