"""Stitched trajectories: the section, sampling against single networks, resuming."""

import copy
import json

import numpy as np
import pytest
import torch
from commands import kill_at_save, run_here
from project import ROOT
from solvers import solver
from studies import put

from ldm_scaling.cells.sample import initial_noise
from ldm_scaling.diffusion.sampling import sample_latents
from ldm_scaling.diffusion.stitched import Stitched
from ldm_scaling.jobs.arrays import map_array, write_arrays
from ldm_scaling.jobs.seeds import Stream, row_generators
from ldm_scaling.kinds.samplers import UNDISTILLED
from ldm_scaling.latents.autoencoder import save_model
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.models.train import WEIGHTS
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.family import Family
from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.study.stitch import allocations
from ldm_scaling.workflow.specs.cells import CellSpec, SweepSpec
from ldm_scaling.workflow.stages import trajectories

DIFFUSION = Diffusion(prediction="v_prediction")
CELL = {"sampler": "ddim", "schedule": "trailing", "steps": 4, "guidance": 3, "n": 96, "seed": 5}
CELL |= {"extractors": [{"name": "effnet_lite0", "input_size": 32}]}


def with_key(config, key, value):
    """The study with a key changed."""
    put(config, key, value)
    return load_study(config)


# ------------------------------------------------------------ the section


@pytest.mark.parametrize(
    ("steps", "shares", "sizes", "expected"),
    [
        (4, [0.25, 0.5, 0.75], 2, [(1, 3), (2, 2), (3, 1)]),
        (2, [0.1, 0.25, 0.5, 0.75, 0.9], 2, [(1, 1)]),  # 0.75 of 2 is 2, and 0.25 is 1
        (10, [0.05, 0.149, 0.951], 2, [(1, 9)]),  # halves are rounded up
        (4, [0.75, 0.25, 0.5], 3, [(1, 1, 2), (1, 2, 1), (2, 1, 1)]),
        (2, [0.25, 0.75], 3, []),
    ],
)
def test_shares_become_whole_steps_once_and_none_is_left_out(steps, shares, sizes, expected):
    assert allocations(steps, shares, sizes) == expected


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sizes", [["c20", "c21"]], "stitch.sizes: c21 is not in family.sizes"),
        ("sizes", [["c20", "c48"], ["c20", "c48"]], "stitch.sizes: c20-c48 is listed twice"),
        ("sizes", [["c20", "c20"]], "c20 is listed twice"),
        ("sizes", [["c20"]], "stitch.sizes.0: needs at least 2 entries, has 1"),
        ("sizes", [["c12", "c20", "c32", "c48"]], "stitch.sizes.0: needs at most 3 entries, has 4"),
        ("shares", [0.01], "stitch.shares: a size of c20-c48 has no step"),
        ("shares", [1], "less than 1"),
        ("steps", [1], "stitch.shares: a size of c20-c48 has no step"),
        ("steps", [2000], "stitch.steps: 2000 steps are more than diffusion.train_timesteps"),
        ("sampler", "lcm", "stitch.sampler: Input should be 'ddim', 'ddpm' or 'dpmpp'"),
    ],
)
def test_what_cannot_be_stitched_is_one_line(pocket_config, key, value, message):
    with pytest.raises(StudyError, match="config key stitch") as error:
        with_key(pocket_config, f"stitch.{key}", value)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        (["c48", "c12", "c32", "c20"], ["c20-c48", "c32-c48", "c48-c32"]),
        (["c48", "c12"], ["c12-c48", "c48-c12"]),
    ],
)
def test_without_a_list_the_largest_ends_and_one_pair_is_the_control(
    pocket_config, family, expected
):
    put(pocket_config, "superres.scratch", None)
    study = with_key(pocket_config, "family.sizes", family)
    assert [sizes for sizes, _ in trajectories(study)] == expected
    (long,) = trajectories(with_key(pocket_config, "stitch.sizes", [["c12", "c48"]]))
    assert long == ("c12-c48", 0)


def test_one_size_is_not_stitched(pocket_config):
    study = with_key(pocket_config, "family.sizes", ["c48"])
    assert study.stitch is None and trajectories(study) == []


