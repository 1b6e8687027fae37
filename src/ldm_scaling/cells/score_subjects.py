"""Sample subjects' prompts from a model before and after it was taught them, and score the images.

Image i of a subject starts from the same noise before and after, and in every size. Writes for
stages pretrain and dreambooth `{stage}/{metric}` (float32, [K, n]), one number for each image of
each of K subjects, `{stage}/seconds` (float32, [K]) of an image, and `{stage}/images` (uint8,
[K, T, 3, S, S]), the first image of each of T prompts.
`similarity_<extractor>`, `clip_i` and `dino` are mean cosines with the subject's images,
`clip_score` and `clip_like` cosines with the prompt without the token, and `drift_<extractor>`, of
stage dreambooth only, one minus the cosine of two images of the class that differ in the U-Net
alone. If a subject's images are not finite, all its numbers are nan and its images black.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..data.captions import read_column
from ..jobs.arrays import fingerprint_of, map_array
from ..jobs.cli import Slice, add_batch, add_gpus, add_work_dir, batches, parser, run
from ..jobs.pieces import in_pieces
from ..jobs.workdir import WorkDir, file_hash, fingerprint
from ..kinds.metrics import column
from ..kinds.stages import DREAMBOOTH, PRETRAIN
from ..latents.autoencoder import add_autoencoder, load_named, weights_hash
from ..latents.encode_subjects import without_token
from ..models.denoiser import load as load_denoiser
from ..training.devices import check_gpus, in_precision, own_device, precision
from ..workflow.specs.dreambooth import ScoreSubjectsSpec
from .features import load_extractor
from .metrics.clip_like import Map
from .metrics.dino import DinoFeatures
from .sample import LatentSampler
from .scores import CaptionScorer
from .sweep import BATCH

Scores = dict[str, np.ndarray]


def cosines(features: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Cosines [n, m] of features [n, D] and [m, D]."""
    a, b = (f / np.linalg.norm(f, axis=1, keepdims=True) for f in (features, others))
    return a @ b.T


class Scoring:
    """What turns images of a subject into numbers, by metric."""

    def __init__(
        self, spec: ScoreSubjectsSpec, options: argparse.Namespace, device: torch.device | str
    ):
        """Raises InputError if a network's files are missing or unusable."""
        self._spec = spec
        self._extract = load_extractor(spec.extractors[0], device, options.weights)
        self._embeds: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            column("similarity", spec.extractors[0].name): self._extract
        }
        self._clip = self._sentences = self._maps = None
        files = [path for path in (options.weights, options.clip_like) if path]
        if spec.scorers:
            (scorer,) = spec.scorers
            plain = without_token(read_column(options.table, "class"), spec.prompts)
            self._clip = clip = CaptionScorer(scorer, plain, device)
            self._embeds["clip_i"] = lambda images: clip.embed(images).cpu().numpy()
            files += scorer.files
        if spec.clip_like:
            self._sentences = np.array(map_array(options.subjects, "sentences"))
            self._maps = [
                Map(*(np.array(map_array(options.clip_like, f"{kind}_{p}")) for p in Map._fields))
                for kind in ("image", "text")
            ]
        if spec.dino:
            self._embeds["dino"] = DinoFeatures(spec.dino, device)
            files += spec.dino.files
        self.files = tuple(map(file_hash, files))
        """hashes of the files behind the networks"""

    def likeness(self, images: np.ndarray, real: np.ndarray) -> Scores:
        """Mean cosine [n] of each image with the subject's real ones."""
        return {
            metric: cosines(embed(images), embed(real)).mean(axis=1)
            for metric, embed in self._embeds.items()
        }

    def alignment(self, images: np.ndarray, subject: int) -> Scores:
        """Cosine [n] of each image with its prompt; prompts follow one another."""
        count, each = len(self._spec.prompts), self._spec.images_per_prompt
        prompt = np.repeat(np.arange(count), each)
        if self._clip:
            # one prompt at a time: rows of captions are a slice
            parts = [
                self._clip(images[prompt == n], slice(row, row + 1))
                for n, row in enumerate(range(subject * count, (subject + 1) * count))
            ]
            return {"clip_score": np.concatenate(parts)}
        if self._maps and self._sentences is not None:
            of_images, of_texts = self._maps
            mapped = of_texts(self._sentences[subject])[prompt]
            return {"clip_like": (of_images(self._extract(images)) * mapped).sum(axis=1)}
        return {}

    def drift(self, before: np.ndarray, after: np.ndarray) -> Scores:
        """One minus the cosine [n] of each pair of images."""
        pairs = cosines(self._extract(before), self._extract(after)).diagonal()
        return {column("drift", self._spec.extractors[0].name): 1 - pairs}


