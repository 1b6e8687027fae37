"""Sample all cells of one (model, sampler): noise to latents to images to features, in memory.

Image i of a cell starts from its own seeded noise, the same for every model, sampler, step count,
guidance scale and batch size. A model that `--then` names takes over from the one before it where
the cell's allocation says. Writes the features, the first images and the records of all cells,
which docs/results.md describes; after an adaptive search of the cells that it has sampled whole,
and what it has looked at. What has been sampled stays in the work folder: a new scale or step count
samples the new cells only, and a search takes what there is of a cell. Several processes, by
torch's launcher, share the cells and give the same files as one.
"""

from __future__ import annotations

import contextlib
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch

from ..jobs.arrays import write_arrays
from ..jobs.choice import OK
from ..jobs.cli import Progress, Slice, SliceEnded, add_batch, add_work_dir, parser, run
from ..jobs.workdir import Busy, WorkDir, fingerprint, write_json
from ..kinds.cells import DIVERGED, LEVELS_UNSEEN, OUT_OF_MEMORY
from ..kinds.metrics import METRICS
from ..models.denoiser import has_seen
from ..study.figures import SHEET_IMAGES
from ..study.metrics import FEATURES
from ..training.devices import (
    check_gpus,
    forget_peak,
    own_device,
    peak_gb,
    process_count,
    process_index,
)
from ..workflow.specs.cells import CellSpec, SweepSpec
from .adaptive import different, find_guidance, load_metric, looks_array, searches
from .features import Measuring, add_measuring, load_measuring
from .judge import add_judge, judged
from .sample import ImageMaker, add_sampler, load_image_maker
from .search import Found

BATCH = 128
"""images that are sampled at a time, unless the command says fewer"""
SAVE_SECONDS = 10


@dataclass
class Sampled:
    """What has been sampled of a cell."""

    numbers: dict[str, torch.Tensor] = field(default_factory=dict)
    """what `Measuring` has found, [images, ...] each"""
    sheet: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.uint8))
    """[at most SHEET_IMAGES, 3, S, S]"""
    seconds: float = 0.0
    """sampling and decoding so far"""
    sampled: int = 0
    """images so far, the diverged ones too"""
    nfe: int = 0
    """network evaluations of one image"""
    memory_gb: float = 0.0
    """peak of GPU memory while sampling, in 10⁹ bytes; 0 on a processor"""
    batch: int = 0
    """most images that were sampled at a time on a GPU; 0 on a processor"""
    diverged: bool = False
    too_large: bool = False
    """whether one image took more memory than there is"""
    untrained: bool = False
    """whether the model was not trained at all noise levels; nothing is sampled then"""

    def kept(self, name: str) -> np.ndarray:
        """Numbers of one name [images, ...]; none if no image is whole."""
        found = self.numbers.get(name)
        return np.empty(0, np.float16) if found is None else found.numpy()

    @property
    def features(self) -> np.ndarray:
        """The first extractor's features, float16 [images, D]."""
        return self.kept(FEATURES)

    @property
    def failed(self) -> bool:
        """Whether it has no images."""
        return self.diverged or self.too_large or self.untrained

    @property
    def status(self) -> str:
        """As it stands in tables."""
        failures = {OUT_OF_MEMORY: self.too_large, DIVERGED: self.diverged}
        failures[LEVELS_UNSEEN] = self.untrained
        return next((name for name, failed in failures.items() if failed), OK)

    @classmethod
    def read(cls, path: Path) -> Sampled:
        """From a state file. Raises ValueError if it failed for lack of memory."""
        state = cls(**torch.load(path, weights_only=True))
        if state.too_large:  # older versions saved it
            raise ValueError("an image took more memory than there was")
        return state

    def write(self, path: Path) -> None:
        """To a state file."""
        with path.open("wb") as file:  # given a path, torch hides that a disk is full
            torch.save(vars(self), file)


