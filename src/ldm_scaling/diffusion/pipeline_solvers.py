"""Solvers of adopted pipelines: those of a study, and other schedulers than the saved one."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from diffusers.schedulers.scheduling_utils import SchedulerMixin

from ..jobs.cli import InputError
from ..kinds.samplers import NATIVE
from .flow import is_flow, shift_of
from .sampling import SPACING, Scheduler, Trajectory
from .schedules import levels

_PROCESS = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type")
"""what a scheduler that is not of flow matching says of its process"""
_OF_SOME = ("trained_betas", "rescale_betas_zero_snr")
"""what some also say of it"""
_OF_FLOWS = "trailing"
"""where solvers of flows step"""
_LEAVE_NOISE = ("DEISMultistepScheduler", "SASolverScheduler")
"""classes whose last step of a flow ends before the clean image"""
_INSTEAD = "take FlowMatchEulerDiscreteScheduler or DPMSolverMultistepScheduler"


def adopted_solver(
    trajectory: Trajectory, own: Any, flow: bool
) -> tuple[Scheduler, dict[str, Any]]:
    """A fresh scheduler for the process of a pipeline, and how a call of it is told the steps.

    `own` is the scheduler that the pipeline came with. Raises InputError if the sampler or the
    schedule is not for that process.
    """
    sampler, steps, schedule = trajectory.sampler, trajectory.steps, trajectory.schedule
    module = importlib.import_module(f"{__package__}.samplers.{sampler}")
    make = getattr(module, "make_flow" if flow else "make", None)
    if make is None:
        kind = "flow matching" if flow else "a model that is not of flow matching"
        raise InputError(f"sampling.samplers: {sampler} does not sample {kind}; remove it")
    assert schedule
    told: dict[str, Any] = {"num_inference_steps": steps}
    if flow:
        if schedule != _OF_FLOWS:
            raise InputError(
                f"sampling.schedule and other_schedules: {schedule} is not for flow matching; set"
                f" {_OF_FLOWS} and other_schedules: null"
            )
        return make(dict(own.config)), told | module.told(steps)
    if lacking := [name for name in _PROCESS if name not in own.config]:
        raise InputError(
            f"sampling.samplers: {sampler} needs {lacking[0]}, which {type(own).__name__} does not"
            f" have; choose {NATIVE}"
        )
    process = {name: own.config[name] for name in (*_PROCESS, *_OF_SOME) if name in own.config}
    return make(process | SPACING), told | {
        "timesteps": levels(schedule, steps, own.config.num_train_timesteps)
    }


def replaced(own: Any, named: Mapping[str, Any]) -> Any:
    """A fresh scheduler of the class `named["class"]` for the process of the scheduler `own`.

    Its settings are the other ones of `named`, and else those of `own`. For flow matching it keeps
    the shift, which `from_config` alone would lose.
    Raises ValueError if there is no such class or setting, or if it is for another process.
    """
    name, flow = named["class"], is_flow(type(own).__name__, own.config)
    kind = getattr(importlib.import_module("diffusers"), name, None)
    if not (inspect.isclass(kind) and issubclass(kind, SchedulerMixin)):
        raise ValueError(f"diffusers has no scheduler {name}; correct class")
    known: Any = kind
    taken = inspect.signature(known.__init__).parameters
    settings = {key: value for key, value in named.items() if key != "class"}
    if unknown := settings.keys() - taken.keys():
        raise ValueError(f"{name} has no setting {min(unknown)}; correct or remove it")
    if flow:
        settings = _of_flow(name, taken, own.config) | settings
    made = known.from_config(own.config, **settings)
    flows = is_flow(name, made.config) and made.config.get("use_flow_sigmas", True)
    if bool(flows) != flow:
        process = "flow matching" if flow else "models that are not of flow matching"
        raise ValueError(f"{name} with these settings is not for {process}; correct them")
    return made


def _of_flow(name: str, taken: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What a scheduler that takes these settings is given for the flow of another one, `own`."""
    if name in _LEAVE_NOISE or not (name.startswith("FlowMatch") or "flow_shift" in taken):
        raise ValueError(f"{name} is not for flow matching; {_INSTEAD}")
    if own.get("use_dynamic_shifting") and "use_dynamic_shifting" not in taken:
        raise ValueError(f"{name} cannot shift by the image's size, as this model does; {_INSTEAD}")
    given = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
    given |= dict.fromkeys(("shift", "flow_shift"), shift_of(own))
    return {key: value for key, value in given.items() if key in taken}
