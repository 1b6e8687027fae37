"""Curricula over noise levels: clusters, stages, what is drawn, patience, resuming, marks."""

import json
from argparse import Namespace
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from slices import StopsAfter
from studies import put

from ldm_scaling.cells import sweep as sweeping
from ldm_scaling.cells.measure import CellRecord
from ldm_scaling.diffusion.process import Ddpm
from ldm_scaling.jobs.cli import InputError, Slice, SliceEnded
from ldm_scaling.jobs.seeds import Stream, order, row_generators
from ldm_scaling.jobs.workdir import WorkDir
from ldm_scaling.models import pretrain
from ldm_scaling.models.denoiser import has_seen
from ldm_scaling.models.train import make_plan
from ldm_scaling.study.curriculum import Curriculum, Patience
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.training.devices import Switches
from ldm_scaling.training.loop import Trainer
from ldm_scaling.training.pacing import Pace
from ldm_scaling.workflow.specs.cells import SweepSpec
from ldm_scaling.workflow.specs.models import PretrainSpec

PROCESS = Ddpm(Diffusion(prediction="v_prediction"))
BATCH, STEPS = 4, 24


def curriculum(order="easy_to_hard", clusters=4, by="timesteps", share=0.5, patience=None):
    share = None if patience else share
    return Curriculum(order=order, clusters=clusters, by=by, share=share, patience=patience)


PATIENT = curriculum(patience=Patience(share=0.1, threshold=0.05, half_life=0.05))


# ------------------------------------------------------------ clusters and stages


def test_clusters_have_as_many_levels_or_the_same_range_of_snr():
    assert PROCESS.clusters(5) == [0, 200, 400, 600, 800, 1000]
    assert PROCESS.clusters(3) == [0, 333, 666, 1000]
    borders = PROCESS.clusters(5, "snr")
    alphas = PROCESS.alphas.double().numpy()
    log_snr = np.log(alphas / (1 - alphas))
    width = (log_snr[0] - log_snr[-1]) / 5
    cluster = np.minimum((log_snr[0] - log_snr) / width, 4).astype(int)
    assert np.diff(borders).tolist() == np.bincount(cluster).tolist()
    assert borders[0] == 0 and borders[-1] == 1000


def test_clusters_accumulate_from_the_noisiest_or_as_a_control_from_the_least_noisy():
    easy = pretrain.stages(PROCESS, curriculum())
    assert easy == [range(750, 1000), range(500, 1000), range(250, 1000), range(1000)]
    hard = pretrain.stages(PROCESS, curriculum("hard_to_easy"))
    assert hard == [range(250), range(500), range(750), range(1000)]


def test_stages_by_images_begin_at_equal_shares_and_the_last_at_the_share():
    assert curriculum(clusters=5, share=0.25).begins(80) == [0, 5, 10, 15, 20]
    assert curriculum(clusters=3, share=0.25).begins(10) == [0, 1, 2]  # floor of 0, 1.25, 2.5
    assert PATIENT.begins(80) is None
    pace = Pace(curriculum(clusters=5, share=0.25), 80)
    assert Counter(map(pace.stage, range(80))) == {0: 5, 1: 5, 2: 5, 3: 5, 4: 60}


# ------------------------------------------------------------ what a training draws


class Pairs:
    """Random pairs of a tiny study."""

    count, latent_shape, text_width = 10, (2, 4, 4), 6
    empty, announce = torch.zeros(3, 6), None

    def __init__(self):
        generator = torch.Generator().manual_seed(1)
        self._latents = torch.randn(10, 2, 4, 4, generator=generator)
        self._text = torch.randn(10, 3, 6, generator=generator)

    def order(self, seed, start, length):
        return order(self.count, seed, start, length)

    def read(self, numbers, device):
        return self._latents[numbers], self._text[numbers].clone()


