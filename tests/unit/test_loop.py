"""The training loop: order, seeds, resuming, micro-batches, averages, divergence."""

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from slices import StopsAfter

from ldm_scaling.jobs.cli import InputError, Slice, SliceEnded, run
from ldm_scaling.jobs.seeds import Stream, order, row_generators
from ldm_scaling.jobs.workdir import WorkDir
from ldm_scaling.training.devices import Switches
from ldm_scaling.training.loop import Plan, Trainer, warmup_then, write_state


class Regression:
    """A small task with random draws, whose loss can be made to diverge."""

    def __init__(self, diverge_at: int | None = None):
        torch.manual_seed(0)
        self.module = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Linear(8, 1))
        self.count = 10
        self.seen: list[int] = []
        self._inputs = torch.randn(10, 3)
        self._diverge_at = diverge_at

    def losses(self, module, indices, positions, device):
        self.seen += list(positions)
        noise = torch.stack(
            [torch.randn(3, generator=g) for g in row_generators(Stream.TRAINING, 7, positions)]
        )
        error = module(self._inputs[indices] + 0.1 * noise)[:, 0] - torch.from_numpy(indices) / 10
        if self._diverge_at is not None and positions[-1] >= self._diverge_at:
            error = error * torch.nan
        return error.square()


def plan(**changes):
    settings = {
        "images": 96,
        "batch": 8,
        "lr": warmup_then("cosine", 1e-2, 0.1),
        "lr_key": "training.lr",
        "weight_decay": 0.01,
        "clip_norm": 1.0,
        "ema_images": 32,
        "seed": 3,
        "keep": (0.5,),
        "log_images": 8,
        "save_seconds": 0.0,
    }
    return Plan(**settings | changes)


def train(path, task=None, micro_batch=None, time_slice=None, precision="no", **changes):
    switches = Switches(micro_batch, precision)
    AcceleratorState._reset_state(reset_partial_state=True)  # a process has one precision
    with WorkDir(path, "test") as work:
        trainer = Trainer(task or Regression(), plan(**changes), work, "test", switches)
        trainer.run(time_slice or Slice(None))
    return trainer


def weights(trainer):
    return {k: v.clone() for k, v in trainer.module.state_dict().items()}


