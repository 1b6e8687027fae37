"""What jobs ask of the machine: the one place to adapt it.

Memory and GPUs depend on the model's size, memory and walltime also on the attempt.
None of it is part of a spec, so a change reruns nothing. One run: --set-resources RULE:NAME=VALUE.
`TRAINING` is chosen for GPUs of 80 GB and 64 x 64 latents, and not measured there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..kinds.architectures import ARCHITECTURES
from ..kinds.sizes import SEPARATOR, channels, numbers
from ..study.study import Study
from . import needed, pairs, stages
from .specs.candidates import CandidatesSpec
from .specs.cells import SweepSpec
from .specs.inversion import InvertedSpec

Resource = int | Callable[..., int | str]


class Training(NamedTuple):
    """How a model is trained."""

    gpus: int
    """of one node"""
    micro_batch: int
    """images that one GPU takes through the network at a time"""
    switches: str
    """options of the command"""


TRAINING = {
    128: Training(1, 64, ""),
    224: Training(4, 32, ""),
    320: Training(8, 16, "--checkpointing"),
    512: Training(8, 16, "--checkpointing --sharded"),
    1024: Training(8, 8, "--checkpointing --sharded"),
}
"""by the most channels; larger sizes take the last row"""
REST_MB = 4000
"""of a job that holds networks: Python, its libraries and its batches"""
PIPELINE_MB = 24000
"""of a job that loads an adopted pipeline"""
PIXELS_AT_A_TIME = 2**22
"""that an adopted pipeline makes: 16 images of 512 pixels a side, 4 of 1024"""
LARGE_ENCODERS = {"google-t5/t5-3b": 1.241e9, "google-t5/t5-11b": 4.865e9}
"""parameters of text encoders that `REST_MB` has no room for"""


def grown(megabytes: int, attempt: int) -> int:
    """Memory of an attempt: half as much again for the second, twice as much from the third on.

    So a job that ran out of memory gets more, and one that only continues not without end.
    """
    return megabytes * min(attempt + 1, 4) // 2


TRAINING_FIRST = 10_000
"""added to a training's priority; more than any size has"""
ENCODING_FIRST = 2 * TRAINING_FIRST
"""priority of latents and text, which trainings wait for"""


def sizes_of(wildcards: Any) -> list[str]:
    """The size of a job's model, or those of its trajectory, the largest first."""
    named = wildcards.get("sizes") or wildcards.size
    return sorted(named.split(SEPARATOR), key=channels, reverse=True)


def row_of(size: str) -> Training:
    """How a size is trained: its row of `TRAINING`."""
    fits = [limit for limit in TRAINING if channels(size) <= limit]
    return TRAINING[min(fits, default=max(TRAINING))]