def test_a_sampler_without_single_sizes_beside_it_is_refused(pocket_config):
    put(pocket_config, "sampling.samplers", ["ddim"])
    with pytest.raises(StudyError, match=r"stitch.sampler: dpmpp is not in sampling.samplers"):
        with_key(pocket_config, "stitch.sampler", "dpmpp")


def test_cells_have_the_guidance_search_and_noise_of_single_sizes(pocket_config):
    put(pocket_config, "search.method", "grid")
    study = with_key(pocket_config, "training.seeds", [3, 4])
    assert trajectories(study)[:3] == [("c20-c48", 3), ("c20-c48", 4), ("c32-c48", 3)]
    cells = SweepSpec.of_stitched(study, "c20-c48").cells
    assert len(cells) == 2 * 3 * len(study.sampling.guidance)
    assert {cell.guidance for cell in cells} == set(study.sampling.guidance)
    assert {(cell.n, cell.seed) for cell in cells} == {(study.sampling.n, study.sampling.seed)}
    assert [cell.name for cell in cells[:2]] == [
        "steps4_guidance1_stitched1-3",
        "steps4_guidance3_stitched1-3",
    ]
    with pytest.raises(StudyError, match="stitch: is null"):
        SweepSpec.of_stitched(with_key(pocket_config, "stitch", None), "c20-c48")


def test_steps_of_a_cell_add_up():
    with pytest.raises(ValueError, match="allocation: adds up to 5, not to steps"):
        CellSpec(**CELL, allocation=[2, 3])


# ------------------------------------------------------------ sampling


@pytest.fixture(scope="module")
def networks():
    """Untrained U-Nets of two sizes and the text that they attend to."""
    torch.manual_seed(0)
    keys = {"channel_multipliers": [1, 2], "attention": [True, True], "res_blocks": 1}
    family = Family(sizes=["c8", "c16"], reference_size="c16", heads=2, norm_groups=4, **keys)
    unets = [build_unet(family, size, (8, 8, 8), 16) for size in family.sizes]
    return [unet.eval().requires_grad_(False) for unet in unets]


def latents(network, sampler, steps, guidance=3.0):
    generator = torch.Generator().manual_seed(1)
    text, empty = torch.randn(3, 6, 16, generator=generator), torch.zeros(6, 16)
    noise = initial_noise(0, range(3), (8, 8, 8))
    drawn = list(row_generators(Stream.SAMPLING_STEPS, 0, range(3)))
    return sample_latents(network, solver(sampler, steps), noise, text, empty, guidance, drawn)


def stitch(networks, sampler, *allocation):
    levels = solver(sampler, sum(allocation)).timesteps
    return latents(Stitched(networks, allocation, levels), sampler, sum(allocation))


@pytest.mark.parametrize("sampler", UNDISTILLED)
@pytest.mark.parametrize("steps", [4, 61])
def test_no_share_is_the_large_size_and_the_whole_share_the_small_one(networks, sampler, steps):
    small, large = networks
    assert torch.equal(stitch(networks, sampler, 0, steps), latents(large, sampler, steps))
    assert torch.equal(stitch(networks, sampler, steps, 0), latents(small, sampler, steps))
    assert not torch.equal(latents(small, sampler, steps), latents(large, sampler, steps))


