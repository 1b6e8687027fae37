"""What a job's command is told: its spec, and the options that its study and its inputs ask for.

Functions are of wildcards, or of wildcards and inputs, as Snakemake calls them.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..study import hub
from ..study.fields import Strict
from ..study.study import Study
from . import inputs, needed, paths, searches, stages
from .downloads import ARCHIVES, hub_downloads

NUMBERS = {"part", "seed", "steps", "subject"}
"""wildcards that specs have as numbers"""
LAUNCH = (
    "launch=python; [ {resources.gpu} -le 1 ] || launch='accelerate launch --multi_gpu"
    " --num_processes {resources.gpu} --num_machines 1 --mixed_precision no"
    " --dynamo_backend no --main_process_port 0'; "
)
"""shell text: one process a GPU, of a command that is given after `$launch -m`"""


def each(option: str, files: Iterable[str]) -> list[str]:
    """An option before each of the files, for a shell."""
    return [shlex.join([option, str(path)]) for path in files]


def _given(option: str, name: str) -> Callable[[Any, Any, Any], list[str]]:
    """A method of wildcards and inputs: an option before each of the inputs of a name."""

    def of_job(self: Any, wildcards: Any, input: Any) -> list[str]:
        return each(option, getattr(input, name))

    return of_job


@dataclass(frozen=True)
class Options:
    """The options of a study's jobs."""

    study: Study

    def spec(self, make: Callable[..., Strict], *names: str) -> Callable[[Any], str]:
        """A function of wildcards: the JSON of `make(study, *wildcards)`, of those named."""

        def of_job(wildcards: Any) -> str:
            values = (
                int(wildcards[name]) if name in NUMBERS else wildcards[name] for name in names
            )
            return make(self.study, *values).model_dump_json()

        return of_job

    def work(self, rule: str) -> Callable[[Any], str]:
        """A function of wildcards: where a rule's jobs keep their state between interruptions."""

        def of_job(wildcards: Any) -> str:
            return paths.work(self.study, rule, *wildcards)

        return of_job

    def sweep_work(self, wildcards: Any) -> str:
        """Where a sweep keeps its state; a sampler's schedules share one folder."""
        model = (wildcards.stage, wildcards.size, wildcards.seed)
        return paths.work(self.study, "sweep", *model, searches.sampler_of(wildcards.sampler))

    # ------------------------------------------------------------ data

    def archive(self, wildcards: Any, input: Any) -> str:
        """The emoji archive, if the source is emoji."""
        return f"--archive {shlex.quote(input[0])}" if self.study.data.source == "emoji" else ""

    def archive_url(self, wildcards: Any) -> str:
        """The address of a file below resources/."""
        return ARCHIVES[wildcards.archive].url

    def archive_sha256(self, wildcards: Any) -> str:
        """The hash of a file below resources/."""
        return ARCHIVES[wildcards.archive].sha256

    def hub_id(self, wildcards: Any) -> str:
        """The hub id that a folder of resources/hub is named after."""
        return hub.hub_id(wildcards.name)

    def hub_include(self, wildcards: Any) -> str:
        """The files of a hub id, where the study needs other than the usual."""
        wanted = (self.hub_id(wildcards), wildcards.kind)
        patterns = [
            pattern
            for download in hub_downloads(self.study)
            if (download.id, download.kind) == wanted
            for pattern in download.include
        ]
        return f"--include {shlex.join(patterns)}" if patterns else ""

    def subject_source(self, wildcards: Any) -> str:
        """What subjects are chosen from."""
        folder = needed.dreambooth(self.study).folder
        if folder is None:
            return f"--data {shlex.quote(f'{self.study.results}/data')}"
        return f"--folder {shlex.quote(str(folder))}"

    # ------------------------------------------------------------ training

    def training(self, wildcards: Any, input: Any) -> list[str]:
        """What a model reads: files by name, and the tar shards where nothing is cached."""
        options = []
        for name in ("latents", "text", "index"):
            found = input.get(name, [])
            files = [found] if isinstance(found, str) else found
            options += [f"--{name} {shlex.join(files)}"] if files else []
        return options + ([] if self.study.latents.cache else [self._shards])

    def pair_training(self, wildcards: Any, input: Any) -> list[str]:
        """What the U-Net of a pair reads."""
        if self.study.data.is_packed:
            return self.training(wildcards, input)
        return [*each("--index", [input.index]), self._shards]

    def arm_training(self, wildcards: Any, input: Any) -> list[str]:
        """What a student of an arm reads."""
        held_out = input.get("held_out", [])
        own = [f"--held-out {shlex.join(held_out)}"] if held_out else []
        return [*self.training(wildcards, input), *own]

    @property
    def _shards(self) -> str:
        return f"--shards {shlex.quote(paths.shards(self.study))}"

    def teacher(self, wildcards: Any) -> str:
        """The folder of the model that teaches a student."""
        return inputs.teacher(self.study, wildcards)

    def superres_base(self, wildcards: Any, input: Any) -> list[str]:
        """The pretrained model, if one is finetuned."""
        return [f"--base {shlex.quote(str(Path(path).parent))}" for path in input.base[2:]]

    def pretrained(self, wildcards: Any) -> str:
        """The folder of a pretrained model."""
        return paths.model(self.study, stages.PRETRAIN, wildcards.size, wildcards.seed)

    def taught(self, wildcards: Any) -> list[str]:
        """The folders of the models that it became, one for each subject."""
        return inputs.taught(self.study, wildcards)

    # ------------------------------------------------------------ cells

    def exported_autoencoder(self, wildcards: Any) -> str:
        """The autoencoder of a model that is exported."""
        named = self.study.latents.autoencoder.pretrained
        return named or f"{wildcards.folder}/latents/autoencoder"

    def model(self, wildcards: Any, input: Any) -> list[str]:
        """What a model's cells are sampled with."""
        return self._model(wildcards.stage, wildcards)

    def pretrained_model(self, wildcards: Any, input: Any) -> list[str]:
        """As above, of a pretrained model whatever the job."""
        return self._model(stages.PRETRAIN, wildcards)

    def student(self, wildcards: Any, input: Any) -> list[str]:
        """A student of consistency distillation, with what its cells are sampled with."""
        return self._model(stages.DISTILL, wildcards)

    def _model(self, stage: str, wildcards: Any) -> list[str]:
        if self.study.adopted:
            return []  # the spec names the pipeline
        folder = paths.model(self.study, stage, wildcards.size, wildcards.seed)
        return self._beginning_with(folder)

    @property
    def autoencoder_revision(self) -> str:
        """The autoencoder's revision on the hub, if it has one."""
        revision = self.study.latents.autoencoder.revision
        return f"--autoencoder-revision {revision}" if revision else ""

    def measuring(self, wildcards: Any, input: Any) -> list[str]:
        """The extractor's file, and what images are scored against, where they are needed."""
        weights = self.weights(wildcards, input)
        if not inputs.of_superres(wildcards):
            return [*weights, *each("--captions", input.scored[:1])]
        condition, originals, *_ = input.superres
        superres = [*each("--condition", [condition]), *each("--originals", [originals])]
        return [*weights, *superres, self.perceptual(wildcards)]

    def weights(self, wildcards: Any, input: Any) -> list[str]:
        """The file of an extractor that has one; the spec names the folders of others."""
        file = str(self.study.metrics.weights)
        return each("--weights", [path for path in input.extractor if path == file])

    def judge_weights(self, wildcards: Any, input: Any) -> list[str]:
        """The file of the judge's extractor, if it has one; the spec names a folder."""
        own = needed.judge_extractor(self.study)
        return [] if own.pretrained else each("--weights", input.extractor)

    def candidates(self, wildcards: Any, input: Any) -> list[str]:
        """What images of candidates are measured with, what chooses them, and what judges them."""
        own = needed.judge(self.study).extractor
        weights = input.judge if own and not own.pretrained else []
        return [
            *self.weights(wildcards, input),
            *each("--captions", input.captions),
            *each("--clip-like", input.clip_like),
            *each("--judge-weights", weights),
            *each("--judge-maps", input.judge_maps),
        ]

    reference = _given("--reference", "reference")
    """the features of real images, where something is compared with them"""
    clip_like = _given("--clip-like", "clip_like")
    """the maps of the CLIP-like score, if there is one"""
    noises = _given("--noise", "noises")
    """the distributions of a student's initial noise"""
    head = _given("--head", "head")
    """the network of the inception score, where it is measured"""

    def perceptual(self, wildcards: Any) -> str:
        """The weights of the perceptual distance."""
        return f"--perceptual {shlex.quote(paths.perceptual(self.study))}"

    heads = _given("--heads", "heads")
    """what predicts the tone, where something is done against the bias"""

    def toned_model(self, wildcards: Any, input: Any) -> list[str]:
        """The model of cells of prompts without a tone."""
        biased = wildcards.stage == stages.BIAS
        return self._model(stages.PRETRAIN if biased else wildcards.stage, wildcards)

    def stitched(self, wildcards: Any) -> list[str]:
        """The model that begins a trajectory, and those that take over."""
        first, *others = inputs.stitched_models(self.study, wildcards)
        return self._beginning_with(first, others)

    def _beginning_with(self, folder: str, others: Sequence[str] = ()) -> list[str]:
        models = [*each("--model", [folder]), *each("--then", others)]
        autoencoder = each("--autoencoder", [paths.autoencoder(self.study)])
        return [*models, *autoencoder, self.autoencoder_revision]
