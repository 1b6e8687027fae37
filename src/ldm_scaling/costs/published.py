"""What Mei et al. print of their models: arXiv 2404.01367v2, Table 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..study.metrics import CLIP_SCORE, FID

if TYPE_CHECKING:
    from ..workflow.specs.costs import CostSpec

COLUMNS = ["published_params", "published_gflops", "published_normalized_cost", "published_note"]


class Published(NamedTuple):
    """A column of the table, rounded as printed."""

    params: float
    gflops: float
    """one forward pass, FP32"""
    normalized_cost: float
    """over that of c320"""
    fid: float
    """30,000 images of COCO-2014, DDIM, 50 steps, guidance 7.5; the CLIP score too"""
    clip_score: float


TABLE_1 = {
    "c64": Published(39e6, 25.3, 0.07, 25.30, 0.305),
    "c96": Published(83e6, 102.7, 0.13, 24.30, 0.308),
    "c128": Published(145e6, 161.5, 0.20, 24.18, 0.310),
    "c160": Published(223e6, 233.5, 0.30, 23.76, 0.310),
    "c192": Published(318e6, 318.5, 0.40, 22.83, 0.311),
    "c224": Published(430e6, 416.6, 0.53, 22.35, 0.312),
    "c256": Published(558e6, 527.8, 0.67, 22.15, 0.312),
    "c288": Published(704e6, 652.0, 0.83, 21.82, 0.312),
    "c320": Published(866e6, 789.3, 1.00, 21.55, 0.312),
    "c512": Published(2e9, 1887.5, 2.39, 20.98, 0.312),
    "c768": Published(5e9, 4082.6, 5.17, 20.14, 0.314),
}

# 25.3 is also the FID of that column. The other ten lie on a parabola in c that gives 57 here.
SLIPS = {"c64": "25.3 GFLOPs is a slip: 57 fits the normalized cost of 0.07"}


def is_papers_layout(spec: CostSpec) -> bool:
    """Whether sizes of this family are those of the paper.

    The paper states the multipliers only. The rest is the one Stable Diffusion layout that gives
    all of its parameter counts; a latent of 64 x 64 x 4 belongs to its GFLOPs.
    """
    family = spec.family
    return (
        family.channel_multipliers == [1, 2, 4, 4]
        and family.res_blocks == 2
        and family.attention == [True, True, True, False]
        and spec.latent_shape == (4, 64, 64)
        and spec.text_shape == (77, 1024)
    )


def published_columns(spec: CostSpec, size: str) -> dict[str, float | str | None]:
    """What the paper prints of a size, in the columns `COLUMNS`; None where it is not the paper's.

    `published_note` says what is wrong with a printed number.
    """
    if size not in TABLE_1 or not is_papers_layout(spec):
        return dict.fromkeys(COLUMNS)
    costs = TABLE_1[size][:3]
    return dict(zip(COLUMNS, [*costs, SLIPS.get(size)], strict=True))


def published_results(spec: CostSpec, size: str) -> dict[str, float]:
    """What the paper prints of a size's images, by metric; nothing where it is not the paper's."""
    if size not in TABLE_1 or not is_papers_layout(spec):
        return {}
    return {FID: TABLE_1[size].fid, CLIP_SCORE: TABLE_1[size].clip_score}
