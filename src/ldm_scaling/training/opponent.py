"""A network that a training loop trains beside its own, such as a discriminator."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator

from .devices import as_laid_out
from .network import Network


class Opponent:
    """A network whose gradients come from the task's losses, with an optimizer of its own.

    Its learning rate is constant. Only what requires a gradient is trained and saved; the rest is
    as whoever makes the network leaves it. Every process has all of it.
    """

    def __init__(self, module: Network, lr: float, weight_decay: float, clip_norm: float):
        self.module, self._clip_norm = module, clip_norm
        named = module.named_parameters()
        self._trained = {name: own for name, own in named if own.requires_grad}
        self._optimizer = torch.optim.AdamW(
            self._trained.values(), lr=lr, weight_decay=weight_decay, fused=True
        )

    def detached(self) -> dict[str, torch.Tensor]:
        """What is trained, by name, for calls that must not train it."""
        return {name: own.detach() for name, own in self._trained.items()}

    def step(self, accelerator: Accelerator) -> None:
        """Take a step along the gradients, whose mean over the processes is taken first."""
        for own in self._trained.values():
            if own.grad is not None and accelerator.num_processes > 1:
                reduced: Any = accelerator.reduce(own.grad, "mean")
                own.grad.copy_(reduced)
        torch.nn.utils.clip_grad_norm_(self._trained.values(), self._clip_norm)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Any]:
        """What `load` needs to go on as if nothing had stopped."""
        return {"trained": self.detached(), "optimizer": self._optimizer.state_dict()}

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        for name, own in self._trained.items():
            own.copy_(state["trained"][name])
        as_laid_out(state["optimizer"], self._trained.values())
        self._optimizer.load_state_dict(state["optimizer"])
