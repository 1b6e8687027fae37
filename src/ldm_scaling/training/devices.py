"""Devices of a job: as many as it asked for, their precision, and weights divided among them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
import torch.distributed as dist
from accelerate.utils import convert_outputs_to_fp32
from torch import nn
from torch.distributed.device_mesh import init_device_mesh

from ..jobs.cli import InputError
from .network import Network

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

USE_CPU = "ACCELERATE_USE_CPU"


@dataclass(frozen=True)
class Switches:
    """How a training uses its devices. Results depend on none of it but by rounding."""

    micro_batch: int | None = None
    """images a device takes through the network at a time; None: its whole share of the batch"""
    precision: str = "no"
    """accelerate's name: no (float32) or bf16, for the network's arithmetic, not for its weights"""
    sharded: bool = False
    """divide weights, gradients and optimizer among the processes (FSDP) instead of copying them"""


def process_index() -> int:
    """Number of this process within its job, as torch's launcher gives it; 0 without one."""
    return int(os.environ.get("RANK", 0))


def process_count() -> int:
    """Processes of this job."""
    return int(os.environ.get("WORLD_SIZE", 1))


def _on_processors() -> bool:
    return os.environ.get(USE_CPU, "").lower() in ("1", "true", "yes")


def ignore_settings_of_accelerate() -> None:
    """Forget accelerate's variables in the environment, which would change what is trained.

    Those that its launcher sets say what is the default. ACCELERATE_USE_CPU is the user's to set.
    """
    for name in [name for name in os.environ if name.startswith("ACCELERATE_")]:
        if name != USE_CPU:
            del os.environ[name]


def own_device() -> torch.device:
    """The GPU of this process, or the processor where there is none."""
    if _on_processors() or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def device_name(device: torch.device) -> str:
    """The name of the hardware behind a device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def check_gpus(asked: int) -> None:
    """Raise InputError if a job does not see the GPUs that it asked for.

    Submitted to a cluster by Snakemake, it must see exactly as many. Elsewhere a job that asks for
    one also runs without, as does every job under ACCELERATE_USE_CPU=true.
    """
    submitted = "LDM_SCALING_SUBMITTED" in os.environ
    seen = torch.cuda.device_count()
    if _on_processors():
        return
    if seen < asked and (submitted or asked > 1):
        advice = (
            "check the partition and the GPU driver of this node"
            if submitted
            else (f"start Snakemake with --resources gpu={max(1, seen)}")
        )
        raise InputError(
            f"asked for {asked} GPU{'s' * (asked > 1)}, but torch sees {seen}; {advice}, or set"
            " ACCELERATE_USE_CPU=true to use processors on purpose"
        )
    if submitted and 0 < asked < seen:
        raise InputError(
            f"asked for {asked} GPU{'s' * (asked > 1)}, but torch sees {seen}, some of them perhaps"
            " another job's; ask your administrators for ConstrainDevices"
        )


def forget_peak(device: torch.device) -> None:
    """Let `peak_gb` measure from now on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_gb(device: torch.device) -> float | None:
    """Peak of the GPU memory that tensors took, in 10⁹ bytes; None on a processor."""
    return torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else None


def dtype_on(device: torch.device) -> torch.dtype:
    """What U-Nets and frozen encoders compute in: bfloat16 on a GPU that has it, else float32."""
    # a GPU without it would imitate it, more slowly than float32
    fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if fast else torch.float32


def precision() -> str:
    """accelerate's name of the arithmetic of U-Nets: bf16 where a GPU has it, else no (float32)."""
    return "bf16" if dtype_on(own_device()) == torch.bfloat16 else "no"


def to_encode(network: Network, device: torch.device) -> Network:
    """Move a frozen encoder of training data to a device; its weights get the `dtype_on` it.

    Unlike autocast, which keeps float32 weights, this halves the memory of a large text encoder.
    """
    return network.to(device, dtype_on(device))


def in_precision(network: Network, precision: str) -> Network:
    """The network, to compute in a precision from now on; what it returns is float32."""
    if precision == "bf16":
        device = next(network.parameters()).device.type
        forward = torch.autocast(device, dtype=torch.bfloat16)(network.forward)
        network.forward = convert_outputs_to_fp32(forward)
    return network


def shard(
    module: Network, device: torch.device, blocks: tuple[type[nn.Module], ...] = ()
) -> Network:
    """Divide a network's weights among all processes, block by block (FSDP, Zhao et al. 2023)."""
    from torch.distributed.fsdp import fully_shard  # half a second that others need not pay

    module.to(memory_format=torch.contiguous_format)  # fully_shard takes no channels_last
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for block in module.modules():
        if isinstance(block, blocks):
            fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)  # it changes the module itself
    return module


def _is_divided(value: Any) -> TypeGuard[DTensor]:
    # where nobody has imported the module of divided tensors there is none
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(value, module.DTensor)


def local(tensor: torch.Tensor) -> torch.Tensor:
    """This process's part of a tensor."""
    return tensor.to_local() if _is_divided(tensor) else tensor


def whole(state: Any, keep: bool) -> Any:
    """Nested dicts and lists with every divided tensor put together, on the processor.

    All processes must call it; those that do not `keep` get None in place of such a tensor.
    """
    if isinstance(state, dict):
        return {key: whole(value, keep) for key, value in state.items()}
    if isinstance(state, list):
        return [whole(value, keep) for value in state]
    if _is_divided(state):
        detached: Any = state.detach()
        value = detached.full_tensor()
        return value.cpu() if keep else None
    return state


def divided(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A whole tensor on the device of another one, in its layout, and divided as that one is."""
    if not _is_divided(like):
        # a fused optimizer takes a weight and its moments for equal in layout, without a look
        return torch.empty_like(like, dtype=value.dtype).copy_(value)
    from torch.distributed.tensor import distribute_tensor

    mesh = like.device_mesh
    value = value.to(mesh.device_type).contiguous()
    return distribute_tensor(value, mesh, like.placements, src_data_rank=None)


def as_laid_out(optimizer: dict[str, Any], parameters: Iterable[torch.Tensor]) -> None:
    """Put the moments of a saved state of AdamW where its parameters are, in their layout."""
    for number, parameter in enumerate(parameters):
        moments = optimizer["state"].get(number, {})
        for name in moments.keys() & {"exp_avg", "exp_avg_sq"}:
            moments[name] = divided(moments[name], parameter)
