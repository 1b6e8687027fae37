"""Checks of what a study asks of adopted models, by their configurations alone."""

from __future__ import annotations

import math
from typing import Any

from ..diffusion.pipeline_solvers import adopted_solver
from ..jobs.cli import InputError
from ..kinds.samplers import NATIVE
from ..models.adopt import check_setting, read_layout, refusal, scheduler_of
from ..study.adopted import AdoptedModel
from ..study.sampling import Setting
from ..workflow.specs.costs import CountAdoptedSpec


def check_sampling(spec: CountAdoptedSpec) -> None:
    """Check that each model can be sampled as the study asks.

    Raises InputError for a sampler, schedule or scale that is not for its class or its scheduler.
    """
    for model in spec.students.values() or spec.models:
        layout = read_layout(model)
        own = scheduler_of(model, layout)
        try:
            for sampler in spec.samplers:
                check_setting(layout, sampler, spec.strongest[model.name])
                for schedule in spec.schedules if sampler != NATIVE else []:
                    setting = Setting(sampler=sampler, steps=1, guidance=1, schedule=schedule)
                    adopted_solver(setting, own, layout.flow)
        except InputError as error:
            raise refusal(model, error) from None


def check_side(model: AdoptedModel, pipeline: Any, config: Any) -> None:
    """Raise InputError if images do not have as many pixels a side as latents stand for."""
    # FLUX rounds other sides, by what it has told its image processor
    packed = pipeline.image_processor.config.vae_scale_factor
    unit = math.lcm(packed, pipeline.vae_scale_factor * config.get("patch_size", 1))
    if model.side % unit:
        raise refusal(model, f"side: {model.side} is no multiple of {unit}; change it")
