"""Checks of curricula over noise levels against the rest of a study."""

from __future__ import annotations

import math

from ..curriculum import Clusters
from ..sections import Sections
from .shared import check_sizes


def check_curriculum(study: Sections) -> None:
    """Check `training.curriculum` and the section `curriculum` against the rest of the study.

    Raises ValueError that names the key.
    """
    training, arms = study.training, study.curriculum
    _check_clusters(study, "training.curriculum", training.curriculum)
    _check_clusters(study, "curriculum", arms)
    if training.curriculum:
        steps = math.ceil(training.images / training.batch)
        begins = training.curriculum.begins(steps) or [0]
        early = [part for part in training.keep if max(1, round(part * steps)) <= begins[-1]]
        if early:
            raise ValueError(
                f"training.keep: a checkpoint at {min(early):g} of the training has not seen all"
                " noise levels, so it cannot be sampled; remove it, or lower"
                " training.curriculum.share"
            )
    if arms is None:
        return
    if training.curriculum:
        raise ValueError(
            "curriculum: compares with models that are trained on all noise levels from the"
            " beginning; set training.curriculum to null"
        )
    check_sizes(study, "curriculum.sizes", arms.sizes or [])


def _check_clusters(study: Sections, key: str, own: Clusters | None) -> None:
    levels = study.diffusion.train_timesteps
    if own and own.clusters > levels:
        raise ValueError(
            f"{key}.clusters: {own.clusters} are more than diffusion.train_timesteps ({levels});"
            " lower them"
        )
    if own is None or own.patience is None:
        return
    least = own.patience.share + own.patience.half_life
    if (own.clusters - 1) * least >= 1:
        raise ValueError(
            f"{key}.patience.share: {own.clusters - 1} stages that each last {least:g} of the run"
            " at least leave nothing of it for the last cluster; lower it, or have fewer clusters"
        )
