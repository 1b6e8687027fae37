"""Sampling of one-step students from noise that was made for a score: an `ImageMaker`.

The noise of an image is drawn from a fitted distribution (preference inversion, arXiv 2404.00879),
or climbs the score of its own image (ReNO, Eyring et al., arXiv 2406.04312). Both begin with the
image's own unit noise.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from ..data.captions import read_column
from ..jobs.arrays import fingerprint_of
from ..jobs.cli import InputError
from ..kinds import noises
from ..latents.autoencoder import to_uint8
from ..models.noise import NoiseDistribution, drawn, load
from ..study.diffusion import Diffusion
from ..study.inversion import Ascent
from ..training.devices import own_device
from ..workflow.specs.cells import CellSpec
from ..workflow.specs.seen import ScoreSpec
from .metrics.clip_like import maps_hash
from .sample import LatentSampler, load_sampler
from .verifier import Verifier, load_verifier

MOMENTUM = 0.9
"""as in ReNO's public code"""

Images = Callable[[torch.Tensor], torch.Tensor]
"""noise [B, C, h, w] to images [B, 3, S, S]"""
Scores = Callable[[torch.Tensor], torch.Tensor]
"""images [B, 3, S, S] to scores [B]"""


def norm_penalty(noise: torch.Tensor) -> torch.Tensor:
    """|z|^2 / 2 - (d - 1) log |z| of each noise, [B], as in ReNO's public code.

    It is least at the likeliest norm of d unit normals.
    """
    squares = noise.flatten(1).square().sum(dim=1)
    return squares / 2 - (noise[0].numel() - 1) * squares.log() / 2


def ascend(
    images: Images, scores: Scores, noise: torch.Tensor, settings: Ascent, iterations: int
) -> torch.Tensor:
    """The images [B, 3, S, S] of the best of `iterations` + 1 iterates, by their scores.

    Gradient ascent on score less penalty, by SGD with Nesterov's momentum. The gradient of each
    image's noise is clipped by itself, so that an image does not depend on the others.
    """
    own = noise.clone().requires_grad_(True)
    optimizer = torch.optim.SGD([own], settings.lr, MOMENTUM, nesterov=True, maximize=True)
    shape = (len(noise), *[1] * (noise.dim() - 1))
    best, most = None, torch.full((len(noise),), -torch.inf, device=noise.device)
    for iteration in range(iterations + 1):
        last = iteration == iterations
        with torch.set_grad_enabled(not last):
            pixels = images(own)
            found = scores(pixels)
        better = found.detach() > most
        chosen = better.view(len(noise), 1, 1, 1)
        seen = pixels.detach()
        best = seen.clone() if best is None else torch.where(chosen, seen, best)
        most = torch.where(better, found.detach(), most)
        if last:
            break
        objective = found - settings.norm_weight * norm_penalty(own)
        (gradient,) = torch.autograd.grad(objective.sum(), own)
        norms = gradient.flatten(1).norm(dim=1).view(shape)
        own.grad = gradient * (settings.clip_norm / norms.clamp(min=settings.clip_norm))
        optimizer.step()
    assert best is not None
    return best


class InvertedSampler:
    """A one-step student with distributions of its noise, and perhaps a verifier."""

    def __init__(
        self,
        sampler: LatentSampler,
        distributions: Mapping[str, NoiseDistribution],
        verify: Callable[[ScoreSpec], tuple[Verifier, torch.Tensor]],
    ):
        """`verify` gives a verifier and the prompts [n, W] as it embeds them."""
        self._sampler, self._distributions, self._verify = sampler, distributions, verify

    def images(self, cell: CellSpec, rows: Sequence[int]) -> tuple[np.ndarray, bool]:
        """Images of prompts, and whether all are finite."""
        if cell.noise is None:
            raise InputError(f"--noise: {cell.name} has no noise that was made for a score")
        if cell.noise in noises.FITTED and cell.noise not in self._distributions:
            raise InputError(f"--noise: {cell.name} needs the distribution of {cell.noise}")
        sampler = self._sampler
        text, noise = sampler.text(rows), sampler.noise(rows, cell.seed)
        if cell.ascent and cell.verifier:
            verifier, prompts = self._verify(cell.verifier)
            captions = prompts[list(rows)].to(noise.device)
            pixels = ascend(
                lambda own: sampler.one_step(own, text, cell),
                lambda seen: verifier.score(seen, captions),
                noise,
                cell.ascent,
                noises.iterations(cell.noise),
            )
        else:
            with torch.no_grad():
                if own := self._distributions.get(cell.noise):
                    noise = drawn(own, noise, text)
                pixels = sampler.one_step(noise, text, cell)
        return to_uint8(pixels), bool(pixels.isfinite().all())

    def evaluations(self, cell: CellSpec) -> int:
        """Network evaluations of one image; a backward pass counts as one.

        Weights are frozen, so that it computes the gradient of activations alone: as many FLOPs.
        """
        return 1 + 2 * noises.iterations(cell.noise or noises.NONE)


def load_inverted(
    options: Namespace, diffusion: Diffusion, prompts: int, trained: float | None = None
) -> tuple[InvertedSampler, list[str]]:
    """As `load_sampler`, with the distributions that `--noise` names."""
    sampler, decides = load_sampler(options, diffusion, prompts, trained)
    distributions = {}
    for path in options.noise:
        own = load(path, sampler.latent_shape).to(own_device())
        distributions[own.kind] = own
        decides.append(fingerprint_of(path))
    loaded: dict[str, tuple[Verifier, torch.Tensor]] = {}

    def verify(spec: ScoreSpec) -> tuple[Verifier, torch.Tensor]:
        if (key := spec.model_dump_json()) not in loaded:
            own, _ = load_verifier(spec, options.clip_like, options.weights, own_device())
            loaded[key] = own, own.embed(read_column(options.captions, "caption")[:prompts])
        return loaded[key]

    decides += [maps_hash(path) for path in [options.clip_like] if path]
    return InvertedSampler(sampler, distributions, verify), decides
