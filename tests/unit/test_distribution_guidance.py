"""Guidance of groups of images towards a reference distribution, and the quota of candidates."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ldm_scaling.cells.sample import LatentSampler, initial_noise
from ldm_scaling.cells.sample_bias import ToneSampler, by_quota
from ldm_scaling.diffusion.distribution_guidance import Heads, Towards, guided_towards, moved
from ldm_scaling.diffusion.guidance import guidance_text, guided_prediction
from ldm_scaling.models.architectures.unet import bottleneck
from ldm_scaling.models.architectures.unet import build as build_unet
from ldm_scaling.study.diffusion import Diffusion
from ldm_scaling.study.family import Family
from ldm_scaling.workflow.specs.bias import BiasCellSpec, BiasSweepSpec

DIFFUSION = Diffusion(prediction="v_prediction")
CELL = {"sampler": "ddim", "schedule": "trailing", "steps": 2, "guidance": 3, "n": 16, "seed": 5}
CELL |= {"extractors": [{"name": "effnet_lite0", "input_size": 32}]}
SPEC = BiasSweepSpec(
    diffusion=DIFFUSION, cells=[BiasCellSpec(**CELL)], reference=0.5, tau=8, group=4
)
EVEN = Towards([0.5, 0.5], strength=3.0, tau=8, group=64)


def test_the_step_is_the_gradient_of_the_chi_square_loss_at_the_bottleneck():
    generator = torch.Generator().manual_seed(0)
    h, weight, bias = (torch.randn(*shape, generator=generator) for shape in ((6, 5), (3, 5), (3,)))
    towards = Towards([0.2, 0.3, 0.5], strength=0.7, tau=2.0, group=3)
    changed, logits = moved(h, weight, bias, towards)
    torch.testing.assert_close(logits, h @ weight.T + bias)
    reference = torch.tensor(towards.reference)
    for group in (slice(0, 3), slice(3, 6)):
        own = h[group].clone().requires_grad_()
        shares = torch.softmax((own @ weight.T + bias) / 2, dim=1).mean(dim=0)
        loss = (((shares - reference) ** 2) / reference).sum()
        (gradient,) = torch.autograd.grad(loss, own)
        torch.testing.assert_close(changed[group], h[group] - 0.7 * 3 * gradient)


def test_shares_of_a_planted_space_move_to_the_reference():
    # the attribute is the sign of one direction of h, which the head knows; 80 % have it
    generator = torch.Generator().manual_seed(1)
    h = torch.randn(640, 12, generator=generator)
    h[:, 3] += 0.8416  # P(N(0.8416, 1) > 0) = 0.8
    weight = torch.zeros(2, 12)
    weight[0, 3], weight[1, 3] = 2.0, -2.0
    assert float((h[:, 3] > 0).float().mean()) == pytest.approx(0.8, abs=0.04)
    for wanted in (0.5, 0.3):
        towards = Towards([wanted, 1 - wanted], strength=0.5, tau=2.0, group=640)
        changed = h
        for _ in range(60):
            changed, logits = moved(changed, weight, torch.zeros(2), towards)
        shares = (logits / towards.tau).softmax(dim=1).mean(dim=0)
        assert float(shares[0]) == pytest.approx(wanted, abs=0.005), "what the head says"
        assert float((changed[:, 3] > 0).float().mean()) == pytest.approx(wanted, abs=0.1)
        still = [place for place in range(12) if place != 3]
        torch.testing.assert_close(changed[:, still], h[:, still])


# ------------------------------------------------------------ in a network


@pytest.fixture(scope="module")
def unet():
    """An untrained U-Net."""
    torch.manual_seed(0)
    keys = {"channel_multipliers": [1, 2], "attention": [True, True], "res_blocks": 1}
    family = Family(sizes=["c8"], reference_size="c8", heads=2, norm_groups=4, **keys)
    return build_unet(family, "c8", (4, 8, 8), 16).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def heads():
    """Random heads for the levels of two steps, of h of 16 channels at 4 x 4."""
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(2, 2, 256, generator=generator)
    return Heads([999, 499], weight, torch.zeros(2, 2), torch.tensor([0.5, 2.0]))


def prediction(unet, latents, text, timestep=999):
    """The guided prediction of the U-Net, with its halves."""
    empty = torch.zeros_like(text[0])
    return guided_prediction(
        unet, latents, torch.tensor(timestep), guidance_text(text, empty, 3.0), 3.0
    )


def test_only_the_conditional_half_is_read_and_changed(unet, heads):
    generator = torch.Generator().manual_seed(3)
    latents, text = (torch.randn(*s, generator=generator) for s in ((4, 4, 8, 8), (4, 6, 16)))
    seen = []
    watch = bottleneck(unet).register_forward_hook(lambda *given: seen.append(given[-1].clone()))
    plain = prediction(unet, latents, text)
    watch.remove()
    (before,) = seen
    with guided_towards(unet, bottleneck(unet), heads, EVEN, 4) as read:
        changed = []
        after = bottleneck(unet).register_forward_hook(lambda *given: changed.append(given[-1]))
        guided = prediction(unet, latents, text)
        after.remove()
    expected, logits = moved(before[4:].flatten(1) / 0.5, *heads.at(999)[:2], EVEN)
    torch.testing.assert_close(changed[0][:4], before[:4])
    torch.testing.assert_close(changed[0][4:].flatten(1), expected * 0.5)
    torch.testing.assert_close(read.logits, logits)
    assert not torch.allclose(guided, plain)
    torch.testing.assert_close(prediction(unet, latents, text), plain, msg="no hook is left")


def test_without_strength_predictions_are_those_of_the_network(unet, heads):
    latents, text = torch.randn(4, 4, 8, 8), torch.randn(4, 6, 16)
    with guided_towards(unet, bottleneck(unet), heads, Towards([0.5, 0.5], 0.0, 8, 4), 4) as seen:
        assert torch.equal(prediction(unet, latents, text), prediction(unet, latents, text))
        own = prediction(unet, latents, text)
    assert torch.equal(own, prediction(unet, latents, text)) and seen.logits.shape == (4, 2)


def test_a_level_without_a_head_is_named(unet, heads):
    latents, text = torch.randn(2, 4, 8, 8), torch.randn(2, 6, 16)
    with (
        guided_towards(unet, bottleneck(unet), heads, EVEN, 2),
        pytest.raises(ValueError, match="no head was fitted at timestep 250"),
    ):
        prediction(unet, latents, text, 250)


@pytest.fixture(scope="module")
def maker(unet, heads):
    """What makes images of 16 prompts, in groups of 4, by an autoencoder that shows latents."""
    config = SimpleNamespace(scaling_factor=1.0)

    class Shows(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.config = config

        def decode(self, latents):
            return SimpleNamespace(sample=latents[:, :3] / 4)

    text = np.random.default_rng(0).standard_normal((5, 6, 16)).astype(np.float32)
    sampler = LatentSampler(unet, Shows(), DIFFUSION, text, np.zeros((6, 16), np.float32))
    seen = _last_logits(sampler, heads)
    heads.bias[1] = -seen.median(dim=0).values  # untrained, all images would be of one class
    return ToneSampler(sampler, heads, [row % 5 for row in range(16)], SPEC)


def _last_logits(sampler, heads):
    """What the heads read of 32 images at the last evaluation, [32, 2]."""
    cell, network = BiasCellSpec(**CELL), sampler.network
    with guided_towards(
        network, bottleneck(network), heads, Towards([0.5, 0.5], 0, 8, 4), 32
    ) as own:
        sampler.latents_of(sampler.text([row % 5 for row in range(32)]), range(32), cell, cell.seed)
    return own.logits


@pytest.mark.parametrize("way", [{}, {"strength": 4}, {"candidates": 2}])
def test_images_of_a_group_do_not_depend_on_the_batch(maker, way):
    cell = BiasCellSpec(**CELL, **way)
    whole, finite = maker.images(cell, range(16))
    parts = [maker.images(cell, range(start, start + 4))[0] for start in range(0, 16, 4)]
    assert finite
    assert np.abs(whole.astype(int) - np.concatenate(parts)).max() <= 1
    plain, _ = maker.images(BiasCellSpec(**CELL), range(16))
    assert (np.abs(whole.astype(int) - plain) > 1).any() == bool(way)
    assert maker.evaluations(cell) == (8 if "candidates" in way else 4)


def test_a_kept_candidate_is_one_of_two_images_of_its_prompt(maker):
    first, _ = maker.images(BiasCellSpec(**CELL), range(16))
    kept, _ = maker.images(BiasCellSpec(**CELL, candidates=2), range(16))
    again = maker._sampler.images_of(
        maker._sampler.text([row % 5 for row in range(16)]),
        range(16, 32),
        BiasCellSpec(**CELL),
        CELL["seed"],
    )[0]
    is_first, is_second = (
        np.abs(kept.astype(int) - own).max(axis=(1, 2, 3)) <= 1 for own in (first, again)
    )
    assert (is_first ^ is_second).all() and is_first.any() and is_second.any()
    assert not torch.equal(initial_noise(5, [0], (4, 8, 8)), initial_noise(5, [16], (4, 8, 8)))


def test_a_quota_is_filled_as_far_as_candidates_allow():
    generator = np.random.default_rng(0)
    for _ in range(30):
        light = generator.normal(generator.normal(), 1, (2, 6))
        kept = by_quota(light, 0.5)
        chosen = light[kept, np.arange(6)] > 0
        possible = [(light[list(own), np.arange(6)] > 0).sum() for own in product((0, 1), repeat=6)]
        assert abs(chosen.sum() - 3) == min(abs(own - 3) for own in possible)
        same = (light[0] > 0) == (light[1] > 0)
        assert not kept[same].any(), "the first, where the choice is none"
