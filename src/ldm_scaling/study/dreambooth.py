"""The section `dreambooth` of a study: subjects that every size is taught, and their scores.

Free of torch, as `study`, of which this is a part.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from .fields import Distinct, Positive, Strict
from .hub import Pretrained

if TYPE_CHECKING:
    from .metrics import Metrics

PLACE = "{subject}"
"""stands in a prompt for the token and the class, or for the class alone"""
INSTANCE = f"a {PLACE}"
"""the prompt of finetuning"""


def _names_the_subject(prompts: list[str]) -> list[str]:
    for prompt in prompts:
        if prompt.count(PLACE) != 1:
            raise ValueError(f"{prompt!r} must have {PLACE} once, where token and class stand")
    return prompts


def _one_word(token: str) -> str:
    if not token or token.split() != [token]:
        raise ValueError(f"{token!r} must be one word")
    return token


Prompts = Annotated[
    list[str], Distinct, AfterValidator(_names_the_subject), Field(min_length=1, max_length=99)
]


class Dino(Pretrained):
    """The vision transformer of metric dino, in a folder as transformers saves a ViTModel."""

    NAMES = ("config.json", "preprocessor_config.json", "model.safetensors")


class Teaching(Strict):
    """How a subject is taught; lengths are in images of the subject."""

    images: Positive
    """images of the subject seen; of the class as many"""
    batch: Positive
    """images of the subject a step over all devices; of the class as many"""
    lr: Annotated[float, Field(gt=0)]
    """learning rate, constant"""
    weight_decay: Annotated[float, Field(ge=0)]
    """of AdamW"""
    clip_norm: Annotated[float, Field(gt=0)]
    """largest gradient norm"""
    ema_images: Positive
    """half-life of the moving average of the weights, which is kept; 1 keeps the last weights"""
    prior_weight: Annotated[float, Field(ge=0)]
    """weight of the loss on images of the class"""


class DreamBooth(Teaching):
    """Subjects, and how every size is taught them (Ruiz et al. 2023, arXiv 2208.12242)."""

    path: str | None = None
    """folder of subjects, one folder of images each; null: concepts of the test split's emoji, and
    none where it has other images"""
    subjects: Positive
    """how many, a seeded choice"""
    sizes: Annotated[list[str], Distinct, Field(min_length=1)] | None = None
    """sizes that are taught; null: all"""
    token: Annotated[str, AfterValidator(_one_word)]
    """rare word that names the subject; one piece of the text encoder's vocabulary"""
    prior_images: Positive
    """images of the class, sampled from the pretrained model, for each subject"""
    prompts: Prompts
    """of the scores, with {subject} where token and class stand"""
    images_per_prompt: Positive
    """images of each prompt and subject that are scored"""
    dino: Dino | None = None
    """model of metric dino; null measures none"""

    @property
    def folder(self) -> Path | None:
        """Where the subjects lie, if they are not emoji."""
        return Path(self.path) if self.path else None

    @property
    def teaching(self) -> Teaching:
        """What decides the training, without the rest."""
        return Teaching.part_of(self)

    def fidelity(self, metrics: Metrics) -> str:
        """The metric that says how like its subject an image is: the best that is at hand."""
        if self.dino:
            return "dino"
        return "clip_i" if metrics.clip else f"similarity_{metrics.extractor}"