def sample_cell(
    maker: ImageMaker,
    measuring: Callable[[np.ndarray, slice], dict[str, np.ndarray]],
    cell: CellSpec,
    work: WorkDir,
    time_slice: Slice,
    batch: int | None = None,
    images: int | None = None,
    together: int = 1,
) -> Sampled:
    """Sample a cell, from its newest saved state, to its end or until it fails.

    Or only so many of its images; a state that has more of them is as it is. Where memory does not
    suffice, fewer images are sampled and measured at a time, but no fewer than those that are only
    sampled `together`; a batch holds whole groups.
    Raises SliceEnded if the slice is over; what has been sampled is saved.
    """
    state = work.load(Sampled.read) or Sampled()
    state.nfe = state.nfe or maker.evaluations(cell)  # of a state that was saved without it
    batch, save_at = _whole(batch or BATCH, together), time.monotonic() + SAVE_SECONDS
    wanted, device = images or cell.n, own_device()
    while state.sampled < wanted and not state.failed:
        rows = range(state.sampled, min(state.sampled + batch, wanted))
        began = time.monotonic()
        forget_peak(device)
        try:
            pixels, finite = maker.images(cell, rows)
            took, peak = time.monotonic() - began, peak_gb(device)
            found = measuring(pixels, slice(rows.start, rows.stop)) if finite else {}
        except torch.OutOfMemoryError:
            if len(rows) > together:
                batch = _whole(len(rows) // 2, together)
                continue
            # not saved: another GPU may have more memory
            state.too_large, state.nfe = True, maker.evaluations(cell)
            break
        if peak:
            state.memory_gb = max(state.memory_gb, peak)
            state.batch = max(state.batch, len(rows))
        state.seconds += took
        state.nfe = maker.evaluations(cell)
        for name, numbers in found.items():
            before = [state.numbers[name]] if name in state.numbers else []
            state.numbers[name] = torch.cat([*before, torch.from_numpy(numbers)])
        if finite:
            shown = torch.from_numpy(pixels[: max(0, SHEET_IMAGES - rows.start)])
            state.sheet = torch.cat([state.sheet, shown])
        state.sampled, state.diverged = rows.stop, not finite
        ended, whole = time_slice.ended(), rows.stop == wanted or state.failed
        if ended or whole or time.monotonic() > save_at:
            work.save(state.sampled, state.write)
            save_at = time.monotonic() + SAVE_SECONDS
        if ended:
            raise SliceEnded("sweep: slice ended; what has been sampled is saved")
    return state


def _whole(batch: int, together: int) -> int:
    """The largest multiple of `together` that is not above the batch, or one of it."""
    return max(1, batch // together) * together


def record(cell: CellSpec, state: Sampled) -> dict:
    """A cell's entry in cells.json; with memory and batch if it was sampled on a GPU."""
    measured = {"memory_gb": float(f"{state.memory_gb:.4g}"), "batch": state.batch}
    settings = {"allocation": cell.allocated, "noise": cell.noise}
    return {
        "name": cell.name,
        "steps": cell.steps,
        "guidance": cell.guidance,
        "n": cell.n,
        "nfe": state.nfe,
        "seconds": float(f"{state.seconds / max(state.sampled, 1):.4g}"),
        "trained": cell.trained or 1.0,
        "status": state.status,
        **{name: value for name, value in settings.items() if value is not None},
        **(measured if state.batch else {}),
    }


def share_among_processes(tasks: dict[str, Callable[[], object]]) -> None:
    """Do every named task that no other process is at, this one's share of them first."""
    index, count, names = process_index(), process_count(), list(tasks)
    names = names[index::count] + [n for at, n in enumerate(names) if at % count != index]
    progress = Progress(f"process {index}: cells", len(names))
    for number, name in enumerate(names, start=1):
        with contextlib.suppress(Busy):
            tasks[name]()
        progress.update(number, name)


class Sweep:
    """The cells of one model, sampled when they are asked for."""

    def __init__(self, spec: SweepSpec, options: Namespace):
        """Nothing is loaded but what an adaptive search compares with.

        Raises InputError if that is missing.
        """
        self.spec, self._options = spec, options
        self._slice = Slice(options.max_seconds)
        self._measuring: dict[tuple, Measuring] = {}
        self._prompts = max(cell.n for cell in spec.possible)
        search, self._metric = spec.search, None
        if search:
            self._metric = load_metric(options.reference, search.select_by, search.components)
        # a model is large; its cells come one after the other
        self._maker_of = lru_cache(maxsize=1)(self._load)

    def _load(self, trained: float | None) -> tuple[ImageMaker, list[str]]:
        options, diffusion = self._options, self.spec.diffusion
        if diffusion is None:
            check_gpus(options.gpus)
            from .adopted import load_pipeline  # seconds of import that trained models need not pay

            return load_pipeline(self.spec, options.text, self._prompts)
        if options.noise:
            from .inverted import load_inverted  # as much for the networks of the score

            return load_inverted(options, diffusion, self._prompts, trained)
        return load_image_maker(options, diffusion, self._prompts, trained)

    def _has_seen_all_levels(self, trained: float | None) -> bool:
        """Whether the models were trained at every noise level; pipelines of others were."""
        if self.spec.diffusion is None:
            return True
        folders = (self._options.model, *self._options.then)
        levels = self.spec.diffusion.train_timesteps
        return all(has_seen(folder, levels, trained) for folder in folders)

    def sample(self, cell: CellSpec, wait: bool = True, images: int | None = None) -> Sampled:
        """The cell, or so many of its images at least.

        Raises Busy if another process is at it and this one is not to wait.
        """
        maker, decides = self._maker_of(cell.trained)
        if not self._has_seen_all_levels(cell.trained):
            return Sampled(untrained=True, nfe=maker.evaluations(cell))
        options = self._options
        key = (*map(str, (*cell.extractors, *cell.scorers, cell.judge)), cell.perceptual, cell.n)
        if key not in self._measuring:
            device = own_device()
            own = load_measuring(cell, options, cell.n, device)
            self._measuring[key] = judged(own, cell.judge, cell.n, options, device)
        measuring = self._measuring[key]
        made = self.spec.diffusion or self.spec.side
        content = fingerprint(cell, made, *decides, *measuring.files)
        with WorkDir(options.work_dir, content, wait=wait) as work:
            return sample_cell(maker, measuring, cell, work, self._slice, options.batch, images)

    def search(self, candidates: list[CellSpec], wait: bool = True) -> tuple[Found, list[CellSpec]]:
        """The search among cells, and those that it has sampled whole. Raises Busy too.

        Candidates that are sampled whole anyway come after it: which images are sampled together
        changes their last bits, and does not depend on the number of processes.
        """

        assert self.spec.search and self._metric

        search = self.spec.search

        def kept_of(cell: CellSpec, images: int) -> np.ndarray:
            state = self.sample(cell, wait, images)
            return state.kept(FEATURES if search.compares else search.select_by)

        found = find_guidance(candidates, search.look, kept_of, self._metric[0])
        for cell in self.spec.cells:
            if cell in candidates:
                self.sample(cell, wait)
        return found

    def tasks(self) -> dict[str, Callable[[], object]]:
        """What processes share, by name; none waits for another process. They raise Busy."""
        searched = self.spec.search.candidates if self.spec.search else []
        alone = [cell for cell in self.spec.cells if cell not in searched]
        found: dict[str, Callable[[], object]] = {
            f"search/{name}": partial(self.search, candidates, wait=False)
            for name, candidates in searches(self.spec.search).items()
        }
        return found | {cell.name: partial(self.sample, cell, wait=False) for cell in alone}

    def fingerprint(self, cells: list[CellSpec]) -> str:
        """Fingerprint of everything that decides the files of these cells."""
        kept = sorted({cell.trained for cell in cells if cell.trained is not None})
        hashes = [digest for trained in (None, *kept) for digest in self._maker_of(trained)[1]]
        reference = self._metric[1] if self._metric else []
        return fingerprint(self.spec, *reference, *hashes)


def file_arrays(
    states: list[tuple[CellSpec, Sampled]],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The arrays of features.safetensors and of images.safetensors."""
    features, images = {}, {}
    for cell, state in states:
        if cell.extractors:
            features[cell.name] = state.features
        for name, numbers in state.numbers.items():
            if name != FEATURES:
                features[f"{cell.name}/{name}"] = numbers.numpy()
        images[cell.name] = state.sheet.numpy()
    return features, images


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, SweepSpec)
    add_sampler(arguments, required=False)  # of a trained model
    made = "distribution of the initial noise of a student; repeat for a second"
    takes_over = "folder of the model that takes over in stitched trajectories; repeat for a third"
    arguments.add_argument("--then", default=[], action="append", type=Path, help=takes_over)
    arguments.add_argument("--noise", default=[], action="append", type=Path, help=made)
    arguments.add_argument("--clip-like", type=Path, help="maps of the score that noise climbs")
    arguments.add_argument("--reference", type=Path, help="features of real images, for a search")
    arguments.add_argument("--out", required=True, type=Path, help="folder to write to")
    add_batch(arguments, BATCH)
    add_judge(arguments)
    add_measuring(arguments)
    add_work_dir(arguments)
    options = arguments.parse_args()
    spec: SweepSpec = options.spec
    sweep = Sweep(spec, options)
    if process_count() > 1:
        share_among_processes(sweep.tasks())
        if process_index() > 0:
            return
    found = {name: sweep.search(cells) for name, cells in searches(spec.search).items()}
    finalists = [cell for _, cells in found.values() for cell in cells]
    cells = different([*finalists, *spec.cells])
    progress = Progress(f"cells of {options.out}", len(cells))
    states, records = [], []
    for number, cell in enumerate(cells, start=1):
        state = sweep.sample(cell)
        states.append((cell, state))
        records.append(record(cell, state))
        progress.update(number, f"{cell.name}: {records[-1]['status']}")
    features, images = file_arrays(states)
    sign = METRICS[spec.search.select_by].sign if spec.search else 1
    looks = {f"search/{name}": looks_array(seen, sign) for name, (seen, _) in found.items()}
    content = sweep.fingerprint(cells)
    write_arrays(options.out / "features.safetensors", features | looks, content)
    failed = {cell.name: state.status for cell, state in states if state.failed}
    write_arrays(options.out / "images.safetensors", images, content, **failed)
    write_json(options.out / "cells.json", records)


if __name__ == "__main__":
    run(main)
