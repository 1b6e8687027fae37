"""The jobs of stitched trajectories, for the plan."""

from __future__ import annotations

from ..costs.networks import Networks
from ..diffusion.sampling import network_evaluations
from ..study.figures import SHEET_IMAGES
from ..study.stitch import SEPARATOR
from ..study.study import Study
from ..workflow.specs.cells import SweepSpec
from ..workflow.stages import STITCH, stitched_sampler, trajectories
from .job import Job
from .search_jobs import sampled


def stitch_jobs(study: Study, networks: Networks) -> list[Job]:
    """Sampling and measuring of every sequence of sizes and training seed."""
    jobs = []
    for sizes, seed in trajectories(study):
        sampler = stitched_sampler(study)
        folder = f"{study.results}/cells/{STITCH}/{sizes}/seed{seed}/{sampler}"
        flops, disk = _costs(study, networks, sizes)
        name = f"{sizes} seed{seed} {sampler}"
        jobs.append(Job("sample_stitched", f"{folder}/cells.json", flops, disk, name))
        jobs.append(Job("measure", f"{folder}/metrics.csv", name=f"{STITCH} {name}"))
    return jobs


def _costs(study: Study, networks: Networks, sizes: str) -> tuple[dict[str, float], float]:
    """FLOPs of each part, and bytes: each size has the forward passes of its own steps."""
    spec = SweepSpec.of_stitched(study, sizes)
    counts = sampled(spec)
    forwards = [networks.forward[size] for size in sizes.split(SEPARATOR)]
    images = sum(count for count, _ in counts)
    flops = {
        "U-Net": sum(
            count * network_evaluations(steps, cell.guidance) * forward
            for count, cell in counts
            for steps, forward in zip(cell.allocation, forwards, strict=True)
        ),
        "decoding": images * networks.decode,
        "features": images * networks.features,
    }
    if study.metrics.clip:
        captions = study.sampling.n * networks.clip_caption
        flops["CLIP score"] = images * networks.clip_image + captions
    shown = len(spec.possible) * SHEET_IMAGES * 3 * study.data.image_size**2
    return flops, 3 * (images * 2 * networks.feature_width + shown)
