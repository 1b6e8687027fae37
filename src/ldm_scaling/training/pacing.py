"""When the stages of a curriculum begin: at shares of the run, or when the loss stops falling.

After Kim et al., https://arxiv.org/abs/2403.10348, algorithms 1 and 2. Their loss is that of one
batch; here it is smoothed, and progress is relative, since the loss has another scale in every
stage. Everything depends on the losses of whole batches alone, so that a run that goes on has the
stages of the undisturbed run.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Any

from ..study.curriculum import Curriculum


class Pace:
    """The stages of a run of so many optimiser steps; stages and steps are counted from 0."""

    def __init__(self, curriculum: Curriculum, steps: int):
        self._own, self._steps = curriculum, steps
        self.begun: list[int] = curriculum.begins(steps) or [0]
        """the steps at which stages begin, as far as they are known"""
        self._restart()

    def _restart(self) -> None:
        self._best, self._waited = math.inf, 0
        self._sum, self._seen = 0.0, 0

    def stage(self, step: int) -> int:
        """The stage that a step is in."""
        return bisect_right(self.begun, step) - 1

    def after(self, step: int, loss: float) -> None:
        """Take the mean loss of a step's whole batch: by patience, the next stage may begin."""
        patience = self._own.patience
        if patience is None or len(self.begun) == self._own.clusters:
            return
        half_life = patience.half_life * self._steps
        decay = 0.5 ** (1 / half_life)
        self._sum, self._seen = decay * self._sum + loss, self._seen + 1
        if self._seen < half_life:  # a lucky first batch would be the best for long
            return
        smoothed = self._sum * (1 - decay) / (1 - decay**self._seen)
        self._waited += 1
        if smoothed < (1 - patience.threshold) * self._best:
            self._best, self._waited = smoothed, 0
        if self._waited > patience.share * self._steps:
            self.begun.append(step + 1)
            self._restart()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "begun": list(self.begun),
            "best": self._best,
            "waited": self._waited,
            "sum": self._sum,
            "seen": self._seen,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from the state of a checkpoint."""
        self.begun = list(state["begun"])
        self._best, self._waited = state["best"], state["waited"]
        self._sum, self._seen = state["sum"], state["seen"]