@pytest.fixture
def spec(pocket_config):
    """A tiny pretraining of 24 steps."""
    put(pocket_config, "family", tiny_family())
    put(pocket_config, "param_budget", None)
    own = {"images": BATCH * STEPS, "batch": BATCH, "warmup_images": 8, "keep": [0.25, 0.75]}
    pocket_config["training"] |= own
    return PretrainSpec.of(load_study(pocket_config), "c8", 0)


def tiny_family():
    family = {"sizes": ["c8"], "reference_size": "c8", "channel_multipliers": [1, 2]}
    family |= {"res_blocks": 1, "attention": [False, True], "heads": 2, "norm_groups": 4}
    return family


def with_curriculum(spec, own):
    training = spec.training.model_copy(update={"curriculum": own})
    return spec.model_copy(update={"training": training})


def drawn(spec, monkeypatch, micro_batch=BATCH):
    """The level of each image of the run, in the order of positions."""
    found = []

    def losses(process, predict, clean, noise, levels, gamma):
        found.extend(levels.tolist())
        return torch.zeros(len(levels))

    monkeypatch.setattr(pretrain, "denoising_losses", losses)
    task = pretrain.Denoising(spec, Pairs())
    for step in range(STEPS):
        for begin in range(0, BATCH, micro_batch):
            positions = step * BATCH + np.arange(BATCH)[begin : begin + micro_batch]
            task.losses(task.module, positions % 10, positions, torch.device("cpu"))
    return np.array(found)


