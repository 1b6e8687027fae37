"""Precision, recall, density and coverage: closed cases, and every distance one by one."""

from __future__ import annotations

import numpy as np
import pytest
from prdc import compute_prdc

from ldm_scaling.cells.comparison import Prompts, prepare
from ldm_scaling.cells.metrics import coverage, density, neighbours, precision, recall
from ldm_scaling.cells.metrics.bootstrap import resample_counts
from ldm_scaling.cells.metrics.divisions import Divisions

MODULES = {"precision": precision, "recall": recall, "density": density, "coverage": coverage}


def measured(samples: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """The four values."""
    return {name: own.value for name, own in intervals(samples, real).items()}


def intervals(samples: np.ndarray, real: np.ndarray) -> dict:
    """The four intervals; each image is a concept."""
    prompts, every = (prompts_of(len(own)) for own in (samples, real))
    reference = prepare(real, 2, every)
    return {
        name: module.interval(samples, reference, prompts, 0.95) for name, module in MODULES.items()
    }


def prompts_of(count: int) -> Prompts:
    """Prompts that are each a concept."""
    concepts = [str(number) for number in range(count)]
    return Prompts(concepts, resample_counts(concepts, 200, 0), Divisions(concepts, 0))


def by_hand(samples: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """The definitions, one pair of images after the other."""
    k = neighbours.K

    def radius(own: np.ndarray, at: int) -> float:
        others = [np.linalg.norm(own[at] - other) for i, other in enumerate(own) if i != at]
        return sorted(others)[k - 1]

    of_real = [radius(real, at) for at in range(len(real))]
    of_samples = [radius(samples, at) for at in range(len(samples))]
    near = np.array(
        [[np.linalg.norm(x - y) < r for y, r in zip(real, of_real, strict=True)] for x in samples]
    )
    reached = np.array(
        [
            [np.linalg.norm(y - x) < r for x, r in zip(samples, of_samples, strict=True)]
            for y in real
        ]
    )
    return {
        "precision": near.any(axis=1).mean(),
        "density": near.sum(axis=1).mean() / k,
        "coverage": near.any(axis=0).mean(),
        "recall": reached.any(axis=1).mean(),
    }


@pytest.mark.parametrize(("count", "shift"), [(40, 0.0), (25, 1.0), (60, 3.0)])
def test_values_are_those_of_the_definitions(monkeypatch, count, shift):
    monkeypatch.setattr(neighbours, "BLOCK", 16)  # smaller than the samples
    draw = np.random.default_rng(count).standard_normal
    samples, real = draw((count, 4)) + shift, draw((50, 4))
    assert measured(samples, real) == pytest.approx(by_hand(samples, real))


@pytest.mark.parametrize(("count", "shift"), [(40, 0.0), (300, 0.5)])
def test_values_are_those_of_prdc(count, shift, capfd):
    draw = np.random.default_rng(count).standard_normal
    samples, real = draw((count, 8)) + shift, draw((200, 8))
    theirs = compute_prdc(real_features=real, fake_features=samples, nearest_k=neighbours.K)
    assert measured(samples, real) == pytest.approx(theirs)


def test_real_images_themselves_are_faithful_and_complete():
    real = np.random.default_rng(0).standard_normal((40, 3))
    found = measured(real, real)
    assert found["precision"] == found["recall"] == found["coverage"] == 1
    # each lies within the spheres of itself and, on average, of the K that it is near to
    assert found["density"] == pytest.approx(1, abs=1 / neighbours.K)


def test_one_mode_is_faithful_and_not_diverse():
    draw = np.random.default_rng(1).standard_normal
    real = np.concatenate([draw((30, 2)) + 100 * mode for mode in range(4)])
    found = measured(draw((40, 2)), real)
    assert found["precision"] > 0.9
    assert found["coverage"] < 0.3 and found["recall"] < 0.3


def test_far_samples_are_neither():
    draw = np.random.default_rng(2).standard_normal
    far = measured(draw((30, 2)) + 1000, draw((30, 2)))
    assert set(far.values()) == {0}


def test_intervals_hold_the_value_and_narrow_with_more_images():
    draw = np.random.default_rng(3).standard_normal
    widths = []
    for count in (50, 400):
        found = intervals(draw((count, 2)) * 0.7, draw((count, 2)))
        for own in found.values():
            assert own.lo <= own.value <= own.hi
        widths.append(found["coverage"].hi - found["coverage"].lo)
    assert widths[1] < 0.6 * widths[0]


def test_too_few_images_have_no_radius():
    assert np.isinf(neighbours.squared_radii(np.zeros((neighbours.K, 2)))).all()
