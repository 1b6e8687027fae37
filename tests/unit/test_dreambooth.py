"""DreamBooth's training: sums by hand, undisturbed runs, and files that do not belong together."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from ldm_scaling.diffusion.process import process_of
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.cli import InputError, Slice, SliceEnded
from ldm_scaling.jobs.seeds import order
from ldm_scaling.jobs.workdir import WorkDir
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.models.dreambooth import Lesson, SubjectAndPrior, make_plan, order_at
from ldm_scaling.models.prior import sample_prior
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.dreambooth import Teaching
from ldm_scaling.study.family import Family
from ldm_scaling.study.sampling import Setting
from ldm_scaling.training.devices import Switches
from ldm_scaling.training.loop import Trainer
from ldm_scaling.workflow.specs.dreambooth import DreamBoothSpec, PriorSpec

DIFFUSION = Diffusion(prediction="epsilon")
FAMILY = Family(
    sizes=["c8"],
    reference_size="c8",
    channel_multipliers=[1, 2],
    res_blocks=1,
    attention=[True, True],
    heads=2,
    norm_groups=4,
)
TEACHING = {
    "images": 32,
    "batch": 4,
    "lr": 0.001,
    "weight_decay": 0,
    "clip_norm": 1,
    "ema_images": 1,
    "prior_weight": 1,
}
PRIOR = 6
"""images of each class"""


def spec(subject=1, **changed):
    teaching = Teaching(**TEACHING | changed)
    common = {"size": "c8", "seed": 0, "subject": subject, "min_snr_gamma": None}
    return DreamBoothSpec(**common, diffusion=DIFFUSION, teaching=teaching)


@pytest.fixture(scope="module")
def pretrained():
    torch.manual_seed(0)
    return build_unet(FAMILY, "c8", (4, 4, 4), 16).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two subjects of two and three images, and six images of each one's class."""
    folder = tmp_path_factory.mktemp("subjects")
    generator = np.random.default_rng(0)
    number = 1000 * np.arange(5, dtype=np.float32)[:, None, None, None]
    subjects = {
        "latents": number + generator.standard_normal((5, 4, 4, 4), np.float32),
        "subject": np.array([0, 0, 1, 1, 1]),
        "instance": generator.standard_normal((2, 5, 16)).astype(np.float16),
        "class": generator.standard_normal((2, 5, 16)).astype(np.float16),
    }
    write_arrays(folder / "subjects", subjects, "a")
    number = -1000 * np.arange(1, 2 * PRIOR + 1, dtype=np.float32)[:, None, None, None]
    write_arrays(folder / "prior", {"latents": number + np.zeros((1, 4, 4, 4), "f4")}, "b")
    return folder


@pytest.fixture
def lesson(files):
    return Lesson(files / "subjects", files / "prior", 1)


@pytest.fixture
def small(files):
    """The lesson with latents of about unit variance."""
    lesson = Lesson(files / "subjects", files / "prior", 1)
    for images in (lesson.images, lesson.prior):
        images -= images.mean(dim=(1, 2, 3), keepdim=True)
    return lesson


def trained(task, plan, folder, max_seconds=None, **switches):
    with WorkDir(folder, "abc") as work:
        trainer = Trainer(task, plan, work, "toy", Switches(**switches))
        trainer.run(Slice(max_seconds))
    return {name: value.clone() for name, value in trainer.averaged.items()}


# ------------------------------------------------------------ what is taught


class Recorder(nn.Module):
    """A network that predicts 0 and remembers what it saw."""

    def forward(self, latents, steps, text, return_dict=False):
        """Zeros."""
        self.seen = (latents, steps, text)
        return (torch.zeros_like(latents),)


def losses(task, module, positions, indices=None):
    indices = np.zeros(len(positions), int) if indices is None else np.array(indices)
    return task.losses(module, indices, np.array(positions), torch.device("cpu"))


def test_a_step_sees_the_subject_with_the_token_and_its_class_without(pretrained, lesson, files):
    task, module = SubjectAndPrior(spec(), lesson, pretrained), Recorder()
    losses(task, module, [5, 6, 7], indices=[2, 0, 1])
    noisy, steps, texts = module.seen
    alphas = process_of(DIFFUSION).alphas[steps]
    images = (noisy.mean(dim=(1, 2, 3)) / alphas.sqrt() / 1000).round().int().tolist()
    assert images[:3] == [4, 2, 3]  # rows of the whole file; the subject's begin at 2
    # a class image is the one of the position in a shuffle of the subject's own six, from 7 on
    assert images[3:] == [-7 - n for n in order(PRIOR, 0, 5, 3)]
    assert torch.equal(texts[:3], lesson.texts[0].expand(3, -1, -1))
    assert torch.equal(texts[3:], lesson.texts[1].expand(3, -1, -1))
    assert not torch.equal(texts[0], texts[3])
    assert len(set(steps.tolist())) > 3  # the two halves have draws of their own


def test_the_loss_is_the_subjects_plus_the_weighted_one_of_the_class(pretrained, small):
    def of(weight):
        task = SubjectAndPrior(spec(prior_weight=weight), small, pretrained)
        return losses(task, task.module, range(8))

    alone, once, twice = of(0), of(1), of(2)
    torch.testing.assert_close(twice - alone, 2 * (once - alone))
    assert (once > alone).all()


def test_of_a_network_that_predicts_nothing_the_loss_is_the_noises_power(pretrained, small):
    task = SubjectAndPrior(spec(), small, pretrained)
    found = losses(task, Recorder(), range(400)).mean().item()
    assert found == pytest.approx(2, rel=0.03)  # that of the subject's noise and of the class's