class Subjects:
    """The prompts and real images of all subjects."""

    def __init__(self, encoded: Path, images: Path):
        self.texts = {name: map_array(encoded, name) for name in ("prompts", "class", "empty")}
        self._images, self._subject = (map_array(images, name) for name in ("images", "subject"))
        self.count = len(self.texts["class"])

    def real(self, subject: int) -> np.ndarray:
        """Its images, uint8 [n, 3, S, S]."""
        return np.array(self._images[np.asarray(self._subject) == subject])


def sample(
    sampler: LatentSampler, spec: ScoreSubjectsSpec, text: np.ndarray, first: int, batch: int
) -> tuple[np.ndarray, bool]:
    """Images of embeddings [n, L, D] from noise of rows `first` on, and whether all are finite."""
    parts, finite = [], True
    for rows in batches(len(text), batch):
        own = torch.from_numpy(np.array(text[rows])).to(sampler.network.device).float()
        numbers = range(first + rows.start, first + rows.stop)
        images, whole = sampler.images_of(own, numbers, spec.setting, spec.seed)
        parts.append(images)
        finite = finite and whole
    return np.concatenate(parts), finite


def score(
    samplers: dict[str, LatentSampler],
    scoring: Scoring,
    subjects: Subjects,
    subject: int,
    spec: ScoreSubjectsSpec,
    batch: int,
) -> Scores:
    """The rows of one subject of all arrays."""
    each = spec.images_per_prompt
    prompts = np.repeat(subjects.texts["prompts"][subject], each, axis=0)
    of_class = np.repeat(subjects.texts["class"][subject][None], len(prompts), axis=0)
    first, real = subject * len(prompts), subjects.real(subject)
    found, classes, whole = {}, {}, {}
    for stage, sampler in samplers.items():
        began = time.monotonic()
        images, finite = sample(sampler, spec, prompts, first, batch)
        classes[stage], same = sample(sampler, spec, of_class, first, batch)
        seconds = (time.monotonic() - began) / (2 * len(prompts))
        numbers = scoring.likeness(images, real) | scoring.alignment(images, subject)
        whole[stage] = finite and same
        if not whole[stage]:
            numbers = {metric: np.full(len(prompts), np.nan) for metric in numbers}
        if stage == DREAMBOOTH:  # compares with before, so both must be whole
            drift = scoring.drift(classes[PRETRAIN], classes[DREAMBOOTH])
            numbers |= {
                name: row * (1 if all(whole.values()) else np.nan) for name, row in drift.items()
            }
        found |= {f"{stage}/{name}": row.astype(np.float32)[None] for name, row in numbers.items()}
        found[f"{stage}/seconds"] = np.array([seconds], np.float32)
        found[f"{stage}/images"] = (images if finite else images * 0)[None, ::each]
    return found


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, ScoreSubjectsSpec)
    arguments.add_argument("--model", required=True, type=Path, help="folder of the model before")
    arguments.add_argument(
        "--taught", required=True, type=Path, nargs="+", help="folders of it after, by subject"
    )
    add_autoencoder(arguments)
    arguments.add_argument("--subjects", required=True, type=Path, help="encoded subjects")
    arguments.add_argument("--images", required=True, type=Path, help="subjects.safetensors")
    arguments.add_argument("--table", required=True, type=Path, help="subjects.csv")
    arguments.add_argument("--weights", type=Path, help="file of an extractor without a package")
    arguments.add_argument("--clip-like", type=Path, help="maps of the CLIP-like score")
    arguments.add_argument("--out", required=True, type=Path, help="file to write")
    add_gpus(arguments)
    add_batch(arguments, BATCH)
    add_work_dir(arguments)
    options = arguments.parse_args()
    spec: ScoreSubjectsSpec = options.spec
    time_slice = Slice(options.max_seconds)
    check_gpus(options.gpus)
    device, subjects = own_device(), Subjects(options.subjects, options.images)
    if len(options.taught) != subjects.count:
        arguments.error(f"argument --taught: {subjects.count} folders, one of each subject")
    scoring = Scoring(spec, options, device)
    autoencoder = load_named(options).to(device)

    def sampler_of(folder: Path) -> LatentSampler:
        network = in_precision(load_denoiser(folder).to(device), precision())
        text, empty = subjects.texts["class"], subjects.texts["empty"]
        return LatentSampler(network, autoencoder, spec.diffusion, text, empty)

    before = sampler_of(options.model)

    def compute(rows: slice) -> Scores:
        (subject,) = range(rows.start, rows.stop)
        samplers = {PRETRAIN: before, DREAMBOOTH: sampler_of(options.taught[subject])}
        return score(samplers, scoring, subjects, subject, spec, options.batch)

    sources = [fingerprint_of(path) for path in (options.subjects, options.images)]
    weights = [weights_hash(load_denoiser(path)) for path in (options.model, *options.taught)]
    content = fingerprint(spec, *sources, *weights, weights_hash(autoencoder), *scoring.files)
    with WorkDir(options.work_dir, content) as work:
        pieces = in_pieces("scoring subjects", subjects.count, 1, compute, work, time_slice)
        pieces.finish(options.out, content)


if __name__ == "__main__":
    run(main)
