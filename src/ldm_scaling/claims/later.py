"""Claims on stages beyond pretraining: Figures 4 to 6, 12 and 17 of the paper.

No study has these stages yet. A stage brings its statistics in a module of its own and takes its
claims from here.
"""

from __future__ import annotations

from functools import partial

from .evidence import Evidence, NotRun
from .statement import Claim, Statistic

SUPERRES, DREAMBOOTH = "Super-resolution", "DreamBooth"


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

CLAIMS = [
    *_claims(SUPERRES, "superres", _SUPERRES),
    *_claims(DREAMBOOTH, "dreambooth", _DREAMBOOTH),
]
