"""What a study's stitched trajectories are, and the spec of sampling them."""

from __future__ import annotations

from ..study.checks import sequences
from ..study.fields import StudyError
from ..study.stitch import SEPARATOR, Stitch, allocations
from ..study.study import Study
from .search_specs import search_spec
from .specs import CellSpec, SweepSpec

STAGE = "stitch"


def stitched(study: Study) -> Stitch:
    """The section `stitch`. Raises StudyError if the study has none."""
    if study.stitch is None:
        raise StudyError(
            "config key stitch: is null, or the family has one size; nothing is stitched"
        )
    return study.stitch


def stitched_sampler(study: Study) -> str:
    """The sampler of stitched trajectories."""
    return stitched(study).sampler or study.sampling.samplers[0]


def trajectories(study: Study) -> list[tuple[str, int]]:
    """Sizes, such as c20-c48, and training seed of every stitched sweep; none without the section.

    The models of a trajectory have the same training seed.
    """
    seeds = study.training.seeds
    return [(SEPARATOR.join(sizes), seed) for sizes in sequences(study) for seed in seeds]


def stitch_spec(study: Study, sizes: str) -> SweepSpec:
    """Of rule sample_stitched: the cells of sizes such as c20-c48, few steps first.

    The guidance of each allocation of steps is found as that of single sizes.
    """
    settings, sampling, metrics = stitched(study), study.sampling, study.metrics
    count = len(sizes.split(SEPARATOR))
    cells = [
        CellSpec(
            sampler=stitched_sampler(study),
            steps=steps,
            guidance=guidance,
            n=sampling.n,
            seed=sampling.seed,
            extractor=metrics.extractor,
            input_size=metrics.input_size,
            clip=metrics.clip,
            allocation=list(allocation),
        )
        for steps in sorted(settings.steps or sampling.steps)
        for allocation in allocations(steps, settings.shares, count)
        for guidance in sorted(sampling.guidance)
    ]
    if study.searches and len(sampling.guidance) > 1:
        return SweepSpec(diffusion=study.diffusion, cells=[], search=search_spec(study, cells))
    return SweepSpec(diffusion=study.diffusion, cells=cells)
