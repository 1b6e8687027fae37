"""What networks hold on a GPU beside their weights, measured on the meta device.

A tensor without data has a size, so the peak of all live tensors of a forward and a backward pass
is exact, for arithmetic in float32 and an allocator that wastes nothing. In bfloat16 the inputs of
matrix products and convolutions take half as much; those of normalisations and activation
functions do not, so float32 is an upper bound that is not far off. Attention counts as a kernel
that keeps no matrix of tokens by tokens, which is what every GPU with bfloat16 takes.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..kinds.sizes import channels
from ..models.denoiser import build
from ..workflow.specs.costs import CostSpec


@dataclass(frozen=True)
class Activations:
    """Bytes an image and base channel, at the peak of a pass, beside weights and gradients."""

    training: float
    """of a forward and a backward pass"""
    checkpointing: float
    """the same where activations are computed twice"""
    sampling: float
    """of a forward pass without gradients"""


def activations_of(spec: CostSpec) -> Activations:
    """Those of a family. They are proportional to c, so its smallest size is measured."""
    size = min(spec.family.sizes, key=channels)
    with torch.device("meta"):
        denoiser = build(spec.family, size, spec.latent_shape, spec.text_shape[1])
        latents, text = torch.empty(1, *spec.latent_shape), torch.empty(1, *spec.text_shape)
        step = torch.zeros(1)

    def loss() -> torch.Tensor:
        return denoiser(latents, step, text, return_dict=False)[0].sum()

    sampling = peak_bytes(denoiser, loss, backward=False)
    training = peak_bytes(denoiser, loss)
    denoiser.enable_gradient_checkpointing()
    measured = (training, peak_bytes(denoiser, loss), sampling)
    return Activations(*(value / channels(size) for value in measured))


def peak_bytes(module: nn.Module, call: Callable[[], Any], backward: bool = True) -> int:
    """Most bytes of tensors that live at a time while a call runs, weights and gradients aside.

    With `backward` the call returns a loss. Arguments that were made before do not count.
    """
    there: list[torch.Tensor] = list(module.parameters())
    if backward:
        for parameter in module.parameters():
            parameter.grad = torch.empty_like(parameter)
            there.append(parameter.grad)
    with _fused_attention(), torch.set_grad_enabled(backward), _Live(there) as live:
        result = call()
        if backward:
            result.backward()
    return live.peak


class _Live(TorchDispatchMode):
    """Counts the bytes of the storages that operations make, until they are freed."""

    def __init__(self, there: list[torch.Tensor]):
        super().__init__()
        self.peak = self._now = 0
        self._sizes = {tensor.untyped_storage()._cdata: 0 for tensor in there}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._add(tensor.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        if (key := storage._cdata) in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self._now += storage.nbytes()
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._free, key)

    def _free(self, key: int) -> None:
        self._now -= self._sizes.pop(key)


class _FusedAttention(torch.autograd.Function):
    """Keeps for the backward pass what a fused kernel keeps: its inputs and its output."""

    @staticmethod
    def forward(ctx, query, key, value):
        output = query.new_empty(*query.shape[:-1], value.shape[-1])
        ctx.save_for_backward(query, key, value, output)
        return output

    @staticmethod
    def backward(ctx, gradient):
        return tuple(torch.empty_like(tensor) for tensor in ctx.saved_tensors[:3])


@contextmanager
def _fused_attention() -> Iterator[None]:
    # the meta device has no fused kernel: it would count matrices that a GPU never holds
    own = functional.scaled_dot_product_attention
    functional.scaled_dot_product_attention = lambda query, key, value, **_: _FusedAttention.apply(
        query, key, value
    )
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = own
