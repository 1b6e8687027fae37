"""What prices know beside a job's spec: the study's networks, and what other jobs make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from ..costs.count_adopted import AdoptedCosts
from ..costs.networks import Networks, UNets
from ..data.sources import coco, emoji, imagefolder
from ..jobs.arrays import map_array
from ..kinds.stages import PRETRAIN
from ..study.adopted import AdoptedModel
from ..study.data import Data
from ..study.fields import Strict
from ..workflow.specs.bias import TonesSpec
from ..workflow.specs.candidates import CandidatesSpec
from ..workflow.specs.cells import SweepSpec
from ..workflow.specs.costs import CountAdoptedSpec, CountComponentsSpec, FamilySpec
from ..workflow.specs.data import IndexSpec, PrepareSpec
from ..workflow.specs.dreambooth import SubjectsSpec
from ..workflow.specs.measuring import BaselinesSpec, FeaturesSpec
from ..workflow.specs.superres import DegradeSpec, PhotosSpec
from .dag import Job

SpecType = TypeVar("SpecType", bound=Strict)
Models = dict[str, tuple[AdoptedModel, AdoptedCosts]]
"""adopted models with their costs, by their names"""


def counted(
    jobs: Sequence[Job],
) -> tuple[FamilySpec, dict[str, FamilySpec], FeaturesSpec, str | None]:
    """What `count_networks` takes, from the specs of a study's jobs."""
    pairs = _spec(jobs, "count_pairs", CountComponentsSpec)
    encoders = pairs.encoders if pairs else {}
    baselines = _spec(jobs, "superres_baselines", BaselinesSpec)
    return (
        _only(jobs, "count_family", FamilySpec),
        {name: own for name, own in encoders.items() if isinstance(own, FamilySpec)},
        _seen(jobs, _only(jobs, "reconstruction_features", FeaturesSpec)),
        baselines.perceptual if baselines else None,
    )


def measured(jobs: Sequence[Job]) -> FeaturesSpec:
    """What the images of cells are measured with."""
    return FeaturesSpec.part_of(_only(jobs, "sweep", SweepSpec).possible[0])


def _seen(jobs: Sequence[Job], features: FeaturesSpec) -> FeaturesSpec:
    """What images are seen by: the networks of metrics, then the judge's."""
    judged = _spec(jobs, "judge_features", FeaturesSpec)
    candidates = _spec(jobs, "sample_candidates", CandidatesSpec)
    inverted = _spec(jobs, "sample_inverted", SweepSpec)
    judge = candidates.judge if candidates else inverted.cells[0].judge if inverted else None
    extractors = [*features.extractors, *(judged.extractors if judged else [])]
    scorers = [*features.scorers, *([judge.scorer] if judge and judge.scorer else [])]
    return features.model_copy(update={"extractors": extractors, "scorers": scorers})


def results(jobs: Sequence[Job]) -> Path:
    """The folder of the study's results."""
    counting = ("count_family", "count_adopted")
    return next(Path(job.outputs[0]).parents[1] for job in jobs if job.rule in counting)


def _spec(jobs: Sequence[Job], rule: str, kind: type[SpecType]) -> SpecType | None:
    job = next((job for job in jobs if job.rule == rule), None)
    return job and kind.model_validate_json(job.spec)


def _only(jobs: Sequence[Job], rule: str, kind: type[SpecType]) -> SpecType:
    """The spec of a rule that is in every plan."""
    return kind.model_validate_json(next(job.spec for job in jobs if job.rule == rule))


