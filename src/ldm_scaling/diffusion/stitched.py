"""A trajectory of several networks, one after the other: T-Stitch (Pan et al., arXiv 2402.14167).

Samplers see one network. They keep their state across a switch, so that one network from the first
step to the last gives what it gives by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ..training.network import Network


class Stitched(Network):
    """Networks with the interface of one; which of them predicts depends on the timestep."""

    def __init__(
        self, networks: Sequence[Network], allocation: Sequence[int], timesteps: torch.Tensor
    ):
        """`allocation` has the steps of each network, `timesteps` [sum of them] are falling."""
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.config = networks[0].config
        self._of = {}
        start = 0
        for network, steps in zip(networks, allocation, strict=True):
            own = timesteps[start : start + steps].tolist()
            self._of |= dict.fromkeys(own, network)
            start += steps

    @property
    def device(self) -> torch.device:
        """Device of all networks."""
        return next(self.parameters()).device

    def forward(self, latents: torch.Tensor, timestep: torch.Tensor, *rest: Any, **named: Any):
        """The prediction of the network whose step this is, which all images share."""
        return self._of[timestep.item()](latents, timestep, *rest, **named)
