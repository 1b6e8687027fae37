"""The specs of jobs that pack or index the study's data."""

from __future__ import annotations

import operator
from typing import Annotated, Any, Literal

from pydantic import Field

from ...study.data import Data, Splits
from ...study.fields import Positive, Seed, Strict
from ...study.study import Study


class PrepareSpec(Strict):
    """Split the data and pack its images."""

    recipe: Literal[2] = 2
    seed: Seed
    data: Data
    training: Annotated[bool, Field(exclude_if=bool)] = True
    """whether there is a training split; adopted models have none"""
    clean_resize: Annotated[bool, Field(exclude_if=operator.not_)] = False
    """whether images are resized by the filter of clean-fid, as those of adopted models are"""

    @classmethod
    def of(cls, study: Study) -> PrepareSpec:
        """Spec of rule prepare_data. Keys that only another source reads have a fixed value.

        When the spec's recipe has to rise, remove these keys.
        """
        data = study.data
        unread: dict[str, Any] = {} if data.source == "emoji" else {"styles": ["noto"]}
        if data.source == "emoji":
            unread |= {"path": None, "revision": None}
        elif not data.is_packed:  # whose images are not packed
            unread |= {"path": "unread", "revision": None, "max_images": None}
        if not data.has_images:  # the first n are needed, and there are no splits
            unread |= {"splits": Splits(validation=1, test=study.sampling.n)}
        models = study.adopted.models if study.adopted and data.has_images else []
        return cls(
            seed=study.seed,
            data=data.model_copy(update=unread),
            training=study.trains,
            clean_resize=any(model.side != data.image_size for model in models),
        )


class IndexSpec(Strict):
    """Index the samples of tar shards."""

    recipe: Literal[1] = 1
    max_images: Positive | None

    @classmethod
    def of(cls, study: Study) -> IndexSpec:
        """Spec of rule index_shards."""
        return cls(max_images=study.data.max_images)