@pytest.mark.parametrize("allocation", [(1, 3), (3, 1), (2, 2)])
def test_ddim_that_is_stopped_and_continued_with_another_network_is_the_same(networks, allocation):
    # an oracle without the dispatching: DDIM has no memory, so its trajectory can be cut in two
    first, _ = allocation
    scheduler = solver("ddim", sum(allocation))
    generator = torch.Generator().manual_seed(1)
    text = torch.randn(3, 6, 16, generator=generator)
    image = initial_noise(0, range(3), (8, 8, 8))
    for place, timestep in enumerate(scheduler.timesteps):
        unet = networks[0] if place < first else networks[1]
        with torch.no_grad():
            guided = unet(image, timestep, text).sample
            free = unet(image, timestep, torch.zeros_like(text)).sample
        image = scheduler.step(free + 3 * (guided - free), timestep, image).prev_sample
    found = stitch(networks, "ddim", *allocation)
    torch.testing.assert_close(found, image, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sampler", UNDISTILLED)
def test_the_same_network_twice_is_that_network(networks, sampler):
    twin = copy.deepcopy(networks[1])  # with memory across the switch, as dpmpp has it
    found = stitch([networks[1], twin], sampler, 2, 3)
    assert torch.equal(found, latents(networks[1], sampler, 5))


def test_three_networks_take_their_steps_in_turn(networks):
    asked = []

    class Counted(torch.nn.Module):
        def __init__(self, name):
            super().__init__()
            self.name, self.config = name, networks[0].config

        def forward(self, image, timestep, text, return_dict):
            asked.append((self.name, int(timestep)))
            return (image,)

    stitch([Counted(name) for name in "abc"], "ddpm", 1, 3, 2)
    assert "".join(name for name, _ in asked) == "abbbcc"
    assert [level for _, level in asked] == solver("ddpm", 6).timesteps.tolist()


# ------------------------------------------------------------ the command


@pytest.fixture
def options(networks, tmp_path, monkeypatch):
    """A function of cells and a folder that gives options: sampling with models a and b."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    for name, unet in zip("ab", networks, strict=True):
        save_model(unet, tmp_path / name / "unet", WEIGHTS)
    random = np.random.default_rng(1)
    shapes = {"text": (96, 6, 16), "empty": (6, 16)}
    arrays = {name: random.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    write_arrays(tmp_path / "text", arrays, "text")

    def made(cells, out, models=("a", "b")):
        spec = SweepSpec(diffusion=DIFFUSION, cells=[CellSpec(**CELL | own) for own in cells])
        first, *others = models
        words = ["--model", first, *(word for name in others for word in ("--then", name))]
        words += ["--autoencoder", ROOT / "pretrained/autoencoder-emoji32", "--text", "text"]
        words += ["--spec", spec.model_dump_json(), "--out", out, "--work-dir", f"work-{out}"]
        return [*words, "--batch", "32"]

    return made


@pytest.fixture
def sample(options, tmp_path):
    """A function that samples with models a and b, and returns what is printed."""

    def sampled(*arguments, code=0, **models):
        done = run_here("cells.sweep", *options(*arguments, **models), folder=tmp_path)
        assert done.returncode == code, done.stderr
        return done.stderr

    return sampled


def test_a_killed_run_ends_with_the_same_cells_and_a_new_share_samples_only_itself(
    options, sample, tmp_path
):
    cells = [{"allocation": [1, 3]}, {"allocation": [2, 2]}]
    sample(cells, "whole")
    kill_at_save("cells.sweep", 4, *options(cells, "killed"), folder=tmp_path)
    assert not (tmp_path / "killed/cells.json").exists()
    sample(cells, "killed")
    for name in ("features.safetensors", "images.safetensors"):
        written = [(tmp_path / out / name).read_bytes() for out in ("whole", "killed")]
        assert written[0] == written[1]
    records = json.loads((tmp_path / "killed/cells.json").read_text())
    assert [(row["allocation"], row["nfe"]) for row in records] == [("1-3", 8), ("2-2", 8)]
    states = {path: path.stat().st_mtime_ns for path in (tmp_path / "work-killed").rglob("state-*")}
    sample([*cells, {"allocation": [3, 1]}], "killed")
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "work-killed").rglob("state-*")}
    assert states.items() <= after.items()
    assert len({path.parent for path in after}) == 3
    # the other order is another trajectory, even with the same steps
    sample([{"allocation": [2, 2]}], "other", models=("b", "a"))
    files = [tmp_path / out / "features.safetensors" for out in ("whole", "other")]
    one, two = (map_array(path, "steps4_guidance3_stitched2-2") for path in files)
    assert not np.array_equal(one, two)


def test_a_cell_of_another_number_of_models_is_one_line(sample):
    for own, models in (({}, "ab"), ({"allocation": [2, 2]}, "a")):
        log = sample([own], "out", models=models, code=2)
        assert f"is not a cell of {len(models)} models" in log.splitlines()[-1]
