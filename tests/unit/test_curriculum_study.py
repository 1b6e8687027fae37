"""What curricula are compared with: arms, losses by noise band, their table, and the figure."""

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from drawn import line, no_overlap, same_bytes
from studies import whole
from synthetic import BASE, METRIC, cells, floors, values

from ldm_scaling.cells.metrics.bootstrap import normalized, resample_counts
from ldm_scaling.diffusion.process import Ddpm
from ldm_scaling.figures import curriculum_vs_cost, style
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.seeds import Stream, row_generators
from ldm_scaling.models.noise_losses import noise_losses
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.tables.noise_bands import NOISE_BANDS, last_bands, noise_bands, read_losses
from ldm_scaling.workflow import files, needed, stages
from ldm_scaling.workflow.specs.cells import SweepSpec
from ldm_scaling.workflow.specs.models import PretrainSpec

EASY, HARD = "curriculum_easy_to_hard", "curriculum_hard_to_easy"
CONFIDENCE = 0.95


# ------------------------------------------------------------ arms


def test_an_arm_is_trained_as_the_pretrained_model_except_for_its_curriculum(pocket_config):
    study = load_study(whole(pocket_config))
    plain = json.loads(PretrainSpec.of(study, "c12", 0).model_dump_json())
    for stage, order in ((EASY, "easy_to_hard"), (HARD, "hard_to_easy")):
        arm = json.loads(PretrainSpec.of_curriculum(study, stage, "c12", 0).model_dump_json())
        own = arm["training"].pop("curriculum")
        assert own["order"] == order and (own["clusters"], own["share"]) == (5, 0.25)
        assert arm.pop("stage") == stage
        assert arm | {"stage": "pretrain"} == plain
        assert PretrainSpec.model_validate_json(
            PretrainSpec.of_curriculum(study, stage, "c12", 0).model_dump_json()
        )  # though a checkpoint is kept before all levels are in


def test_arms_are_sampled_on_the_grid_of_pretrained_models_and_their_checkpoints_are_not(
    pocket_config,
):
    pocket_config["sampling"]["most_steps"] = {"c48": 8}
    pocket_config["training"]["seeds"] = [0, 3]
    config = whole(pocket_config)
    config["curriculum"] |= {"sizes": ["c12", "c48"], "seeds": [0]}
    study = load_study(config)
    assert [own for own in stages.models(study) if own[0] == EASY] == [
        (EASY, "c12", 0),
        (EASY, "c48", 0),
    ]
    for size in ("c12", "c48"):
        arm, plain = (SweepSpec.of(study, stage, "ddim", size) for stage in (EASY, "pretrain"))
        assert arm.cells == [cell for cell in plain.cells if cell.trained is None]
        at_most = [cell.guidance for cell in arm.cells if cell.steps == 16]
        assert len(at_most) == (5 if size == "c12" else 1)  # the fixed setting stands apart
    every = [given.labels[:2] for given in files.frontier_cells(study)]
    assert {given[0] for given in every} & {EASY, HARD} == set()  # labels are schedules
    paths = [path for given in files.frontier_cells(study) for path in given.paths]
    assert f"results/tables/{EASY}/ddim/cells.csv" in paths
    losses = [given.labels for given in files.noise_losses(study)]
    assert (EASY, "c48", 0) in losses and ("pretrain", "c20", 3) in losses and len(losses) == 12


def test_a_study_without_the_section_says_so(pocket_config):
    study = load_study(pocket_config)
    assert stages.curricula(study) == []
    with pytest.raises(StudyError, match="config key curriculum: is null; no curricula"):
        needed.curriculum(study)


# ------------------------------------------------------------ losses by band


class Pairs:
    """Latents and captions at random."""

    latent_shape, count = (2, 4, 4), 6

    def read(self, numbers, device):
        generator = torch.Generator().manual_seed(0)
        latents = torch.randn(6, *self.latent_shape, generator=generator)
        text = torch.randn(6, 3, 5, generator=generator)
        return latents[numbers], text[numbers]


class Network(torch.nn.Module):
    """Predicts a mixture of what it sees, of the timestep and of the caption."""

    device = torch.device("cpu")

    def forward(self, noisy, timesteps, text, return_dict):
        shift = timesteps / 1000 + text.mean(dim=(1, 2))
        return (0.5 * noisy + shift[:, None, None, None],)


