"""Solvers of one trajectory, for tests."""

from types import SimpleNamespace

from ldm_scaling.diffusion.sampling import make_solver
from ldm_scaling.study.diffusion import Diffusion

DIFFUSION = Diffusion(prediction="v_prediction")


def solver(sampler, steps, diffusion=DIFFUSION, schedule="trailing", teacher_steps=None):
    """A scheduler that is set to steps."""
    setting = {"sampler": sampler, "steps": steps, "schedule": schedule}
    return make_solver(SimpleNamespace(**setting, teacher_steps=teacher_steps), diffusion)