def assert_same(first, second, exact=True):
    for name, value in first.items():
        if exact:
            assert torch.equal(value, second[name]), name
        else:
            torch.testing.assert_close(value, second[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_an_interrupted_run_is_the_undisturbed_run_bit_by_bit(tmp_path, stop):
    undisturbed = train(tmp_path / "a")
    with pytest.raises(SliceEnded):
        train(tmp_path / "b", time_slice=StopsAfter(stop))
    task = Regression()
    resumed = train(tmp_path / "b", task=task)
    assert task.seen[0] == stop * 8  # it went on, it did not start again
    assert_same(weights(undisturbed), weights(resumed))
    assert_same(undisturbed.averaged, resumed.averaged)
    assert_same(undisturbed.state.kept["0.5"], resumed.state.kept["0.5"])
    assert undisturbed.state.log == resumed.state.log


def test_a_torn_newest_state_falls_back(tmp_path):
    undisturbed = train(tmp_path / "a")
    with pytest.raises(SliceEnded):
        train(tmp_path / "b", time_slice=StopsAfter(6))
    newest = sorted((tmp_path / "b" / "test").glob("state-*"))[-1]
    newest.write_bytes(newest.read_bytes()[:100])
    task = Regression()
    resumed = train(tmp_path / "b", task=task)
    assert task.seen[0] in range(8, 6 * 8, 8)  # from an older state, not from the start
    assert_same(weights(undisturbed), weights(resumed))


def test_the_micro_batch_changes_nothing_but_rounding(tmp_path):
    whole, parts = train(tmp_path / "a"), train(tmp_path / "b", micro_batch=3)
    assert_same(weights(whole), weights(parts), exact=False)
    assert sorted(whole.task.seen) == sorted(parts.task.seen)


def test_order_is_a_shuffle_of_every_epoch_whatever_the_batches():
    whole = order(10, seed=1, start=0, length=30)
    for epoch in range(3):
        assert sorted(whole[epoch * 10 : epoch * 10 + 10]) == list(range(10))
    assert not np.array_equal(whole[:10], whole[10:20])
    pieces = [order(10, 1, start, 7) for start in (0, 7, 14, 21)]
    assert np.array_equal(np.concatenate(pieces), order(10, 1, 0, 28))
    assert not np.array_equal(order(10, 2, 0, 10), whole[:10])


def test_row_generators_depend_on_seed_and_position_only():
    first = [torch.randn(4, generator=g) for g in row_generators(Stream.TRAINING, 0, range(5))]
    later = [torch.randn(4, generator=g) for g in row_generators(Stream.TRAINING, 0, range(3, 5))]
    assert torch.equal(torch.stack(first[3:]), torch.stack(later))
    assert not torch.equal(first[0], first[1])
    other = next(iter(row_generators(Stream.TRAINING, 1, range(1))))
    assert not torch.equal(first[0], torch.randn(4, generator=other))


def test_each_purpose_has_random_numbers_of_its_own():
    first = [next(row_generators(stream, 0, range(1))) for stream in Stream]
    numbers = torch.stack([torch.randn(8, generator=generator) for generator in first])
    assert len(numbers.unique()) == numbers.numel()


def test_a_full_disk_is_one_line(capsys):
    with pytest.raises(SystemExit) as ended:
        run(lambda: write_state({"module": torch.zeros(9)}, Path("/dev/full")))
    assert ended.value.code == 2
    assert "no disk space left" in capsys.readouterr().err


def test_learning_rate():
    rate = warmup_then("cosine", 2.0, 0.25)
    assert rate(0.125) == pytest.approx(1.0)
    assert rate(0.25) == pytest.approx(2.0)
    assert rate(0.625) == pytest.approx(1.0)
    assert rate(1.0) == pytest.approx(0.0, abs=1e-9)
    assert warmup_then("constant", 2.0, 0.25)(1.0) == 2.0


def test_the_average_has_the_stated_half_life(tmp_path):
    with WorkDir(tmp_path, "test") as work:
        trainer = Trainer(Regression(), plan(ema_images=16), work, "test")
        trainer.state.step = 10_000  # far beyond the ramp
        for value in trainer.averaged.values():
            value.fill_(1.0)
        for parameter in trainer.module.parameters():
            parameter.data.zero_()
        trainer._average()
        trainer._average()  # 16 images
    for value in trainer.averaged.values():
        torch.testing.assert_close(value, torch.full_like(value, 0.5))


def test_divergence_stops_with_a_message_and_a_status_and_no_model(tmp_path):
    with pytest.raises(InputError, match=r"the loss is nan after 48 images.*Lower training.lr"):
        train(tmp_path, task=Regression(diverge_at=40))
    assert '"diverged"' in (tmp_path / "test" / "status.json").read_text()
    assert max(int(p.name.split("-")[1]) for p in (tmp_path / "test").glob("state-*")) < 6


def test_bfloat16_trains_nearly_the_same_float32_weights(tmp_path):
    exact, rounded = (
        weights(train(tmp_path / "a")),
        weights(train(tmp_path / "b", precision="bf16")),
    )
    for name, value in rounded.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, exact[name], rtol=0, atol=0.02)
    assert any(not torch.equal(rounded[name], exact[name]) for name in exact)


def test_accelerates_own_variables_change_no_weights(tmp_path, monkeypatch):
    plain = train(tmp_path / "plain")
    for name, value in {
        "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4",
        "ACCELERATE_MIXED_PRECISION": "bf16",
        "ACCELERATE_USE_FSDP": "true",
        "ACCELERATE_DYNAMO_BACKEND": "INDUCTOR",
    }.items():
        monkeypatch.setenv(name, value)
    own = train(tmp_path / "own")
    assert own.state.log == plain.state.log
    for name, weight in plain.averaged.items():
        assert torch.equal(own.averaged[name], weight)


def test_states_are_saved_more_rarely_as_the_run_gets_longer():
    own = plan(save_seconds=5)
    assert [own.save_after(seconds, 0.1) for seconds in (0, 40, 80, 300, 3000)] == [5, 5, 8, 30, 60]
    assert own.save_after(0, 2) == 40 and own.save_after(3000, 4) == 80