@dataclass(frozen=True)
class Hardware:
    """What the jobs of a study ask for."""

    study: Study

    @property
    def training(self) -> dict[str, Resource]:
        """Resources of a training, without its memory."""
        return {
            "runtime": self.walltime,
            "gpu": self.gpus,
            "nodes": 1,
            "micro_batch": self.micro_batch,
            "switches": self.switches,
        }

    @property
    def sampling(self) -> dict[str, Resource]:
        """Resources of a sweep; an adopted pipeline is on one GPU."""
        if self.study.adopted:
            shared = {"mem_mb": self.pipeline_memory, "runtime": self.walltime, "nodes": 1}
            return shared | {"gpu": 1, "batch": self.pipeline_batch}
        return {
            "mem_mb": self.sampling_memory,
            "runtime": self.walltime,
            "gpu": self.gpus,
            "nodes": 1,
            "batch": self.sampling_batch,
        }

    def parameters(self, size: str) -> int:
        """Parameters of a size, about."""
        return ARCHITECTURES[self.study.family.architecture].parameters(*numbers(size))

    def gpus(self, wildcards: Any) -> int:
        """GPUs that train one model, or sample its cells, each a part of them."""
        return row_of(sizes_of(wildcards)[0]).gpus

    def micro_batch(self, wildcards: Any) -> int:
        """Images that one GPU takes through the network at a time."""
        return row_of(sizes_of(wildcards)[0]).micro_batch

    def switches(self, wildcards: Any) -> str:
        """Options of a training that change how it uses the machine."""
        return row_of(sizes_of(wildcards)[0]).switches

    def teaching_switches(self, wildcards: Any) -> str:
        """Options of a DreamBooth training, on one GPU: its batches are too small to share."""
        return self.switches(wildcards).replace("--sharded", "").strip()

    def pipeline_batch(self, wildcards: Any) -> int:
        """Images that an adopted pipeline makes at a time: fewer of larger ones."""
        side = stages.adopted(self.study, wildcards.stage, wildcards.size).side
        return max(1, min(128, PIXELS_AT_A_TIME // side**2))

    def pipeline_memory(self, wildcards: Any, attempt: int = 1) -> int:
        """MB of the host for loading a part of an adopted pipeline."""
        return grown(PIPELINE_MB, attempt)

    def large_first(self, wildcards: Any) -> int:
        """Priority: the largest sizes first, so that no long job is left alone at the end."""
        if self.study.adopted:  # in the order of the list, if nothing is known of them
            return len(self.study.sizes) - self.study.sizes.index(wildcards.size)
        return channels(sizes_of(wildcards)[0])

    def training_first(self, wildcards: Any) -> int:
        """Priority of trainings: all of them before any sampling, which waits for them."""
        return TRAINING_FIRST + self.large_first(wildcards)

    def sampling_threads(self, wildcards: Any) -> int:
        """Threads: they resize images for the extractor; one for a small model."""
        if self.study.adopted:
            return 1
        return 1 if self.gpus(wildcards) == 1 else 4 * self.gpus(wildcards)

    def sampling_batch(self, wildcards: Any) -> int:
        """Images that one GPU samples at a time."""
        return 128 if self.large_first(wildcards) <= 128 else self.micro_batch(wildcards)

    def model_memory(self, wildcards: Any, attempt: int = 1) -> int:
        """MB for the weights of one model, or of a pipeline, and the rest."""
        if self.study.adopted:
            return self.pipeline_memory(wildcards, attempt)
        return grown(REST_MB + 8 * self.parameters(wildcards.size) // 10**6, attempt)

    def walltime(self, wildcards: Any, attempt: int) -> int:
        """Minutes of one walltime slice; jobs continue in the next one."""
        return min(240 * attempt, 1440)

    def training_threads(self, wildcards: Any) -> int:
        """Threads: as for sampling; more where they decode images."""
        if not self.study.latents.cache:
            return 8 * self.gpus(wildcards)
        return self.sampling_threads(wildcards)

    def training_memory(self, wildcards: Any, attempt: int = 1) -> int:
        """MB: each process builds the weights, the first one collects its state and what was kept.

        A process that encodes captions while it trains also loads a text encoder.
        """
        gpus = self.gpus(wildcards)
        copies = gpus + 8 + len(self.study.training.keep)
        needed = copies * self.parameters(wildcards.size)
        if self._encodes_captions(wildcards):
            needed += gpus * self._encoder_parameters(wildcards)
        return grown(REST_MB + 4 * needed // 10**6, attempt)

    def with_text_encoder(self, rest: int) -> Callable[[Any, int], int]:
        """A function of wildcards and attempt: MB for a large text encoder, and for the rest.

        A small one is part of the rest. While weights are loaded, there are two copies of them.
        """

        def of_job(wildcards: Any, attempt: int = 1) -> int:
            return grown(rest + 8 * self._encoder_parameters(wildcards) // 10**6, attempt)

        return of_job

    def _encodes_captions(self, wildcards: Any) -> bool:
        """Whether a training reads captions of tar shards and not their embeddings."""
        streams = stages.is_budget(wildcards.get("stage", "")) or not self.study.latents.cache
        return streams and not self.study.data.is_packed

    def _encoder_parameters(self, wildcards: Any) -> int:
        """Parameters of the text encoder of a job's stage, if it is a large one."""
        stage = wildcards.get("stage", "")
        own = self.study.latents.text_encoder
        encoder = pairs.encoder(self.study, stage) if stages.is_budget(stage) else own
        return round(LARGE_ENCODERS.get(encoder.pretrained, 0))

    def student_memory(self, wildcards: Any, attempt: int = 1) -> int:
        """MB: each process also has the teacher and the average that it learns from.

        And perhaps a discriminator, with its gradients and moments.
        """
        arm = stages.arm_of(wildcards.get("stage", ""))
        copies = 6 if arm and needed.arm(self.study, arm).adversary else 2
        networks = copies * self.gpus(wildcards) * self.parameters(wildcards.size)
        return grown(self.training_memory(wildcards) + 4 * networks // 10**6, attempt)

    def sampling_memory(self, wildcards: Any, attempt: int = 1) -> int:
        """MB for the weights, and twice the features of all cells: 2048 of two bytes an image.

        A trajectory asks for the sum of what its sizes ask for by themselves, an upper bound.
        """
        sampling = self.study.sampling
        features = 8192 * sampling.n * len(sampling.steps) * len(sampling.guidance)
        needed = 0
        for size in sizes_of(wildcards):
            weights = 8 * row_of(size).gpus * self.parameters(size)
            needed += REST_MB + (weights + features) // 10**6
        return grown(needed, attempt)

    def candidates_memory(self, wildcards: Any, attempt: int = 1) -> int:
        """MB for the weights, the networks that look, and twice the features of what is kept."""
        section = needed.candidates(self.study)
        kept = len(section.counts) * len(section.methods)
        features = 8192 * self.study.sampling.n * kept * len(self.study.sampling.steps)
        weights = 8 * self.parameters(wildcards.size)
        return grown(2 * REST_MB + (weights + features) // 10**6, attempt)

    def measure_candidates_runtime(self, wildcards: Any, attempt: int, threads: int) -> int:
        """Minutes, as `measure_runtime` says, of all that is kept."""
        spec = CandidatesSpec.of(self.study, wildcards.stage, wildcards.size)
        cells = sum(len(spec.counts_of(own, at)) for own in spec.methods for at in spec.steps)
        scale = (self.study.sampling.n / 30000) ** 2
        return attempt * round(60 + 11 * cells * scale / threads)

    def measure_threads(self, wildcards: Any) -> int:
        """Threads for the kernel matrices of KID, which grow with the square of n."""
        return max(1, self.study.sampling.n // 4000)

    def measure_runtime(self, wildcards: Any, attempt: int, threads: int) -> int:
        """Minutes: a cell of n = 30,000 takes a core about 10 for KID and 1 for FD-infinity."""
        if wildcards.stage == stages.STITCH:
            spec = SweepSpec.of_stitched(self.study, wildcards.size)
        elif wildcards.stage == stages.INVERSION:
            spec = InvertedSpec.of(self.study)
        else:
            model = (wildcards.stage, wildcards.sampler, wildcards.size)
            spec = SweepSpec.of(self.study, *model)
        scale = (self.study.sampling.n / 30000) ** 2
        return attempt * round(60 + 11 * len(spec.possible) * scale / threads)

    def family_memory(self, wildcards: Any, attempt: int) -> int:
        """MB for the weights of the largest size, or of a pipeline, and the rest."""
        if self.study.adopted:
            return self.pipeline_memory(wildcards, attempt)
        largest = max(map(self.parameters, self.study.family.sizes))
        return grown(REST_MB + 5 * largest // 10**6, attempt)