def test_drawn_timesteps_are_those_of_the_stage_and_the_position(spec, monkeypatch):
    own = with_curriculum(spec, curriculum())  # stages begin at steps 0, 4, 8 and 12
    levels = drawn(own, monkeypatch)
    by_hand = [
        torch.randint(low, 1000, (), generator=generator).item()
        for low, generator in zip(
            np.repeat([750, 500, 250, 0, 0, 0], 16),
            row_generators(Stream.TRAINING, 0, range(96)),
            strict=True,
        )
    ]
    assert levels.tolist() == by_hand
    assert [levels[16 * stage : 16 * (stage + 1)].min() // 250 for stage in range(3)] == [3, 2, 1]
    assert np.array_equal(drawn(own, monkeypatch, micro_batch=3), levels)
    uniform = drawn(spec, monkeypatch)
    assert np.array_equal(levels[48:], uniform[48:])  # after the last stage nothing is changed
    hard = drawn(with_curriculum(spec, curriculum("hard_to_easy")), monkeypatch)
    assert (
        hard[:16].max() < 250
        and hard[16:32].max() < 500
        and np.array_equal(hard[48:], uniform[48:])
    )


# ------------------------------------------------------------ patience


def paced(losses, own=None, steps=100):
    """The pace after these losses, one a step."""
    own = own or curriculum(patience=Patience(share=0.1, threshold=0.05, half_life=0.02))
    pace = Pace(own, steps)
    for step, loss in enumerate(losses):
        pace.after(step, loss)
    return pace


def test_a_stage_ends_when_the_loss_has_not_fallen_for_longer_than_the_patience():
    # smoothed with a half-life of 2 steps, compared from the second step on: that is the best one;
    # 10 steps without progress are allowed, the 11th ends the stage
    pace = paced([1.0] * 12)
    assert pace.begun == [0]
    pace = paced([1.0] * 13)
    assert pace.begun == [0, 13] and (pace.stage(12), pace.stage(13)) == (0, 1)
    assert paced([1.0] * 100).begun == [0, 13, 26, 39]  # and there are four stages


def test_progress_is_relative_and_each_stage_begins_afresh():
    falling = 0.9 ** np.arange(60)
    assert paced(falling).begun == [0]
    assert paced(0.01 * falling).begun == [0]
    assert paced(0.999 ** np.arange(13)).begun == [0, 13]  # too little to count
    # the next stage has a larger loss, which falls: it is not compared with the one before
    assert paced([*np.ones(13), *(5 * falling)]).begun == [0, 13]


def test_patience_by_a_plain_loop():
    generator = np.random.default_rng(0)
    losses = np.exp(0.2 * generator.standard_normal(300) - 0.005 * np.arange(300))
    own = curriculum(clusters=8, patience=Patience(share=0.03, threshold=0.02, half_life=0.01))
    begun, first = [0], 0
    best, waited = np.inf, 0
    for step in range(300):
        if len(begun) == 8:
            break
        weights = 0.5 ** (np.arange(step - first, -1, -1) / 3)
        if len(weights) < 3:
            continue
        smoothed = (weights * losses[first : step + 1]).sum() / weights.sum()
        progress = smoothed < 0.98 * best
        best, waited = (smoothed, 0) if progress else (best, waited + 1)
        if waited > 9:
            begun.append(first := step + 1)
            best, waited = np.inf, 0
    assert len(begun) > 3
    assert paced(losses, own, 300).begun == begun


# ------------------------------------------------------------ training


def train(path, spec, micro_batch=None, time_slice=None):
    AcceleratorState._reset_state(reset_partial_state=True)  # a process has one precision
    task = pretrain.Denoising(spec, Pairs())
    plan = make_plan(spec.training, spec.seed, "training.lr", spec.training.keep)
    with WorkDir(path, "test") as work:
        trainer = Trainer(task, plan, work, "test", Switches(micro_batch))
        trainer.run(time_slice or Slice(None))
    return trainer


@pytest.mark.parametrize("own", [curriculum(), PATIENT], ids=["images", "patience"])
def test_a_run_that_was_stopped_in_a_stage_is_the_undisturbed_run_bit_by_bit(tmp_path, spec, own):
    spec = with_curriculum(spec, own)
    undisturbed = train(tmp_path / "a", spec)
    begun = undisturbed.task.pace.begun
    stop = next(step for step in range(begun[1] + 1, STEPS) if step not in begun)
    assert undisturbed.task.pace.stage(stop) not in (0, undisturbed.task.pace.stage(stop + 9))
    with pytest.raises(SliceEnded):
        train(tmp_path / "b", spec, time_slice=StopsAfter(stop))
    resumed = train(tmp_path / "b", spec)
    assert resumed.task.pace.state() == undisturbed.task.pace.state()
    assert resumed.state.log == undisturbed.state.log
    for name, value in undisturbed.averaged.items():
        assert torch.equal(value, resumed.averaged[name]), name
    for name, value in undisturbed.module.state_dict().items():
        assert torch.equal(value, resumed.module.state_dict()[name]), name


def test_patience_sees_the_whole_batch_in_the_order_of_images(tmp_path, spec):
    seen = []

    class Watched(Pace):
        def after(self, step, loss):
            seen.append((step, loss))
            super().after(step, loss)

    spec = with_curriculum(spec, PATIENT)
    begun = []
    for micro_batch in (None, 3):
        AcceleratorState._reset_state(reset_partial_state=True)
        task = pretrain.Denoising(spec, Pairs())
        task.pace = Watched(PATIENT, STEPS)
        each = []
        inner = task.losses
        task.losses = lambda *of, inner=inner, each=each: each.append(inner(*of)) or each[-1]
        plan = make_plan(spec.training, 0, "training.lr")
        with WorkDir(tmp_path / str(micro_batch), "test") as work:
            Trainer(task, plan, work, "test", Switches(micro_batch)).run(Slice(None))
        whole = torch.cat(each).detach().double().reshape(STEPS, BATCH).mean(dim=1)
        assert seen == list(enumerate(whole.tolist()))
        seen.clear()
        begun.append(task.pace.begun)
    assert begun[0] == begun[1] and len(begun[0]) > 1


# ------------------------------------------------------------ marks


def test_checkpoints_are_marked_with_the_levels_that_they_have_seen(spec):
    own = with_curriculum(spec, curriculum())  # at a quarter of the run, levels from 500 on
    task = pretrain.Denoising(own, Pairs())
    plan = make_plan(own.training, 0, "training.lr", own.training.keep)
    seen = {"0.25": [500, 999], "0.75": [0, 999], "1": [0, 999]}
    assert task.noted(plan) == {"levels_seen": seen}
    assert pretrain.Denoising(spec, Pairs()).noted(plan) == {}
    late = with_curriculum(spec, curriculum("hard_to_easy", share=0.9))
    task = pretrain.Denoising(late, Pairs())
    assert task.noted(plan)["levels_seen"]["0.75"] == [0, 749]


def test_a_checkpoint_that_lacks_levels_is_a_row_and_is_not_sampled(tmp_path, pocket_config):
    summary = {"levels_seen": {"0.25": [500, 999], "0.75": [0, 999], "1": [0, 999]}}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert [has_seen(tmp_path, 1000, part) for part in (0.25, 0.75, None)] == [False, True, True]
    put(pocket_config, "search.method", "grid")
    spec = SweepSpec.of(load_study(pocket_config), "pretrain", "ddim", "c12")
    options = Namespace(model=tmp_path, then=[], max_seconds=None, work_dir=tmp_path)
    sweep = sweeping.Sweep(spec, options)
    sweep._maker_of = lambda trained: (SimpleNamespace(evaluations=lambda cell: 7), [])
    cell = next(cell for cell in spec.cells if cell.trained == 0.25)
    record = sweeping.record(cell, sweep.sample(cell))
    assert record["status"] == "levels_unseen" and record["nfe"] == 7
    assert CellRecord(**record).trained == 0.25
    (tmp_path / "summary.json").write_text("{}")  # trained without a curriculum
    assert has_seen(tmp_path, 1000, 0.25)
    (tmp_path / "summary.json").write_text('{"levels_')
    with pytest.raises(InputError, match=r"summary.json cannot be read .*; delete"):
        has_seen(tmp_path, 1000)


# ------------------------------------------------------------ studies

OWN = {"clusters": 5, "share": 0.2, "order": "easy_to_hard"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"training.curriculum": OWN}, "training.keep: a checkpoint at 0.125 .* lower training.cu"),
        ({"training.curriculum": OWN | {"order": None}}, "training.curriculum.order: "),
        ({"training.curriculum": OWN | {"share": None}}, "training.curriculum.share: give either"),
        ({"curriculum": {"clusters": 1, "share": 0.2}}, "curriculum.clusters: "),
        ({"curriculum": {"clusters": 1001, "share": 0.2}}, "curriculum.clusters: 1001 are more"),
        ({"curriculum": {"clusters": 5, "share": 0.2, "sizes": ["c8"]}}, "curriculum.sizes: c8 is"),
        ({"curriculum": {"clusters": 5, "share": 0.2, "seeds": [1]}}, "curriculum.seeds: 1 is not"),
        (
            {
                "curriculum": {
                    "clusters": 20,
                    "patience": {"share": 0.05, "threshold": 0.01, "half_life": 0.01},
                }
            },
            "curriculum.patience.share: 19 stages that each last 0.06 of the run at least",
        ),
        (
            {
                "curriculum": {"clusters": 5, "share": 0.2},
                "training.curriculum": OWN | {"share": 0.1},
            },
            "curriculum: compares with models .* set training.curriculum to null",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(pocket_config, keys, message):
    for key, value in keys.items():
        put(pocket_config, key, value)
    with pytest.raises(StudyError, match=f"^config key {message}"):
        load_study(pocket_config)


def test_a_share_before_the_first_checkpoint_and_patience_are_accepted(pocket_config):
    put(pocket_config, "training.curriculum", OWN | {"share": 0.12})
    assert load_study(pocket_config).training.curriculum.by == "timesteps"
    patience = {"share": 0.01, "threshold": 0.01, "half_life": 0.002}
    put(pocket_config, "training.curriculum", OWN | {"share": None, "patience": patience})
    assert load_study(pocket_config).training.curriculum.begins(100) is None