@pytest.mark.parametrize("batch", [6, 4])
def test_losses_are_the_squared_errors_at_levels_of_each_band(batch):
    process = Ddpm(Diffusion(prediction="v_prediction"))
    borders = process.clusters(4)
    parts = [
        noise_losses(process, Network(), Pairs(), borders, np.arange(6)[start : start + batch], 3)
        for start in range(0, 6, batch)
    ]
    found = np.concatenate(parts).T
    latents, text = Pairs().read(np.arange(6), None)
    alphas = process.alphas.double()
    for row, generator in enumerate(row_generators(Stream.NOISE_LOSSES, 3, range(6))):
        levels = [torch.randint(250, (), generator=generator).item() + 250 * i for i in range(4)]
        noise = torch.randn(2, 4, 4, generator=generator)
        for band, level in enumerate(levels):
            signal, sigma = alphas[level].sqrt(), (1 - alphas[level]).sqrt()
            noisy, target = (
                signal * latents[row] + sigma * noise,
                signal * noise - sigma * latents[row],
            )
            error = 0.5 * noisy + level / 1000 + text[row].mean() - target
            assert found[band, row] == pytest.approx(error.square().mean().item(), rel=1e-4)


# ------------------------------------------------------------ the table

KEPT = [0.25, 0.5, 1.0]
CONCEPTS = [f"concept{number // 2}" for number in range(40)]
WEIGHTS = normalized(resample_counts(CONCEPTS, 200, 0))


def planted(stage, size, seed, later=3):
    """Losses [checkpoints, bands, n]: band `later` has most to come, the others are flat."""
    generator = np.random.default_rng(0)  # the same images, noise and levels for every model
    images = np.exp(0.1 * generator.standard_normal((8, 40)))
    level = np.ones((3, 8))
    level[:, later - 1] = [2.0, 1.5, 1.0]
    shift = (1 + 0.02 * seed) * (1.2 if stage == HARD else 1.0)
    return level[:, :, None] * images * shift


def models(folder, seeds=(0, 1), of_arms=None):
    """Files of models, as the command of the table is given them."""
    found = []
    for stage in ("pretrain", EASY, HARD):
        for size in BASE:
            for seed in of_arms if of_arms and stage != "pretrain" else seeds:
                path = folder / f"{stage}_{size}_{seed}.safetensors"
                arrays = {"losses": planted(stage, size, seed).astype(np.float32)}
                arrays |= {"trained": np.array(KEPT), "borders": np.arange(0, 1001, 125)}
                write_arrays(path, arrays, "content")
                found.append([stage, size, str(seed), str(path)])
    return found


def test_the_table_has_means_over_seeds_with_intervals_and_what_is_to_come(tmp_path):
    table = noise_bands(read_losses(models(tmp_path), WEIGHTS, CONFIDENCE), 4000, CONFIDENCE)
    assert list(table) == NOISE_BANDS and len(table) == 3 * 2 * 3 * 8
    assert (table["seeds"] == 2).all() and (table["n"] == 40).all()
    keys = ["stage", "size", "trained", "band"]
    row = table.set_index(keys).loc[("pretrain", "c8", 0.5, 3)]
    expected = np.mean([planted("pretrain", "c8", seed)[1, 2].mean() for seed in (0, 1)])
    assert row["value"] == pytest.approx(expected, rel=1e-5)
    assert row["lo"] < row["value"] < row["hi"] and row["images"] == 2000
    assert (row["first_level"], row["last_level"]) == (250, 374)
    assert row["to_come"] == pytest.approx(np.log(1.5), rel=1e-5)
    # of the same images and seeds: their ratio is known exactly
    assert row["to_come_hi"] - row["to_come_lo"] < 1e-6 < row["hi"] - row["lo"]
    ends = table[table["trained"] == 1]
    assert np.allclose(ends[["to_come", "to_come_lo", "to_come_hi"]], 0)
    last = last_bands(table)
    assert list(last["size"]) == list(BASE) and (last["band"] == 3).all()


