"""Guidance of a group of images towards a reference distribution of an attribute.

Balancing Act (Parihar et al. 2024, arXiv 2402.18206): at each step a linear head reads the
attribute from the output h of the network's bottleneck (h-space). Its mean over a group is drawn
towards the reference by a gradient step on h, taken through the head alone, after which the rest of
the network runs on the changed h. So guidance costs no evaluation, and a group is sampled together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ..training.network import Network


@dataclass(frozen=True)
class Heads:
    """A linear classifier of h at each of some timesteps. It sees h divided by a scale."""

    timesteps: list[int]
    weight: torch.Tensor
    """[T, K, D], of K classes"""
    bias: torch.Tensor
    """[T, K]"""
    scale: torch.Tensor
    """[T], the root mean square of h in training"""

    def at(self, timestep: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Weight [K, D], bias [K] and scale []. Raises ValueError if no head was fitted there."""
        if timestep not in self.timesteps:
            raise ValueError(f"no head was fitted at timestep {timestep}")
        place = self.timesteps.index(timestep)
        return self.weight[place], self.bias[place], self.scale[place]

    def to(self, device: torch.device | str) -> Heads:
        """The same on a device."""
        tensors = (own.to(device) for own in (self.weight, self.bias, self.scale))
        return Heads(self.timesteps, *tensors)


@dataclass(frozen=True)
class Towards:
    """How images are guided."""

    reference: list[float]
    """shares [K] of the classes, above 0, that add up to 1"""
    strength: float
    """length of the gradient step, in units of the heads' scale; 0 changes nothing"""
    tau: float
    """temperature of the softmax, which keeps gradients of sure images alive"""
    group: int
    """images that are guided together"""


@dataclass
class Seen:
    """What the heads have read at the last evaluation, before h was changed."""

    logits: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    """[B, K]"""


def chi_square(logits: torch.Tensor, towards: Towards) -> torch.Tensor:
    """The loss of each group [G]: sum over classes of (p - reference)^2 / reference.

    p is the mean over the group of softmax(logits / tau), for logits [G, group, K].
    """
    reference = torch.tensor(towards.reference, device=logits.device)
    shares = (logits / towards.tau).softmax(dim=-1).mean(dim=1)
    return ((shares - reference).square() / reference).sum(dim=-1)


def moved(
    h: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, towards: Towards
) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs [B, D] of the bottleneck after a gradient step, and logits [B, K] before it.

    The loss is `chi_square` of each whole group of consecutive images; what is left over is a
    smaller one. The gradient is multiplied by the images of the group: it is that of one image,
    whatever their number.
    """
    logits = h @ weight.T + bias
    if not towards.strength:
        return h, logits
    parts = []
    for own in logits.split(towards.group):
        with torch.enable_grad():
            leaf = own.detach().requires_grad_()
            loss = chi_square(leaf[None], towards).sum()
            parts.append(torch.autograd.grad(loss, leaf)[0] * len(own))
    return h - towards.strength * torch.cat(parts) @ weight, logits


@contextlib.contextmanager
def guided_towards(
    network: Network, bottleneck: nn.Module, heads: Heads, towards: Towards, images: int
) -> Iterator[Seen]:
    """A context in which a network's evaluations are guided, of so many images at a time.

    With classifier-free guidance only the conditional half, which stands second, is read and
    changed: what the other half shows is none of the images.
    """
    seen, timesteps = Seen(), []

    def before(_: nn.Module, arguments: tuple[Any, ...]) -> None:
        timesteps[:] = [int(arguments[1].flatten()[0])]

    def after(_: nn.Module, __: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        weight, bias, scale = heads.at(timesteps[0])
        own = output[-images:].flatten(1).float() / scale
        changed, seen.logits = moved(own, weight, bias, towards)
        if not towards.strength:
            return output
        shaped = (changed * scale).to(output.dtype).reshape(output[-images:].shape)
        return torch.cat([output[:-images], shaped])

    hooks = [
        network.register_forward_pre_hook(before),
        bottleneck.register_forward_hook(after),
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
