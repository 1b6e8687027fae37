"""Schedules and solvers against diffusers' lists, solvers by hand, and closed forms."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from solvers import solver
from studies import WHOLE

from ldm_scaling.diffusion.process import Ddpm
from ldm_scaling.diffusion.sampling import sample_latents
from ldm_scaling.diffusion.schedules import CLEAN, levels
from ldm_scaling.jobs.seeds import Stream, row_generators
from ldm_scaling.kinds.samplers import UNDISTILLED
from ldm_scaling.kinds.schedules import SCHEDULES
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.specs.bias import HeadsSpec
from ldm_scaling.workflow.specs.cells import SweepSpec

COUNTS = [1, 2, 3, 7, 16, 61, 161, 244, 999, 1000]
"""some do not divide 1,000, and of some diffusers makes one level too many"""


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_number_of_steps_has_so_many_falling_levels(schedule):
    for count in (20, 1000):
        for steps in range(1, count + 1):
            found = np.array(levels(schedule, steps, count))
            assert len(found) == steps
            assert (np.diff(found) < 0).all()
            assert found[-1] >= 0 and found[0] < count
            if schedule != "leading":
                assert found[0] == count - 1


@pytest.mark.parametrize(
    ("schedule", "theirs"),
    [
        ("trailing", DDPMScheduler(timestep_spacing="trailing")),
        ("leading", DDIMScheduler(timestep_spacing="leading", steps_offset=1)),
        ("linspace", DDIMScheduler(timestep_spacing="linspace")),
    ],
)
def test_levels_are_diffusers(schedule, theirs):
    compared = 0
    for steps in range(2 if schedule == "linspace" else 1, 1000):  # theirs has level 0 for 1 step
        theirs.set_timesteps(steps)
        expected = theirs.timesteps.tolist()
        if len(expected) == steps:  # their "trailing" may have a level -1 more
            apart = np.abs(np.array(levels(schedule, steps, 1000)) - expected)
            assert apart.max() <= 1  # half a level is rounded up by one and down by the other
            compared += apart.max() == 0
    assert compared > 800


def test_a_teachers_levels_contain_its_students():
    for steps in range(1, 500):
        assert levels("trailing", 2 * steps, 1000)[::2] == levels("trailing", steps, 1000)


def test_no_two_schedules_are_nearly_one():
    # the samples of a study on several schedules are worth what the schedules differ by
    for one, other in itertools.combinations(SCHEDULES, 2):
        for steps in (2, 4, 8, 16):
            apart = np.abs(np.subtract(levels(one, steps, 1000), levels(other, steps, 1000)))
            assert apart.max() >= 1000 // (2 * steps) - 1


def test_changed_levels_are_sampled_again(pocket_config):
    of = {
        name: SweepSpec.of(load_study(pocket_config), "pretrain", f"ddim/{name}").possible
        for name in ("leading", "linspace")
    }
    assert {cell.model_dump().get("schedule_recipe") for cell in of["linspace"]} == {1}
    assert not any("schedule_recipe" in cell.model_dump() for cell in of["leading"])


@pytest.mark.parametrize(("schedule", "expected"), [("linspace", 1), ("trailing", None)])
def test_so_are_images_at_the_fixed_setting_and_heads_of_tones(pocket_config, schedule, expected):
    pocket_config["sampling"] |= {"schedule": schedule, "other_schedules": None}
    pocket_config |= {"guided_distill": None, "bias": WHOLE["bias"]}
    pocket_config["data"] |= WHOLE["data"]
    study = load_study(pocket_config)
    specs = [study.sampling.setting, HeadsSpec.of(study, "c12", 0)]
    assert [own.model_dump().get("schedule_recipe") for own in specs] == [expected] * 2


class Curved(torch.nn.Module):
    """A stand-in network whose output bends with latents and level."""

    config = SimpleNamespace(time_cond_proj_dim=None)

    def forward(self, latents, timestep, text, return_dict):
        """The prediction."""
        return (torch.tanh(latents) * (0.4 + torch.as_tensor(timestep) / 2000),)


def sampled(network, steps, noise):
    text, empty = torch.zeros(len(noise), 1, 1), torch.zeros(1, 1)
    generators = list(row_generators(Stream.SAMPLING_STEPS, 0, range(len(noise))))
    return sample_latents(network, steps, noise, text, empty, 1.0, generators)


def unit_noise(count, channels=1):
    return torch.randn(count, channels, 1, 1, generator=torch.Generator().manual_seed(1))


def pairs(schedule, steps):
    """Each level and the one that its step ends at."""
    own = levels(schedule, steps, 1000)
    return list(zip(own, [*own[1:], CLEAN], strict=True))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", COUNTS)
def test_ddim_is_its_formula_from_level_to_level(schedule, prediction, steps):
    diffusion, network = Diffusion(prediction=prediction), Curved()
    alphas = np.append(Ddpm(diffusion).alphas.double().numpy(), 1.0)  # the last: clean
    x = unit_noise(4).double()
    for here, there in pairs(schedule, steps):
        output = network(x, here, None, False)[0]
        a, b = alphas[here], alphas[there]
        if prediction == "epsilon":
            clean, eps = (x - (1 - a) ** 0.5 * output) / a**0.5, output
        else:
            clean = a**0.5 * x - (1 - a) ** 0.5 * output
            eps = (1 - a) ** 0.5 * x + a**0.5 * output
        x = b**0.5 * clean + (1 - b) ** 0.5 * eps
    found = sampled(network, solver("ddim", steps, diffusion, schedule), unit_noise(4))
    torch.testing.assert_close(found.double(), x, rtol=2e-3, atol=2e-3)


class Exact(torch.nn.Module):
    """The perfect v-prediction of data N(0, scale^2)."""

    config = SimpleNamespace(time_cond_proj_dim=None)

    def __init__(self, scale):
        super().__init__()
        self.scale, self.alphas = scale, Ddpm(Diffusion(prediction="v_prediction")).alphas

    def factors(self, level):
        """What x is multiplied by to give its origin and its noise."""
        a = self.alphas[int(level)].double().item()
        variance = a * self.scale**2 + 1 - a
        return a**0.5 * self.scale**2 / variance, (1 - a) ** 0.5 / variance

    def forward(self, latents, timestep, text, return_dict):
        """The prediction."""
        a = self.alphas[int(timestep)].item()
        origin, noise = self.factors(timestep)
        return ((a**0.5 * noise - (1 - a) ** 0.5 * origin) * latents,)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", COUNTS)
def test_ddim_scales_gaussian_data_by_its_closed_form(schedule, steps):
    network = Exact(0.5)
    alphas = [*network.alphas.double().tolist(), 1.0]
    scale = 1.0
    for here, there in pairs(schedule, steps):
        origin, noise = network.factors(here)
        scale *= alphas[there] ** 0.5 * origin + (1 - alphas[there]) ** 0.5 * noise
    noise = unit_noise(8)
    found = sampled(network, solver("ddim", steps, schedule=schedule), noise)
    torch.testing.assert_close(found, scale * noise, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [3, 16, 61, 161, 244, 714])
def test_ddpm_has_the_variance_of_its_posteriors(schedule, steps):
    # Ho et al. 2020, eqs. 6 and 7, on the levels of the schedule
    network, variance = Exact(0.5), 1.0
    alphas = [*network.alphas.double().tolist(), 1.0]
    for here, there in pairs(schedule, steps):
        a, b = alphas[here], alphas[there]
        kept = (a / b) ** 0.5 * (1 - b) / (1 - a)
        moved = b**0.5 * (1 - a / b) / (1 - a) * network.factors(here)[0]
        added = (1 - b) / (1 - a) * (1 - a / b)
        variance = (kept + moved) ** 2 * variance + added
    found = sampled(network, solver("ddpm", steps, schedule=schedule), unit_noise(20, 1000))
    assert found.std().item() == pytest.approx(variance**0.5, rel=0.02)


@pytest.mark.parametrize("steps", [161, 244, 714])
@pytest.mark.parametrize("sampler", UNDISTILLED)
def test_many_steps_solve_gaussian_data(sampler, steps):
    found = sampled(Exact(0.5), solver(sampler, steps), unit_noise(20, 1000))
    assert found.std().item() == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 5, 16])
@pytest.mark.parametrize("sampler", UNDISTILLED)
def test_every_sampler_ends_without_noise(sampler, steps, schedule):
    # all data are 0: the perfect network knows the clean image from any level
    found = sampled(Exact(0.0), solver(sampler, steps, schedule=schedule), unit_noise(8))
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_dpmpp_is_ddim_at_two_steps_and_not_at_three(steps):
    found = [sampled(Curved(), solver(name, steps), unit_noise(4)) for name in ("ddim", "dpmpp")]
    assert torch.allclose(*found, atol=1e-5) == (steps <= 2)


def test_cells_on_another_schedule_are_cells_of_their_own(pocket_config):
    study = load_study(pocket_config)
    own, other = (SweepSpec.of(study, "pretrain", name) for name in ("ddim", "ddim/leading"))
    assert {cell.schedule for cell in own.possible} == {"trailing"}
    assert {cell.schedule for cell in other.possible} == {"leading"}
    grid = [(cell.steps, cell.guidance) for cell in own.search.candidates]
    assert [(cell.steps, cell.guidance) for cell in other.possible] == grid
    with pytest.raises(StudyError, match="stage pretrain has no ddpm/leading"):
        SweepSpec.of(study, "pretrain", "ddpm/leading")


def test_a_schedule_is_not_its_own_other(pocket_config):
    pocket_config["sampling"]["schedule"] = "leading"
    pocket_config["guided_distill"] = None
    with pytest.raises(StudyError, match=r"other_schedules: leading is sampling.schedule"):
        load_study(pocket_config)


@pytest.mark.parametrize("schedule", ["leading", "linspace"])
def test_students_of_two_steps_for_one_need_nested_levels(pocket_config, schedule):
    pocket_config["sampling"] |= {"schedule": schedule, "other_schedules": None}
    with pytest.raises(StudyError, match=r"guided_distill: .* set null"):
        load_study(pocket_config)
