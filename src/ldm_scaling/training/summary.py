"""What is written of a training beside its weights."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import torch

from .devices import device_name
from .loop import Trainer


def training_summary(trainer: Trainer, **more: Any) -> dict[str, Any]:
    """What a trained network's summary.json says in any case."""
    plan, state = trainer.plan, trainer.state
    parameters = trainer.accelerator.unwrap_model(trainer.module).parameters()
    return {
        "status": "ok",
        "params": sum(p.numel() for p in parameters),
        "images": state.step * plan.batch,
        "steps": state.step,
        "seconds": round(state.seconds, 1),
        "device": device_name(trainer.device),
        "processes": trainer.accelerator.num_processes,
        "precision": trainer.accelerator.mixed_precision,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "revision": git_revision(),
        **more,
    }


def git_revision() -> str:
    """The revision of this code, with `-dirty` if it was changed; empty outside of git."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def jsonl(rows: list[dict]) -> str:
    """Rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)
