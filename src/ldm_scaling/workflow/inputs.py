"""What jobs that train, sample and measure read: functions of wildcards, as Snakemake calls them.

A folder of others that is not there yet has no files here: its job says what is missing. So does a
section that the study lacks, by StudyError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..kinds.sizes import SEPARATOR
from ..kinds.sources import SOURCES
from ..study import hub
from ..study.adopted import AdoptedModel
from ..study.data import Data, Evaluation
from ..study.study import Study
from . import needed, pairs, paths, stages
from .downloads import COCO, COCO_FOLDER, SQUEEZENET, downloads
from .specs.cells import SweepSpec

Files = list[str]
Named = dict[str, str | Files]


def of_superres(wildcards: Any) -> bool:
    """Whether a job is of a stage of super-resolution."""
    return stages.is_superres(wildcards.get("stage", stages.PRETRAIN))


def folder_files(source: Data | Evaluation) -> Files:
    """The files that stand for a folder of images: its lists, or the marker of a hub's data set.

    For prompts alone it is their file.
    """
    if isinstance(source, Data) and source.revision:
        return [str(hub.marker(str(source.path), source.revision, "datasets"))]
    if source.source == "coco" and source.folder == COCO_FOLDER:
        return [str(hub.RESOURCES / name) for name in COCO]
    own = SOURCES[source.source]
    if not own.has_images:
        return [str(source.folder)] if source.folder.exists() else []
    return [str(path) for pattern in own.files for path in sorted(source.folder.glob(pattern))]


def originals(study: Study, split: str) -> str:
    """The name, below data, latents and cells/reference, of images that are enlarged.

    `split` is train or validation.
    """
    superres = needed.superres(study)
    if {"train": superres.training, "validation": superres.validation}[split]:
        return f"superres/photos_{split}"
    return {"train": "train", "validation": "test"}[split]


@dataclass(frozen=True)
class Inputs:
    """The inputs of a study's jobs."""

    study: Study

    # ------------------------------------------------------------ data and networks of others

    def source(self, wildcards: Any) -> Files:
        """What the packed images are made from: the training source's files first."""
        data, files = self.study.data, []
        if data.source == "emoji":
            files.append(str(hub.RESOURCES / "emoji.zip"))
        elif data.is_packed:
            files += folder_files(data)
        return files + (folder_files(data.evaluation) if data.evaluation else [])

    def downloads(self, wildcards: Any) -> Files:
        """Everything that is downloaded."""
        return list(map(str, downloads(self.study)))

    def shards(self, wildcards: Any) -> Files:
        """The tar shards, or the marker of the hub's data set that they are."""
        return folder_files(self.study.data)

    def autoencoder(self, wildcards: Any) -> Files:
        """The autoencoder's files: trained here, downloaded, or in a folder.

        A folder gives the files that it has; the job says what is missing.
        """
        settings, folder = self.study.latents.autoencoder, Path(paths.autoencoder(self.study))
        if settings.pretrained and settings.revision:
            return [str(hub.marker(settings.pretrained, settings.revision))]
        if settings.pretrained is None:
            return paths.inputs_of(folder / name for name in paths.AUTOENCODER)
        folder = hub.local_folder(settings.pretrained, None)
        files = [folder / name for name in (*paths.AUTOENCODER, paths.AUTOENCODER_BIN)]
        return paths.inputs_of(path for path in files if path.exists())

    def text_encoder(self, wildcards: Any) -> Files:
        """The text encoder's download, if it has one."""
        return self._awaited(self.study.latents.text_encoder)

    def pair_text_encoder(self, wildcards: Any) -> Files:
        """The download of the text encoder of a parameter-budget stage, if it has one."""
        return self._awaited(pairs.encoder(self.study, wildcards.stage))

    def pair_text_encoders(self, wildcards: Any) -> Files:
        """The downloads of all text encoders of the parameter budget."""
        encoders = needed.param_budget(self.study).text_encoders
        return [path for encoder in encoders for path in self._awaited(encoder)]

    @staticmethod
    def _awaited(encoder: Any) -> Files:
        return list(map(str, hub.awaited(encoder.pretrained, encoder.revision)))

    def extractor(self, wildcards: Any) -> Files:
        """The files of the extractors that no package brings."""
        extractors = self.study.metrics.extractors
        seen_by = extractors[:1] if of_superres(wildcards) else extractors
        return [str(path) for own in seen_by for path in own.inputs]

    def head(self, wildcards: Any) -> Files:
        """The network of the inception score, where it is measured."""
        return self.extractor(wildcards) if of_superres(wildcards) else []

    def clip_model(self, wildcards: Any) -> Files:
        """The files of the CLIP model, if there is one."""
        clip = self.study.metrics.clip
        return list(map(str, clip.inputs)) if clip else []

    def scored(self, wildcards: Any) -> Files:
        """The captions of images that are scored, and the scorers' files."""
        scored = wildcards.get("split", "test") == "test" and not of_superres(wildcards)
        scorers = self.study.metrics.scorers if scored else []
        files = [str(path) for own in scorers for path in own.inputs]
        return [f"{self.study.results}/data/test.csv", *files] if scorers else []

    def clip_like(self, wildcards: Any) -> Files:
        """The maps of the CLIP-like score, if there is one."""
        fitted = self.study.metrics.clip_like and not of_superres(wildcards)
        return [f"{self.study.results}/cells/reference/clip_like.safetensors"] if fitted else []

    def verifier_extractor(self, wildcards: Any) -> Files:
        """The files of the first extractor or of the first scorer, by which images are scored."""
        metrics = self.study.metrics
        own = metrics.scorers[:1] or metrics.extractors[:1]
        return [str(path) for network in own for path in network.inputs]

    def judge(self, wildcards: Any) -> Files:
        """The files of the judge's network."""
        return list(map(str, needed.judge(self.study).inputs))

    def judge_maps(self, wildcards: Any) -> Files:
        """The maps of a judge that is fitted."""
        fitted = needed.judge(self.study).extractor
        return [f"{self.study.results}/cells/reference/judge.safetensors"] if fitted else []

    def dino(self, wildcards: Any) -> Files:
        """The files of the model of metric dino, if it is measured."""
        dino = needed.dreambooth(self.study).dino
        return list(map(str, dino.inputs)) if dino else []

    # ------------------------------------------------------------ training

    def text(self, stage: str, split: str) -> str:
        """The embeddings of a split by a stage's text encoder: the study's, or a pair's own."""
        folder = f"{self.study.results}/latents"
        if stages.is_budget(stage) and not pairs.is_own(self.study, stage):
            folder += f"/{stage}"
        return f"{folder}/text_{split}.safetensors"

    def training(self, wildcards: Any) -> Named:
        """What every model reads, by name: cached latents and text, or the index of tar shards."""
        if self.study.data.is_packed:
            return self._packed(stages.PRETRAIN)
        if not self.study.latents.cache:
            return self._index() | {"autoencoder": self.autoencoder(wildcards)}
        parts = [
            f"{self.study.results}/latents/train/part{part}.safetensors"
            for part in range(self.study.latents.parts)
        ]
        return self._index() | {"latents": parts, "text": parts}

    def pair_training(self, wildcards: Any) -> Named:
        """What the U-Net of a pair reads; tar shards are encoded with its own text encoder."""
        if self.study.data.is_packed:
            return self._packed(wildcards.stage)
        encoders = {
            "autoencoder": self.autoencoder(wildcards),
            "encoder": self.pair_text_encoder(wildcards),
        }
        return self._index() | encoders

    def arm_training(self, wildcards: Any) -> Named:
        """What a student of an arm reads; with a discriminator, held-out latents and their text."""
        if needed.arm(self.study, stages.arm_of(wildcards.stage)).adversary is None:
            return self.training(wildcards)
        latents = f"{self.study.results}/latents/validation.safetensors"
        held_out = [latents, self.text(stages.PRETRAIN, "validation")]
        return self.training(wildcards) | {"held_out": held_out}

    def _packed(self, stage: str) -> Named:
        latents = f"{self.study.results}/latents/train.safetensors"
        return {"latents": latents, "text": self.text(stage, "train")}

    def _index(self) -> Named:
        return {"index": f"{self.study.results}/data/index.safetensors"}

    def pretrained(self, wildcards: Any) -> Files:
        """A pretrained model."""
        return self._network(stages.PRETRAIN, wildcards.size, wildcards.seed)

    def _network(self, stage: str, size: str, seed: str) -> Files:
        return paths.network(paths.model(self.study, stage, size, seed))

    def teacher(self, wildcards: Any) -> Files:
        """The model that teaches a student."""
        return paths.network(teacher(self.study, wildcards))

    def superres_base(self, wildcards: Any) -> Files:
        """The pretrained model that is finetuned, if one is."""
        return [] if wildcards.stage == stages.SCRATCH else self.pretrained(wildcards)

    def clean_latents(self, wildcards: Any) -> str:
        """The latents that a model of super-resolution is to find."""
        return f"{self.study.results}/latents/{originals(self.study, 'train')}.safetensors"

    # ------------------------------------------------------------ super-resolution

    def photographs(self, wildcards: Any) -> Files:
        """The photographs that crops are cut from; of a folder that is not there yet, none."""
        folder = needed.photos(self.study, wildcards.split).folder
        return sorted(str(path) for path in folder.rglob("*.*"))

    def degraded(self, wildcards: Any) -> str:
        """The images that are made smaller."""
        return f"{self.study.results}/data/{originals(self.study, wildcards.split)}.safetensors"

    def perceptual(self, wildcards: Any) -> Files:
        """The weights of the perceptual distance, if they are there or a rule fetches them."""
        path = paths.perceptual(self.study)
        return [path] if path == str(SQUEEZENET) or Path(path).exists() else []

    def superres(self, wildcards: Any) -> Files:
        """What a sweep of super-resolution reads too: latents, originals, a network's weights."""
        if not of_superres(wildcards):
            return []
        enlarged = originals(self.study, "validation")
        return [
            f"{self.study.results}/latents/superres/validation.safetensors",
            f"{self.study.results}/data/{enlarged}.safetensors",
            *self.perceptual(wildcards),
        ]

    # ------------------------------------------------------------ cells

    def model(self, wildcards: Any) -> Named:
        """What a model's cells are sampled with, by name: a trained one, or an adopted pipeline."""
        return self._model(wildcards.stage, wildcards)

    def pretrained_model(self, wildcards: Any) -> Named:
        """As above, of a pretrained model whatever the job."""
        return self._model(stages.PRETRAIN, wildcards)

    def _model(self, stage: str, wildcards: Any) -> Named:
        if self.study.adopted:
            model = stages.adopted(self.study, stage, wildcards.size)
            return {"pipeline": paths.pipeline(model), "autoencoder": []}
        folder = paths.model(self.study, stage, wildcards.size, wildcards.seed)
        names = (*paths.NETWORK, "kept")
        network: Named = {name: f"{folder}/{paths.TRAINED[name]}" for name in names}
        return network | {"autoencoder": self.autoencoder(wildcards)}

    def candidates_metrics(self, wildcards: Any) -> str:
        """The metrics of a model's cells, which found the guidance of its candidates."""
        sampler = stages.candidates_sampler(self.study, wildcards.stage)
        model = f"{wildcards.stage}/{wildcards.size}/seed{wildcards.seed}"
        return f"{self.study.results}/cells/{model}/{sampler}/metrics.csv"

    def captions_of_judge(self, wildcards: Any) -> Files:
        """The captions of images that a scorer judges."""
        scored = self.scored(wildcards) or not needed.judge(self.study).extractor
        return [f"{self.study.results}/data/test.csv"] if scored else []

    def pipeline(self, wildcards: Any) -> Files:
        """The files of an adopted pipeline: a download, one that a study exports, or a folder's."""
        model = stages.adopted(self.study, wildcards.stage, wildcards.size)
        return paths.pipeline(model)

    def exported_autoencoder(self, wildcards: Any) -> Files:
        """The autoencoder of a model that is exported; that of its study, if it was trained."""
        if self.study.latents.autoencoder.pretrained:
            return self.autoencoder(wildcards)
        folder = f"{wildcards.folder}/latents/autoencoder"
        return [f"{folder}/{name}" for name in paths.AUTOENCODER]

    def pipelines(self, wildcards: Any) -> Files:
        """The files of every adopted pipeline that is compared; none where models are trained."""
        return self._files(self.study.adopted.compared if self.study.adopted else [])

    def counted_pipelines(self, wildcards: Any) -> Files:
        """The files of every adopted pipeline, students included."""
        adopted = needed.adopted(self.study)
        return self._files([*adopted.compared, *adopted.students.values()])

    def _files(self, models: Iterable[AdoptedModel]) -> Files:
        return list(dict.fromkeys(path for model in models for path in paths.pipeline(model)))

    def prompts(self, wildcards: Any) -> str:
        """The embeddings of the prompts of a stage's cells."""
        return self._prompts(wildcards.stage, wildcards)

    def pretrained_prompts(self, wildcards: Any) -> str:
        """As above, of a pretrained model whatever the job."""
        return self._prompts(stages.PRETRAIN, wildcards)

    def _prompts(self, stage: str, wildcards: Any) -> str:
        if self.study.adopted:
            return f"{self.study.results}/latents/{stage}/{wildcards.size}/prompts.safetensors"
        return self.text(stage, "test")

    def searched_reference(self, wildcards: Any) -> Files:
        """The features that a sweep compares with, where it searches its guidance."""
        return self._reference(SweepSpec.of(self.study, wildcards.stage, wildcards.sampler))

    def stitched_reference(self, wildcards: Any) -> Files:
        """The features that a sweep of stitched trajectories compares with, where it searches."""
        return self._reference(SweepSpec.of_stitched(self.study, wildcards.sizes))

    def _reference(self, spec: SweepSpec) -> Files:
        if spec.search is None or not spec.search.compares:
            return []
        return [f"{self.study.results}/cells/reference/test.safetensors"]

    def compared_features(self, wildcards: Any) -> Files:
        """The features of real images that a stage's cells are compared with, if there are any."""
        path = self.compared("cells/reference", "safetensors")(wildcards)
        return [path] if self.study.compares_with_images else []

    def compared(
        self, folder: str, suffix: str, superres: bool | None = None
    ) -> Callable[[Any], str]:
        """A function of wildcards: a folder's file on the real images that a job compares with.

        Super-resolution has its own, unless `superres` says what the job's stage does not.
        """

        def of_job(wildcards: Any) -> str:
            enlarging = of_superres(wildcards) if superres is None else superres
            name = originals(self.study, "validation") if enlarging else "test"
            return f"{self.study.results}/{folder}/{name}.{suffix}"

        return of_job

    def student(self, wildcards: Any) -> Named:
        """What a student of consistency distillation is sampled with, by name."""
        return self._model(stages.DISTILL, wildcards)

    def stitched(self, name: str) -> Callable[[Any], Files]:
        """A function of wildcards: a file, by its name, of the model of each size in turn."""

        def of_sizes(wildcards: Any) -> Files:
            folders = stitched_models(self.study, wildcards)
            return [f"{folder}/{paths.TRAINED[name]}" for folder in folders]

        return of_sizes

    # ------------------------------------------------------------ bias

    def toned_model(self, wildcards: Any) -> Named:
        """What cells of prompts without a tone are sampled with: a model and its heads, if any."""
        biased = wildcards.stage == stages.BIAS
        network = self._model(stages.PRETRAIN if biased else wildcards.stage, wildcards)
        heads = f"{self.study.results}/models/bias/{wildcards.size}/seed{wildcards.seed}"
        del network["kept"]
        return network | {"heads": [f"{heads}/heads.safetensors"] if biased else []}

    # ------------------------------------------------------------ DreamBooth

    def subjects(self, wildcards: Any) -> Files:
        """What subjects are chosen from: the splits, or the images in folders."""
        folder = needed.dreambooth(self.study).folder
        if folder is None:
            names = ("test.csv", "test.safetensors", "train.csv")
            return [f"{self.study.results}/data/{name}" for name in names]
        table = folder / "subjects.csv"
        images = [path for path in folder.glob("*/*") if path.is_file()]
        return sorted(map(str, [*images, *([table] if table.exists() else [])]))

    def taught(self, wildcards: Any) -> Files:
        """The models that a pretrained one became, one for each subject."""
        folders = taught(self.study, wildcards)
        return [path for folder in folders for path in paths.network(folder)]


def teacher(study: Study, wildcards: Any) -> str:
    """The folder of a student's teacher: of consistency distillation, unless it has steps."""
    steps = wildcards.get("steps")
    stage = stages.guided_stage(steps) if steps else stages.DISTILL
    return paths.model(study, stages.teacher(study, stage), wildcards.size, wildcards.seed)


def stitched_models(study: Study, wildcards: Any) -> Files:
    """The folders of the models of a trajectory, in the order in which they denoise."""
    sizes = wildcards.sizes.split(SEPARATOR)
    return [paths.model(study, stages.PRETRAIN, size, wildcards.seed) for size in sizes]


def taught(study: Study, wildcards: Any) -> Files:
    """The folders of the models that a pretrained one became, one for each subject."""
    folder = paths.model(study, stages.DREAMBOOTH, wildcards.size, wildcards.seed)
    count = needed.dreambooth(study).subjects
    return [f"{folder}/subject{number}" for number in range(count)]
