"""Checks of section `superres` against the rest of a study."""

from __future__ import annotations

from ...kinds.architectures import ARCHITECTURES
from ...kinds.metrics import METRICS
from ..sections import Sections
from ..superres import MIN_SIDE
from .shared import check_sizes, check_steps


def check_superres(study: Sections) -> None:
    """Check the section against the rest of the study. Raises ValueError that names the key."""
    superres = study.superres
    if superres is None:
        return
    if not ARCHITECTURES[study.family.architecture].superres:
        name = study.family.architecture
        raise ValueError(f"superres: architecture {name} takes no second image; set null")
    if not METRICS[study.metrics.select_by].compares:
        raise ValueError(
            f"superres: its images have no captions, and so no {study.metrics.select_by}, which"
            " metrics.select_by names; set superres: null"
        )
    if study.data.image_size < MIN_SIDE:
        raise ValueError(
            f"superres: needs data.image_size of {MIN_SIDE} or more; otherwise set superres: null"
        )
    check_sizes(study, "superres.scratch", superres.scratch or [])
    found, key = study.data.splits.test, "data.splits.test"
    if superres.validation:
        found, key = superres.validation.patches, "superres.validation.patches"
    for name, photos in (("training", superres.training), ("validation", superres.validation)):
        if photos and photos.side and photos.side < study.data.image_size:
            raise ValueError(
                f"superres.{name}.side: {photos.side} is smaller than data.image_size"
                f" ({study.data.image_size})"
            )
    if superres.n > found:
        raise ValueError(f"superres.n: {superres.n} is larger than {key} ({found})")
    if (components := study.metrics.components or 0) >= superres.n:
        raise ValueError(
            f"superres.n: must be larger than the components of metrics.extractors ({components})"
        )
    check_steps(study, "superres.steps", superres.steps)
    if max(study.figures.prompts) >= superres.n:
        raise ValueError("superres.n: must be larger than every row in figures.prompts")
    if not study.data.is_packed and superres.training is None:
        raise ValueError(
            "superres.training: data.source webdataset needs a folder of photographs,"
            " such as {path: resources/df2k, patches: 100000}"
        )
