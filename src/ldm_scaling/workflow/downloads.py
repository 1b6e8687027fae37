"""The files below resources/ that are fetched by their address, and what a study downloads.

Free of torch, since the Snakefile imports it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..kinds.extractors import EXTRACTORS
from ..kinds.scorers import SCORERS
from ..study.adopted import AdoptedModel
from ..study.fields import StudyError
from ..study.hub import INCEPTION, RESOURCES, WORD_VECTORS, WORD_VECTORS_FILES, Kind, marker

if TYPE_CHECKING:
    from ..study.study import Study


@dataclass(frozen=True)
class Archive:
    """A file at an address that must have this content."""

    url: str
    sha256: str
    bytes: int


SQUEEZENET = RESOURCES / str(EXTRACTORS["squeezenet"].weights)
"""of the perceptual distance of super-resolution, where LPIPS is not set up, and of a judge"""
SQUEEZENET_BYTES = 4_947_032
WORD_VECTORS_BYTES = 31_182_491
COCO = ("coco/annotations_trainval2014.zip", "coco/val2014.zip", "coco/train2014.zip")
COCO_FOLDER = RESOURCES / "coco"
_COCO_URL = "http://images.cocodataset.org"  # its certificate is another host's: no https
ARCHIVES = {
    # The TorchScript Inception-v3 of StyleGAN2-ADA that clean-fid computes FID with; the address is
    # clean-fid's (cleanfid/downloads_helper.py). The hash is also k-diffusion's
    # (k_diffusion/evaluation.py), which checks what it downloads by it.
    INCEPTION: Archive(
        "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/"
        "inception-2015-12-05.pt",
        "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
        95_607_719,
    ),
    # COCO 2014. Hashes and sizes as TensorFlow Datasets has them
    # (tensorflow_datasets/url_checksums/coco.txt); the hashes are also torchvision's
    # (torchvision/prototype/datasets/_builtin/coco.py).
    COCO[0]: Archive(
        f"{_COCO_URL}/annotations/annotations_trainval2014.zip",
        "031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
        252_872_794,
    ),
    COCO[1]: Archive(
        f"{_COCO_URL}/zips/val2014.zip",
        "fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0",
        6_645_013_297,
    ),
    COCO[2]: Archive(
        f"{_COCO_URL}/zips/train2014.zip",
        "ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775",
        13_510_573_713,
    ),
}
"""by their path below resources/"""


@dataclass(frozen=True)
class HubDownload:
    """A model or data set of the hub at a commit."""

    id: str
    revision: str
    kind: Kind = "models"
    include: tuple[str, ...] = ()
    """patterns of its files; none: the usual ones of its kind"""

    @property
    def marker(self) -> Path:
        """The file that is there once it is downloaded."""
        return marker(self.id, self.revision, self.kind)


COMPONENTS = ("unet", "transformer", "vae", "text_encoder*", "tokenizer*", "scheduler")
"""folders of a pipeline that are needed; others change its images or serve other conditions"""


def pipeline_files(model: AdoptedModel) -> tuple[str, ...]:
    """Patterns of an adopted model's files: safetensors of its variant, and no other format.

    Those of a pipeline, and of a denoiser at the top; of a LoRA its file only.
    """
    above = f"{model.subfolder}/" if model.subfolder else ""
    if model.part == "lora":
        return (f"{above}{model.lora}",)
    variant = f".{model.variant}" if model.variant else ""
    weights = [
        f"{name}{part}.safetensors"
        for name in (f"model{variant}", f"diffusion_pytorch_model{variant}")
        for part in ("", "-?????-of-?????")
    ]
    kept = ["*.json", "*.txt", "*.model", *weights]
    own = [f"{folder}/{name}" for folder in COMPONENTS for name in kept]
    top = ["model_index.json", "config.json", *weights]
    return tuple(f"{above}{name}" for name in (*top, *own))


def _networks(study: Study) -> list[HubDownload]:
    """The networks that images are made with."""
    if study.adopted:
        return [
            HubDownload(model.pretrained, model.revision, include=pipeline_files(model))
            for model in study.adopted.models
            if model.revision
        ]
    return [
        HubDownload(network.pretrained, network.revision)
        for network in (study.latents.autoencoder, study.latents.text_encoder)
        if network.pretrained and network.revision
    ]


def hub_downloads(study: Study) -> list[HubDownload]:
    """What the study downloads from the hub, of all that have a commit."""
    found = _networks(study)
    for scorer in study.metrics.every_scorer:
        if scorer.revision:
            known = SCORERS[scorer.name]
            files = (*known.others, *known.files)
            found.append(HubDownload(scorer.pretrained, scorer.revision, include=files))
    for extractor in study.metrics.every_extractor:
        if extractor.pretrained and extractor.revision:
            files = EXTRACTORS[extractor.name].files
            found.append(HubDownload(extractor.pretrained, extractor.revision, include=files))
    if study.dreambooth and (dino := study.dreambooth.dino) and dino.revision:
        found.append(HubDownload(dino.pretrained, dino.revision))
    if study.param_budget:
        found += [
            HubDownload(encoder.pretrained, encoder.revision)
            for encoder in study.param_budget.text_encoders
            if encoder.revision
        ]
    if study.data.path and study.data.revision:
        found.append(HubDownload(study.data.path, study.data.revision, "datasets"))
    return list(dict.fromkeys(found))


def downloads(study: Study) -> list[Path]:
    """Every file that is there once the study's downloads are: markers of hub ids, archives.

    Raises StudyError if a commit is not named.
    """
    for model in study.adopted.models if study.adopted else ():
        if model.lacks_revision:
            raise StudyError(f"config key adopted.models: {model.unnamed_commit}")
    files = [download.marker for download in hub_downloads(study)]
    for extractor in study.metrics.every_extractor:
        if extractor.weights and not extractor.pretrained:
            files.append(extractor.weights)
    encoders = [study.latents.text_encoder] if study.trains else []
    if study.param_budget:
        encoders += study.param_budget.text_encoders
    if any(encoder.pretrained == WORD_VECTORS for encoder in encoders):
        files.append(WORD_VECTORS_FILES[0])
    if study.superres and study.superres.lpips is None:
        files.append(SQUEEZENET)
    if study.data.source == "emoji":
        files.append(RESOURCES / "emoji.zip")
    sources = [study.data, *([study.data.evaluation] if study.data.evaluation else [])]
    if any(source.source == "coco" and source.folder == COCO_FOLDER for source in sources):
        files += [RESOURCES / name for name in COCO]
    return list(dict.fromkeys(files))
