"""The section `dreambooth` of a study: subjects that every size learns, and their scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from .fields import Distinct, OwnSeeds, Positive, Strict
from .hub import Pretrained

if TYPE_CHECKING:
    from .metrics import Metrics

PLACE = "{subject}"
"""place in a prompt of the token and the class, or of the class alone"""
INSTANCE = f"a {PLACE}"
"""prompt of the fine-tuning"""


def _names_the_subject(prompts: list[str]) -> list[str]:
    for prompt in prompts:
        if prompt.count(PLACE) != 1:
            raise ValueError(f"{prompt!r} must have {PLACE} once, as the place of token and class")
    return prompts


def _one_word(token: str) -> str:
    if not token or token.split() != [token]:
        raise ValueError(f"{token!r} must be one word without spaces")
    return token


Prompts = Annotated[
    list[str], Distinct, AfterValidator(_names_the_subject), Field(min_length=1, max_length=99)
]


class Dino(Pretrained):
    """Vision transformer of metric dino: a folder of a ViTModel, as transformers saves it."""

    NAMES = ("config.json", "preprocessor_config.json", "model.safetensors")


class Teaching(Strict):
    """How a model learns a subject. Lengths are in images of the subject."""

    images: Positive
    """images of the subject seen, and as many of its class"""
    batch: Positive
    """images of the subject in a step over all devices, and as many of its class"""
    lr: Annotated[float, Field(gt=0)]
    """learning rate, constant"""
    weight_decay: Annotated[float, Field(ge=0)]
    """weight decay of AdamW"""
    clip_norm: Annotated[float, Field(gt=0)]
    """maximum gradient norm"""
    ema_images: Positive
    """half-life of the averaged weights, in images; they are what is kept. 1: the last weights"""
    prior_weight: Annotated[float, Field(ge=0)]
    """weight of the loss on images of the class"""


class DreamBooth(Teaching):
    """Subjects, and how every size learns them (Ruiz et al. 2023, arXiv 2208.12242)."""

    path: str | None = None
    """folder with one folder of images for each subject; null: concepts of the test split, if
    its images are emoji, and no subjects otherwise"""
    subjects: Positive
    """number of subjects, chosen by `seed`"""
    sizes: Annotated[list[str], Distinct, Field(min_length=1)] | None = None
    """sizes that learn the subjects; null: all"""
    seeds: OwnSeeds = None
    """those of training.seeds whose models learn them; null: all"""
    token: Annotated[str, AfterValidator(_one_word)]
    """rare word that names the subject; one piece of the text encoder's vocabulary"""
    prior_images: Positive
    """images of the class for each subject, sampled from the pretrained model"""
    prompts: Prompts
    """prompts of the scores; {subject} is the place of token and class"""
    images_per_prompt: Positive
    """images that are scored, for each prompt and subject"""
    dino: Dino | None = None
    """model of metric dino; null: metric dino is not measured"""

    @property
    def folder(self) -> Path | None:
        """Folder of the subjects, if they are not emoji."""
        return Path(self.path) if self.path else None

    @property
    def teaching(self) -> Teaching:
        """The keys that decide the training."""
        return Teaching.part_of(self)

    def fidelity(self, metrics: Metrics) -> str:
        """The metric of an image's likeness to its subject: the best that the study can measure."""
        if self.dino:
            return "dino"
        return "clip_i" if metrics.clip else f"similarity_{metrics.extractor}"