def test_arms_are_beside_pretrained_models_of_their_seeds_and_sizes_alone_have_all(tmp_path):
    found = models(tmp_path, of_arms=(1,))
    found = [own for own in found if own[0] == "pretrain" or own[1] == "c8"]
    table = noise_bands(read_losses(found, WEIGHTS, CONFIDENCE), 4000, CONFIDENCE)
    assert table["value"].notna().all() and table["to_come"].notna().all()
    seeds = table.groupby(["stage", "size"])["seeds"].max().to_dict()
    assert seeds == {
        ("pretrain", "c8"): 1,
        ("pretrain", "c16"): 2,
        (EASY, "c8"): 1,
        (HARD, "c8"): 1,
    }
    keys = ["stage", "size", "trained", "band"]
    row = table.set_index(keys).loc[("pretrain", "c8", 0.5, 3)]
    assert row["value"] == pytest.approx(planted("pretrain", "c8", 1)[1, 2].mean(), rel=1e-5)


def test_losses_of_another_number_of_images_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"safetensors is not of 39 images; delete it"):
        read_losses(models(tmp_path), WEIGHTS[:, :39], CONFIDENCE)


# ------------------------------------------------------------ the figure


@cache
def bands(seeds):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        losses = read_losses(models(Path(folder), seeds), WEIGHTS, CONFIDENCE)
    return noise_bands(losses, 40_000, CONFIDENCE)


def made(seeds=(0, 1), failed=None):
    arms = []
    for stage, factor in (("pretrain", 1.0), (EASY, 0.9), (HARD, 1.2)):
        base = {size: [factor * value for value in lowest] for size, lowest in BASE.items()}
        own = cells(seeds=seeds, failed=failed, base=base).assign(stage=stage)
        arms.append(values(own))
    return curriculum_vs_cost.draw(arms, bands(seeds), floors(), CONFIDENCE)


def failing():
    return made(seeds=(0,), failed=("c16", 2))


def test_each_size_has_a_line_for_each_arm_and_each_band_too():
    figure = made()
    left, *right = figure.axes
    for size, lowest in BASE.items():
        plain, easy, hard = (line(left, f"{size}, {stage}") for stage in ("pretrain", EASY, HARD))
        assert plain.get_color() == easy.get_color() == hard.get_color()
        assert len({own.get_linestyle() for own in (plain, easy, hard)}) == 3
        assert list(plain.get_ydata()) == pytest.approx([value + 0.5 for value in lowest])
        assert list(easy.get_ydata()) == pytest.approx([0.9 * value + 0.5 for value in lowest])
    assert [axes.get_ylabel().split(":")[0] for axes in right] == list(BASE)
    table = bands((0, 1)).set_index(["stage", "size", "band"]).sort_index()
    for axes, size in zip(right, BASE, strict=True):
        own = table.loc[(HARD, size, 3)]
        drawn = line(axes, "band 3, low noise first (control)")
        assert list(drawn.get_xdata()) == [10_000, 20_000, 40_000]
        assert list(drawn.get_ydata()) == pytest.approx(list(own["value"]))


def test_only_sizes_and_seeds_of_the_arms_are_drawn():
    plain = values(cells(seeds=(0, 1, 5), failed=None))
    arms = [
        values(cells(seeds=(0, 1), failed=None, base={"c8": BASE["c8"]}).assign(stage=stage))
        for stage in (EASY, HARD)
    ]
    figure = curriculum_vs_cost.draw([plain, *arms], bands((0, 1)), floors(), CONFIDENCE)
    assert len(figure.axes) == 2
    own = line(figure.axes[0], "c8, pretrain")
    assert list(own.get_ydata()) == pytest.approx([value + 0.5 for value in BASE["c8"]])


def test_n_are_not_mixed():
    arms = [
        values(cells(n=n, failed=None).assign(stage=stage)) for stage, n in ((EASY, 64), (HARD, 32))
    ]
    with pytest.raises(InputError, match="different n"):
        curriculum_vs_cost.draw(
            [values(cells(failed=None)), *arms], bands((0, 1)), floors(), CONFIDENCE
        )


@pytest.mark.parametrize("make", [made, failing])
def test_nothing_overlaps(make):
    with style.theme():
        no_overlap(make())


def test_equal_figures_are_equal_files(tmp_path):
    same_bytes(made, tmp_path)


def test_metrics_have_their_own_labels():
    assert style.metric_label(METRIC) in made().axes[0].get_ylabel()
    assert pd.api.types.is_integer_dtype(bands((0, 1))["images"])
