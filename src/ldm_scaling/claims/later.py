"""Claims on stages beyond pretraining: Figures 4 to 6, 12, 13, 17, 19 and 20 of the paper.

No study has these stages yet. A stage brings its statistics in a module of its own and takes its
claims from here.
"""

from __future__ import annotations

from functools import partial

from .evidence import Evidence, NotRun
from .statement import Claim, Statistic

SUPERRES, DREAMBOOTH, DISTILL = "Super-resolution", "DreamBooth", "Distillation"


def _missing(evidence: Evidence, stage: str) -> Statistic:
    raise NotRun(f"stage {stage} is not in the study")


def _claims(topic: str, stage: str, rows: list[tuple[str, str, str, str, str]]) -> list[Claim]:
    of = partial(_missing, stage=stage)
    return [
        Claim(f"{stage.replace('_', '-')}-{id_}", topic, source, sentence, statistic, figure, of)
        for id_, source, sentence, statistic, figure in rows
    ]


_SUPERRES = [
    (
        "quality-follows-size",
        "Figure 4",
        "The FID of super-resolution is decided by size, hardly by the compute of finetuning",
        "share of the variance of log FID that log parameters explain, less that which log"
        " finetuning compute explains",
        "sr_compute",
    ),
    (
        "large-and-brief-beats-small-and-long",
        "Figure 4",
        "A large model after brief finetuning beats a small one after long finetuning",
        "log ratio of the smallest size's last FID to the largest's first",
        "sr_compute",
    ),
    (
        "lpips-follows-compute",
        "Figure 4",
        "LPIPS follows training compute rather than size",
        "share of the variance of log LPIPS that log compute explains, less that which log"
        " parameters explain",
        "sr_compute",
    ),
    (
        "inception-score-behaves-as-fid",
        "Figure 17",
        "The Inception score of super-resolution behaves as its FID does",
        "correlation of the Inception score with the negative log FID",
        "sr_compute",
    ),
    (
        "small-is-efficient-to-20-steps",
        "Figure 12; summary article",
        "Up to 20 steps smaller models give better super-resolution at equal sampling cost",
        "share of the common range of log costs where the smaller is ahead, mean over pairs, less"
        " one half; curves up to 20 steps",
        "sr_vs_cost",
    ),
    (
        "large-is-efficient-beyond-20-steps",
        "Figure 12; summary article",
        "Beyond 20 steps larger models give better super-resolution at equal sampling cost",
        "share of the common range of log costs where the larger is ahead, mean over pairs, less"
        " one half; curves beyond 20 steps",
        "sr_vs_cost",
    ),
    (
        "gaps-are-smaller-beyond-20-steps",
        "Figure 12",
        "Beyond 20 steps sizes differ little at equal sampling cost",
        "mean absolute log ratio of pairs up to 20 steps less that beyond",
        "sr_vs_cost",
    ),
]
_DREAMBOOTH = [
    (
        "larger-is-better",
        "Figure 6",
        "Larger models keep the subject better (the paper looks at images, without a metric)",
        "rise of the subject's similarity with log parameters",
        "dreambooth_scores",
    ),
    (
        "has-two-tiers",
        "Figure 6",
        "83M to 223M are alike, 318M to 2B are alike and clearly better",
        "gap of the mean similarity between the tiers less the largest gap within one",
        "dreambooth_scores",
    ),
]
_DISTILL = [
    (
        "improves-every-size",
        "Figure 13",
        "At 4 steps every distilled size is better than the same size undistilled",
        "log ratio of the undistilled FID to the distilled one at 4 steps, every size",
        "distill_gain",
    ),
    (
        "reaches-20-steps",
        "Figure 13",
        "Distilled models at 4 steps are as good as undistilled ones at 20, at every size",
        "log ratio of the undistilled FID at 20 steps to the distilled one at 4, every size",
        "distill_gain",
    ),
    (
        "accelerates-five-times",
        "Figure 13",
        "Distillation saves about four fifths of the steps",
        "one and a half times less how far, in factors, the acceleration is from 5",
        "distill_gain",
    ),
    (
        "accelerates-all-sizes-alike",
        "Figure 13; summary article",
        "The acceleration does not depend on size",
        "distance of each size's acceleration from half and from one and a half times the mean,"
        " every size",
        "distill_gain",
    ),
    (
        "leaves-small-sizes-ahead-at-low-cost",
        "Figures 13 and 20; summary article",
        "At cost 7 to 8 the undistilled 83M model is as good as the distilled 866M model",
        "log ratio of the FID of distilled c320 at 4 steps to that of undistilled c96 at that"
        " cost, plus 5 %",
        "distill_vs_cost",
    ),
    (
        "leaves-a-smaller-size-ahead-at-low-cost",
        "Figure 13; summary article",
        "At the cost of the largest distilled size's sampling a smaller size, distilled or not, is"
        " as good",
        "log ratio of the largest distilled size's FID to a smaller one's at that cost, the best"
        " of them, plus 5 %",
        "distill_vs_cost",
    ),
]
_GUIDED = [
    (
        "gains-are-inconsistent",
        "Figure 19",
        "Guided distillation gains at some sizes and numbers of steps and loses at others",
        "product of the largest and the negative smallest log ratio of undistilled to distilled"
        " FID",
        "guided_distill",
    ),
]

CLAIMS = [
    *_claims(SUPERRES, "superres", _SUPERRES),
    *_claims(DREAMBOOTH, "dreambooth", _DREAMBOOTH),
    *_claims(DISTILL, "distill", _DISTILL),
    *_claims(DISTILL, "guided_distill", _GUIDED),
]