@dataclass(frozen=True)
class Known:
    """A study's jobs, upstream first, and its networks."""

    jobs: Sequence[Job]
    networks: Networks
    adopted: Models = field(default_factory=dict)

    @cached_property
    def family(self) -> FamilySpec:
        """The study's family, shapes and networks."""
        return _only(self.jobs, "count_family", FamilySpec)

    @cached_property
    def reference(self) -> float:
        """FLOPs of a forward pass of the adopted model whose normalized cost is 1."""
        return self.adopted[_only(self.jobs, "count_adopted", CountAdoptedSpec).reference][
            1
        ].forward

    @cached_property
    def subjects(self) -> int:
        """Subjects that models are taught."""
        return _only(self.jobs, "prepare_subjects", SubjectsSpec).subjects

    @property
    def tones(self) -> int:
        """Drawings of every tone, by which the bias of tones is measured."""
        return emoji.toned(_only(self.jobs, "prepare_tones", TonesSpec).data)

    @property
    def image_bytes(self) -> int:
        """Bytes of an image's pixels."""
        return 3 * _only(self.jobs, "prepare_data", PrepareSpec).data.image_size ** 2

    @property
    def latents(self) -> int:
        """Numbers of an image's latents."""
        return math.prod(self.family.latent_shape)

    def unets(self, job: Job) -> UNets:
        """The U-Nets of a job's stage."""
        return self.networks.of(job.wildcards.get("stage", PRETRAIN))

    def images(self, job: Job) -> float:
        """Images of a job's data: of the first input that has a number of them; nan if unknown."""
        return next(self._counts[path] for path in sorted(job.inputs) if path in self._counts)

    @cached_property
    def splits(self) -> dict[str, float]:
        """Images of each split: as prepared, else as configured; of training nan if unknown."""
        return split_images(self.jobs)

    @cached_property
    def _counts(self) -> dict[str, float]:
        """Images of every file that has one row for each of them."""
        counts: dict[str, float] = {}
        for job in self.jobs:
            if job.rule == "prepare_data":
                counts |= {path: self.splits[Path(path).stem] for path in job.outputs}
            elif job.rule == "index_shards":
                counts[job.outputs[0]] = self.splits["train"]
            elif job.rule == "crop_photos":
                spec = PhotosSpec.model_validate_json(job.spec)
                counts |= dict.fromkeys(job.outputs, spec.photos.patches)
            elif job.rule == "degrade":
                count = DegradeSpec.model_validate_json(job.spec).count
                known = next(counts[path] for path in job.inputs if path in counts)
                counts[job.outputs[0]] = known if count is None else count
            elif job.rule == "prepare_tones":
                images = [path for path in job.outputs if path.endswith(".safetensors")]
                of = {"balanced": self.splits["train"], "tones": self.tones}
                counts |= {path: of[Path(path).stem] for path in images}
            elif job.rule == "encode_images":
                counts[job.outputs[0]] = next(counts[p] for p in job.inputs if p in counts)
        return counts


def split_images(jobs: Sequence[Job]) -> dict[str, float]:
    """Images of each split: as prepared, else as configured; of training nan if unknown."""
    folder, data = results(jobs) / "data", _only(jobs, "prepare_data", PrepareSpec).data
    shards = _spec(jobs, "index_shards", IndexSpec)
    files = {split: folder / f"{split}.safetensors" for split in ("train", "validation", "test")}
    if all(path.exists() for path in files.values()):
        return {split: len(map_array(path, "images")) for split, path in files.items()}
    if (index := folder / "index.safetensors").exists():
        train = float(map_array(index, "starts")[-1])
    elif shards:
        train = shards.max_images or math.nan
    else:
        train = _training_images(data)
    held_out = data.splits
    return {"train": train, "validation": held_out.validation, "test": held_out.test}


def _training_images(data: Data) -> float:
    limit, splits = data.max_images or math.inf, data.splits
    held_out = 0 if data.evaluation else splits.validation + splits.test
    if data.source == "emoji":
        return min(limit, emoji.count(data)) - held_out
    if data.source == "coco":
        validation = 0 if data.evaluation else splits.validation
        return min(limit - held_out, coco.TRAIN_IMAGES - validation)
    if limit < math.inf:  # the planner does not look at millions of files
        return limit - held_out
    if data.source == "imagefolder" and data.folder.is_dir():
        return len(imagefolder.records(data)) - held_out
    return math.nan
