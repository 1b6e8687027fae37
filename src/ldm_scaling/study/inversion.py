"""The section `inversion` of a study: the initial noise of one-step students, made for a score.

Preference inversion (arXiv 2404.00879) fits the distribution of the noise and leaves
the model as it is. Ascent on the noise of each image is ReNO (Eyring et al., arXiv 2406.04312).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .fields import Distinct, Guidance, Optimisation, OwnSeeds, Positive, Strict

Weight = Annotated[float, Field(ge=0)]


class Ascent(Strict):
    """Gradient ascent on the noise of each image."""

    iterations: Annotated[list[Positive], Distinct, Field(min_length=1)]
    """gradient steps; the best iterate is kept, the noise without any step among them"""
    lr: Annotated[float, Field(gt=0)]
    """step size of SGD with Nesterov's momentum of 0.9"""
    clip_norm: Annotated[float, Field(gt=0)]
    """maximum norm of the gradient of an image's noise"""
    norm_weight: Weight
    """weight of the penalty on a norm that a unit Gaussian does not have; ReNO: 0.01"""


class Inversion(Optimisation):
    """Distributions of the initial noise, each fitted to a score, and ascent for each image."""

    sizes: Annotated[list[str], Distinct, Field(min_length=1)] | None = None
    """sizes whose students are given such noise; null: all"""
    seeds: OwnSeeds = None
    """those of training.seeds whose students are; null: all"""
    steps: Positive = 1
    """denoising steps; inversion is known to fail with more than one"""
    guidance: Guidance
    """scale that students are told, the same with every noise"""
    width: Positive
    """hidden units of the network from a caption to the distribution of its noise"""
    kl_weight: Weight
    """weight of the divergence of the distribution from unit noise, in score for each nat"""
    ascent: Ascent | None
    """gradient ascent on the noise of each image; null: none"""
