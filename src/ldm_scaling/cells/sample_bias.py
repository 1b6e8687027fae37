"""Sample one model's cells of prompts that name no tone: as it is, guided, or the best of two.

Images are sampled in fixed groups of consecutive ones. A group is guided towards the reference
distribution as a whole (`diffusion.distribution_guidance`). So is the quota filled: of two images
of each prompt the one is kept whose predicted tone the group lacks. So no batch size and no number
of devices changes an image. Writes the files that `sweep` writes; the features file also has a
histogram of colours of each image, by which the tone is judged. What has been sampled stays in the
work folder. Several processes, by torch's launcher, share the cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ..data.captions import read_column
from ..diffusion.distribution_guidance import Heads, Towards, guided_towards
from ..jobs.arrays import fingerprint_of, write_arrays
from ..jobs.cli import InputError, Progress, Slice, add_batch, add_work_dir, parser, run
from ..jobs.workdir import WorkDir, file_hash, fingerprint, write_json
from ..kinds.arms import PLAIN
from ..models.denoiser import bottleneck, has_seen
from ..models.fit_tone_heads import read_heads
from ..training.devices import own_device, process_count, process_index
from ..workflow.specs.bias import BiasCellSpec, BiasSweepSpec
from ..workflow.specs.cells import CellSpec
from .features import add_measuring, load_measuring
from .sample import LatentSampler, add_sampler, load_sampler
from .sweep import BATCH, Sampled, file_arrays, record, sample_cell, share_among_processes
from .tones import HISTOGRAM, histograms


def by_quota(light: np.ndarray, reference: float) -> np.ndarray:
    """Which of the candidates of each image is kept, [n], so that as many are light as wanted.

    `light` [2, n] has the predicted logits that a candidate is light. Where both are light, or
    neither is, the first is kept. Where one is light, images with the largest sum of logits keep
    the light one, until enough are light.
    """
    is_light = light > 0
    free = np.flatnonzero(is_light[0] != is_light[1])
    wanted = round(reference * light.shape[1]) - int((is_light[0] & is_light[1]).sum())
    surest = free[np.argsort(-light[:, free].sum(axis=0), kind="stable")]
    kept = np.zeros(light.shape[1], dtype=int)
    for place, image in enumerate(surest):
        kept[image] = np.flatnonzero(is_light[:, image] == (place < wanted))[0]
    return kept


class ToneSampler:
    """A model whose images are guided, or kept, in groups: an `ImageMaker` of `BiasCellSpec`."""

    def __init__(
        self,
        sampler: LatentSampler,
        heads: Heads | None,
        prompts: Sequence[int],
        spec: BiasSweepSpec,
    ):
        """`prompts` are the rows of the prompts of the images of a cell."""
        self._sampler, self._prompts, self._spec = sampler, prompts, spec
        self._heads = heads

    def images(self, cell: CellSpec, rows: Sequence[int]) -> tuple[np.ndarray, bool]:
        """Images of whole groups, and whether all are finite."""
        assert isinstance(cell, BiasCellSpec)
        text = self._sampler.text([self._prompts[row] for row in rows])
        if cell.candidates is None:
            return self._sampler.decoded(self._latents(text, rows, cell)[0])
        found = [
            self._latents(text, [row + number * cell.n for row in rows], cell)
            for number in range(cell.candidates)
        ]
        light = np.stack([logits for _, logits in found])
        groups = range(0, len(rows), self._spec.group)
        of_group = [slice(start, start + self._spec.group) for start in groups]
        kept = [by_quota(light[:, own], self._spec.reference) for own in of_group]
        latents = torch.stack([own for own, _ in found])
        chosen = torch.from_numpy(np.concatenate(kept)).to(latents.device)
        return self._sampler.decoded(latents[chosen, torch.arange(len(rows))])

    def _latents(
        self, text: torch.Tensor, rows: Sequence[int], cell: BiasCellSpec
    ) -> tuple[torch.Tensor, np.ndarray]:
        """Latents from the noise of these rows, and the logits [len(rows)] that they are light."""
        sampler, spec = self._sampler, self._spec
        if cell.arm == PLAIN:
            return sampler.latents_of(text, rows, cell, cell.seed), np.empty(0)
        if self._heads is None:
            raise InputError(f"--heads: cell {cell.name} needs them")
        reference = [spec.reference, 1 - spec.reference]
        towards = Towards(reference, cell.strength or 0, spec.tau, spec.group)
        network = sampler.network
        own = bottleneck(network)
        with guided_towards(network, own, self._heads, towards, len(rows)) as seen:
            latents = sampler.latents_of(text, rows, cell, cell.seed)
        return latents, (seen.logits[:, 0] - seen.logits[:, 1]).cpu().numpy()

    def evaluations(self, cell: CellSpec) -> int:
        """Network evaluations of one image, of those that are not kept too."""
        assert isinstance(cell, BiasCellSpec)
        return (cell.candidates or 1) * self._sampler.evaluations(cell)


def entry(cell: BiasCellSpec, state: Sampled) -> dict:
    """A cell's entry in cells.json."""
    return record(cell, state) | {"arm": cell.arm, "strength": cell.strength}


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, BiasSweepSpec)
    add_sampler(arguments)
    arguments.add_argument("--prompts", required=True, type=Path, help="prompts.csv")
    arguments.add_argument("--heads", type=Path, help="that predict the tone; not where none do")
    arguments.add_argument("--out", required=True, type=Path, help="folder to write to")
    add_batch(arguments, BATCH)
    add_measuring(arguments)
    add_work_dir(arguments)
    options = arguments.parse_args()
    spec: BiasSweepSpec = options.spec
    time_slice, first, options.captions = Slice(options.max_seconds), spec.cells[0], options.prompts
    prompts = [int(row) for row in read_column(options.prompts, "row")]
    if len(prompts) != first.n:
        raise InputError(f"{options.prompts} has {len(prompts)} rows, not n = {first.n}")
    sampler, decides = load_sampler(options, spec.diffusion, max(prompts) + 1)
    heads_files = [options.heads] if options.heads else []
    heads = read_heads(options.heads).to(own_device()) if options.heads else None
    decides += [file_hash(options.prompts), *map(fingerprint_of, heads_files)]
    maker = ToneSampler(sampler, heads, prompts, spec)
    measuring = load_measuring(first, options, first.n, own_device())

    def see(images: np.ndarray, rows: slice) -> dict[str, np.ndarray]:
        return measuring(images, rows) | {HISTOGRAM: histograms(images)}

    def sample(cell: BiasCellSpec, wait: bool = True) -> Sampled:
        if not has_seen(options.model, spec.diffusion.train_timesteps):
            return Sampled(untrained=True, nfe=maker.evaluations(cell))
        keys = {"reference": spec.reference, "tau": spec.tau, "group": spec.group}
        content = fingerprint(cell, keys, spec.diffusion, *decides, *measuring.files)
        with WorkDir(options.work_dir, content, wait=wait) as work:
            return sample_cell(
                maker, see, cell, work, time_slice, options.batch, together=spec.group
            )

    if process_count() > 1:
        share_among_processes({cell.name: partial(sample, cell, False) for cell in spec.cells})
        if process_index() > 0:
            return
    progress, states = Progress(f"cells of {options.out}", len(spec.cells)), []
    for number, cell in enumerate(spec.cells, start=1):
        states.append((cell, sample(cell)))
        progress.update(number, f"{cell.name}: {states[-1][1].status}")
    features, images = file_arrays(states)
    content = fingerprint(spec, *decides, *measuring.files)
    write_arrays(options.out / "features.safetensors", features, content)
    write_arrays(options.out / "images.safetensors", images, content)
    write_json(options.out / "cells.json", [entry(cell, state) for cell, state in states])


if __name__ == "__main__":
    run(main)
