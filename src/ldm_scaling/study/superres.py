"""The section `superres` of a study: models that are finetuned for four-fold super-resolution.

Free of torch, as `study`, of which this is a part.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from .fields import (
    Distinct,
    Fraction,
    Kept,
    Optimisation,
    Positive,
    Strict,
    check_kept,
    is_none,
)

if TYPE_CHECKING:
    pass

SCALE = 4
"""pixels of an image for one of its low-resolution version, a side (arXiv 2404.01367, section 4)"""
REGIME_STEPS = 20
"""up to which, and beyond which, the paper compares sampling costs apart (its Figure 12)"""
MIN_SIDE = 16
"""pixels of the smallest images: SSIM's window of 11 has to fit"""
PSNR, SSIM, INCEPTION_SCORE = "psnr", "ssim", "inception_score"
LPIPS_LIKE = "lpips_like_squeezenet"
"""the unweighted distance over the layers of SqueezeNet 1.1: not LPIPS, whose weights people's
judgements gave"""


def _rising(bounds: list[float]) -> list[float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the lowest comes first")
    return bounds


Bounds = Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2)]
Range = Annotated[Bounds, AfterValidator(_rising)]


class Disturbance(Strict):
    """One pass of a degradation: blur, resizing, noise, JPEG; a range is drawn from evenly."""

    blur: Fraction
    """chance of a Gaussian blur"""
    sigma: Range
    """of the blur, pixels"""
    anisotropic: Fraction
    """chance that a blur has two such widths, at an angle"""
    resize: Range
    """side after over before, by area, bilinear or bicubic"""
    shot: Fraction
    """chance that the noise is shot noise, not Gaussian"""
    noise: Range
    """standard deviation of Gaussian noise, of 255"""
    shot_noise: Range
    """strength of shot noise: 1 is that of 255 photons for white"""
    gray: Fraction
    """chance that the noise is the same in all colours"""
    jpeg: Range
    """quality of JPEG, to 100"""

    @model_validator(mode="after")
    def _check(self) -> Disturbance:
        if self.resize[0] == 0:
            raise ValueError("resize: must be above 0")
        if not 1 <= self.jpeg[0] <= self.jpeg[1] <= 100:
            raise ValueError("jpeg: must be from 1 to 100")
        return self


class Degradation(Strict):
    """How an image becomes its low-resolution version, after Real-ESRGAN (Wang et al. 2021).

    Two passes; the second ends with the resizing to a quarter, before its JPEG or after it.
    """

    first: Disturbance
    second: Disturbance


class Photos(Strict):
    """Random crops of a folder of photographs, as of DIV2K."""

    path: str
    """the folder; all PNG, JPEG and WebP files below it"""
    patches: Positive
    """crops of data.image_size, the same for the same seed"""
    side: Annotated[Positive | None, Field(exclude_if=is_none)] = None
    """pixels that the shorter side of a photograph is shrunk to before it is cut; null: none is"""

    @property
    def folder(self) -> Path:
        """Where the photographs lie."""
        return Path(self.path)


class Lpips(Strict):
    """LPIPS (Zhang et al. 2018), with a network that is at hand."""

    network: Literal["alex", "vgg", "squeeze"]
    """its backbone; the package lpips brings the weights of its layers"""
    weights: str
    """file of that backbone, as torchvision publishes it"""


class Finetuning(Optimisation):
    """How a model is trained for super-resolution."""

    min_snr_gamma: Annotated[float, Field(gt=0)] | None = None
    """gamma of min-SNR weighting; null weights all noise levels alike"""
    keep: Kept
    """fractions of the run at which a checkpoint of the averaged weights is kept"""

    @model_validator(mode="after")
    def _check_keep(self) -> Finetuning:
        check_kept(self.keep, self)
        return self


class SuperRes(Finetuning):
    """Super-resolution from every pretrained size."""

    scratch: Annotated[list[str], Distinct] | None = None
    """sizes that are trained from scratch too; null: the smallest"""
    n: Annotated[int, Field(ge=16)]
    """images a cell: the first of the test split, or of `validation`"""
    steps: Annotated[list[Positive], Distinct] = Field(min_length=1)
    """denoising steps of the cells"""
    fixed_steps: Positive
    """one of steps, at which kept checkpoints are measured"""
    degradation: Degradation
    training: Photos | None = None
    """what models are trained on; null: the training split"""
    validation: Photos | None = None
    """what they are measured on; null: the test split"""
    lpips: Lpips | None = None
    """network of LPIPS; null measures lpips_like_squeezenet, whose weights are fetched"""

    @model_validator(mode="after")
    def _check_steps(self) -> SuperRes:
        if self.fixed_steps not in self.steps:
            raise ValueError(f"fixed_steps: {self.fixed_steps} is not in steps")
        return self

    @property
    def perceptual(self) -> str:
        """The name of the perceptual distance."""
        return f"lpips_{self.lpips.network}" if self.lpips else LPIPS_LIKE