def test_losses_do_not_depend_on_the_batch(pretrained, small):
    task = SubjectAndPrior(spec(), small, pretrained)
    whole = losses(task, task.module, range(6), indices=[0, 1, 2, 0, 1, 2])
    parts = [
        losses(task, task.module, rows, indices=[row % 3 for row in rows])
        for rows in ([0, 1], [2, 3, 4, 5])
    ]
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-6, rtol=1e-5)


def test_class_images_are_shuffled_anew_every_epoch_in_any_order_of_positions():
    whole = order(5, 3, 0, 20)
    positions = np.array([19, 0, 7, 12])
    assert order_at(5, 3, positions).tolist() == whole[positions].tolist()


# ------------------------------------------------------------ training


def test_no_steps_are_the_pretrained_model(pretrained, small, tmp_path):
    task = SubjectAndPrior(spec(), small, pretrained)
    weights = trained(task, dataclasses.replace(make_plan(spec()), images=0), tmp_path)
    assert weights.keys() == pretrained.state_dict().keys()
    assert all(torch.equal(value, weights[n]) for n, value in pretrained.state_dict().items())


def test_finetuning_learns_the_subject_and_leaves_the_pretrained_model(pretrained, small, tmp_path):
    before = {name: value.clone() for name, value in pretrained.state_dict().items()}
    plan = make_plan(spec(images=160))
    task = SubjectAndPrior(spec(images=160), small, pretrained)
    with torch.no_grad():
        untaught = losses(task, task.module, range(1000, 1100)).mean()
    weights = trained(task, plan, tmp_path)
    assert all(torch.equal(value, before[n]) for n, value in pretrained.state_dict().items())
    task.module.load_state_dict(weights)
    with torch.no_grad():
        assert losses(task, task.module, range(1000, 1100)).mean() < 0.9 * untaught


def test_an_interrupted_run_is_the_undisturbed_one_bit_by_bit(pretrained, small, tmp_path):
    def task():
        return SubjectAndPrior(spec(), small, pretrained)

    undisturbed = trained(task(), make_plan(spec()), tmp_path / "a")
    for _ in range(3):  # the slice is over after each step
        with pytest.raises(SliceEnded):
            trained(task(), make_plan(spec()), tmp_path / "b", max_seconds=0)
    resumed = trained(task(), make_plan(spec()), tmp_path / "b")
    assert all(torch.equal(value, resumed[name]) for name, value in undisturbed.items())


def test_the_micro_batch_changes_rounding_only(pretrained, small, tmp_path):
    runs = [
        trained(
            SubjectAndPrior(spec(), small, pretrained),
            make_plan(spec()),
            tmp_path / str(micro),
            micro_batch=micro,
        )
        for micro in (4, 3)
    ]
    for name, value in runs[0].items():
        torch.testing.assert_close(runs[1][name], value, atol=1e-4, rtol=1e-3)


# ------------------------------------------------------------ images of the class

SETTING = Setting(sampler="ddpm", schedule="trailing", steps=3, guidance=2)


def prior_spec(**changed):
    keys = {"size": "c8", "seed": 0, "diffusion": DIFFUSION, "setting": SETTING, "images": 3}
    return PriorSpec(**keys | changed)


def test_class_images_depend_on_their_row_and_class_alone(pretrained):
    text = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    empty = torch.zeros(5, 16)
    whole = sample_prior(pretrained, prior_spec(), text, empty, range(6))
    parts = [
        sample_prior(pretrained, prior_spec(), text, empty, range(*r)) for r in ((0, 2), (2, 6))
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-4)
    other = sample_prior(pretrained, prior_spec(), text[[0, 0]], empty, range(6))
    np.testing.assert_allclose(other[:3], whole[:3], atol=1e-4)
    assert (np.abs(other[3:] - whole[3:]).max(axis=(1, 2, 3)) > 1e-3).all()
    seeded = sample_prior(pretrained, prior_spec(seed=1), text, empty, range(6))
    assert (np.abs(seeded - whole).max(axis=(1, 2, 3)) > 1e-3).all()


def test_class_images_that_are_not_finite_are_one_line(pretrained):
    text = torch.full((2, 5, 16), float("nan"))
    with pytest.raises(InputError, match=r"pretrained c8 gives no finite .*dreambooth\.sizes"):
        sample_prior(pretrained, prior_spec(), text, torch.zeros(5, 16), range(2))


# ------------------------------------------------------------ wrong input


def test_files_that_do_not_fit_are_one_line(pretrained, files, tmp_path):
    with pytest.raises(InputError, match="has 2 subjects and no number 2"):
        Lesson(files / "subjects", files / "prior", 2)
    write_arrays(tmp_path / "odd", {"latents": np.zeros((7, 4, 4, 4), "f4")}, "")
    write_arrays(tmp_path / "wide", {"latents": np.zeros((8, 4, 8, 8), "f4")}, "")
    for name in ("odd", "wide"):
        with pytest.raises(InputError, match=rf"{name} is not of .*subjects; delete it"):
            Lesson(files / "subjects", tmp_path / name, 0)
    ill = SimpleNamespace(images=torch.zeros(1, 4, 8, 8), texts=torch.zeros(2, 5, 16))
    with pytest.raises(InputError, match="--model: its latents are not of shape"):
        SubjectAndPrior(spec(), ill, pretrained)
    ill = SimpleNamespace(images=torch.zeros(1, 4, 4, 4), texts=torch.zeros(2, 5, 8))
    with pytest.raises(InputError, match="--model: attends to embeddings of another width"):
        SubjectAndPrior(spec(), ill, pretrained)
