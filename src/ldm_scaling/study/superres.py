"""The section `superres` of a study: models that are fine-tuned for four-fold super-resolution."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from .fields import Distinct, Fraction, Kept, Optimisation, OwnSeeds, Positive, Strict, is_none

SCALE = 4
"""side of an image divided by that of its low-resolution version (arXiv 2404.01367, section 4)"""
REGIME_STEPS = 20
"""the paper compares sampling costs up to so many steps and beyond separately (Figure 12)"""
MIN_SIDE = 16
"""pixels a side of the smallest images: SSIM has a window of 11"""
PSNR, SSIM, INCEPTION_SCORE = "psnr", "ssim", "inception_score"
LPIPS_LIKE = "lpips_like_squeezenet"
"""unweighted distance over the layers of SqueezeNet 1.1. It is not LPIPS, whose weights are fitted
to judgements of people"""


def _rising(bounds: list[float]) -> list[float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the lower bound must come first")
    return bounds


Bounds = Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2)]
Range = Annotated[Bounds, AfterValidator(_rising)]


class Disturbance(Strict):
    """One pass of a degradation: blur, resizing, noise, JPEG. A value in a range is uniform."""

    blur: Fraction
    """chance of a blur"""
    sinc: Fraction
    """chance that the blur is a sinc filter, which rings"""
    kernels: Annotated[list[Fraction], Field(min_length=6, max_length=6)]
    """chances of the other blurs: Gaussian, generalized Gaussian, plateau; each round, then
    elliptic"""
    sigma: Range
    """width of these blurs, pixels"""
    resized: Annotated[list[Fraction], Field(min_length=3, max_length=3)]
    """chances that the image is enlarged, made smaller, or neither"""
    resize: Range
    """new side divided by old side, below and above 1; the filter is area, bilinear or bicubic"""
    shot: Fraction
    """chance of shot noise instead of Gaussian noise"""
    noise: Range
    """standard deviation of Gaussian noise, on a scale of 255"""
    shot_noise: Range
    """strength of shot noise; 1: 255 photons for white"""
    gray: Fraction
    """chance that all colours have the same noise"""
    jpeg: Range
    """JPEG quality, 1 to 100"""

    @model_validator(mode="after")
    def _check(self) -> Disturbance:
        if not 0 < self.resize[0] <= 1 <= self.resize[1]:
            raise ValueError(
                "resize: the lower bound must be above 0 and at most 1, the upper one at least 1"
            )
        for name, chances in (("kernels", self.kernels), ("resized", self.resized)):
            if not math.isclose(sum(chances), 1):
                raise ValueError(f"{name}: the chances must add up to 1, not to {sum(chances):g}")
        if not 1 <= self.jpeg[0] <= self.jpeg[1] <= 100:
            raise ValueError("jpeg: both bounds must be from 1 to 100")
        return self


class Degradation(Strict):
    """How an image becomes its low-resolution version, after Real-ESRGAN (Wang et al. 2021).

    There are two passes. The second one resizes to about a quarter of the original, and to exactly
    a quarter just before or after its JPEG.
    """

    first: Disturbance
    second: Disturbance
    final_sinc: Fraction
    """chance of a sinc filter after the last resizing"""


class Photos(Strict):
    """Random crops of a folder of photographs, such as DIV2K."""

    path: str
    """folder; all PNG, JPEG and WebP files below it are used"""
    patches: Positive
    """number of crops, each of data.image_size pixels a side, chosen by `seed`"""
    side: Annotated[Positive | None, Field(exclude_if=is_none)] = None
    """pixels to which the shorter side of a photograph is shrunk before cutting; null: no change"""

    @property
    def folder(self) -> Path:
        """Folder of the photographs."""
        return Path(self.path)


class Lpips(Strict):
    """LPIPS (Zhang et al. 2018), with a network of the user."""

    network: Literal["alex", "vgg", "squeeze"]
    """backbone; the package lpips has the weights of the layers"""
    weights: str
    """file of the backbone, as torchvision publishes it"""


class Finetuning(Optimisation):
    """How a model is trained for super-resolution."""

    min_snr_gamma: Annotated[float, Field(gt=0)] | None = None
    """gamma of min-SNR weighting; null: all noise levels weigh the same"""
    keep: Kept
    """fractions of the training at which a checkpoint of the averaged weights is kept"""


class SuperRes(Finetuning):
    """Super-resolution from every pretrained size."""

    scratch: Annotated[list[str], Distinct] | None = None
    """sizes that are also trained without pretraining; null: the smallest"""
    seeds: OwnSeeds = None
    """those of training.seeds whose models are finetuned; null: all"""
    n: Annotated[int, Field(ge=16)]
    """images of a cell: the first of the test split, or of `validation`"""
    steps: Annotated[list[Positive], Distinct] = Field(min_length=1)
    """denoising steps of the cells"""
    fixed_steps: Positive
    """one of `steps`: checkpoints are measured at it"""
    degradation: Degradation
    training: Photos | None = None
    """photographs for training; null: the training split"""
    validation: Photos | None = None
    """photographs for measuring; null: the test split"""
    lpips: Lpips | None = None
    """network of LPIPS; null: lpips_like_squeezenet is measured, with weights from a package"""

    @model_validator(mode="after")
    def _check_steps(self) -> SuperRes:
        if self.fixed_steps not in self.steps:
            raise ValueError(f"fixed_steps: {self.fixed_steps} is not in steps")
        return self

    @property
    def perceptual(self) -> str:
        """The name of the perceptual distance."""
        return f"lpips_{self.lpips.network}" if self.lpips else LPIPS_LIKE
