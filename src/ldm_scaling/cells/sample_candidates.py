"""Make several images of each prompt with one model, and keep the one that a verifier likes best.

Each step count is sampled at the scale that the model's own cells found best. The first images of
a nested method are those of the same method with fewer candidates, so that one run gives all
counts. With one candidate it is the model's cell. Writes features, first images and records of what
is kept, as `sweep` does: a cell for each method and number of candidates. Array {cell}/judge has
the scores of a judge that chose nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..jobs.arrays import fingerprint_of, write_arrays
from ..jobs.choice import OK, chosen_rows
from ..jobs.cli import InputError, Slice, add_batch, add_work_dir, parser, run
from ..jobs.pieces import Pieces, in_pieces
from ..jobs.tables import MEASURED, read_table
from ..jobs.workdir import WorkDir, fingerprint, write_json
from ..kinds.candidates import METHODS, PARTICLES, verified
from ..kinds.cells import cell_name
from ..study.figures import SHEET_IMAGES
from ..study.metrics import CLIP_LIKE, FEATURES, JUDGE
from ..training.devices import own_device
from ..workflow.specs.candidates import CandidatesSpec
from ..workflow.specs.cells import CellSpec
from .candidates.attempt import Attempt, Looked, Score
from .features import Measuring, add_measuring, load_measuring
from .judge import add_judge, load_judge
from .metrics.clip_like import read_scorer
from .sample import LatentSampler, add_sampler, load_sampler
from .sweep import BATCH

Arrays = dict[str, np.ndarray]


def load_verifier(spec: CandidatesSpec, measuring: Measuring, maps: Path | None) -> Score:
    """The study's score of images against captions. Raises InputError if its maps are unusable."""
    if spec.verifier != CLIP_LIKE:
        scorer = measuring.scorers[spec.verifier]
        return Score(spec.verifier, scorer, lambda scores, rows: scores)
    extract = measuring.extractors[FEATURES]
    width = extract(np.zeros((1, 3, 32, 32), np.uint8)).shape[1]
    fitted = read_scorer(maps, spec.n, width)
    return Score(FEATURES, lambda images, rows: extract(images).astype(np.float16), fitted)


def chosen_cells(spec: CandidatesSpec, metrics: pd.DataFrame) -> Iterator[tuple[CellSpec, str]]:
    """The cell of each step count at its best scale, and the status that it had.

    `metrics` are those of the model's cells. Raises InputError if they lack the selecting metric.
    """
    rows = metrics[(metrics["metric"] == spec.select_by) & (metrics["trained"] == 1)]
    if rows.empty:
        raise InputError(f"metric {spec.select_by} is not in the table of metrics")
    for steps in spec.steps:
        cells = {cell.guidance: cell for cell in spec.cells if cell.steps == steps}
        own = rows[(rows["steps"] == steps) & rows["guidance"].isin(list(cells))]
        if own.empty:
            raise InputError(f"the table of metrics has no {steps} steps; sample the model again")
        best = chosen_rows(own, ["steps"])
        row = own.iloc[0] if best.empty else best.iloc[0]
        yield cells[row["guidance"]], row["status"]


class Chooser:
    """Keeps candidates of a model's cells."""

    def __init__(
        self,
        spec: CandidatesSpec,
        sampler: LatentSampler,
        measuring: Measuring,
        scores: list[Score],
    ):
        """`scores` are the verifier and the judge."""
        self._spec, self._sampler = spec, sampler
        self._verifier, self._judge = scores
        seen = self._verifier.array
        self._others = Measuring(
            {name: own for name, own in measuring.extractors.items() if name != seen},
            {name: own for name, own in measuring.scorers.items() if name != seen},
        )

    def kept(self, cell: CellSpec, method: str, rows: range) -> Arrays:
        """What is kept of a batch of prompts, by {count}/{array}; and all scores, [B, candidates].

        Each image is judged, but the verifier alone chooses.
        """
        counts = self._spec.counts_of(method, cell.steps)
        attempt = Attempt(self._sampler, cell, rows, self._verifier)
        make = importlib.import_module(f"{__package__}.candidates.{method}").candidates
        best: Arrays = {}
        scores, judged, result = [], [], {}
        whole = islice(make(attempt, counts[-1]), counts[-1])
        for number, found in enumerate(whole, start=1):
            numbers = self._numbers(found, rows)
            scores.append(found.scores)
            judged.append(numbers[JUDGE])
            # a later candidate must be better, so that with fewer of them the choice is the same
            better = scores[-1] > np.max(scores[:-1], axis=0) if best else np.full(len(rows), True)
            for name, own in numbers.items():
                best[name] = own if name not in best else _where(better, own, best[name])
            if number in counts:
                seconds = attempt.sampling + (attempt.verifying if number > 1 else 0)
                best["seconds"] = np.full(len(rows), seconds / len(rows))
                shown = best["images"][: max(0, SHEET_IMAGES - rows.start)]
                own = best | {"images": shown}
                result |= {f"{number}/{name}": array for name, array in own.items()}
        return result | {"scores": np.stack(scores, 1), "judged": np.stack(judged, 1)}

    def _numbers(self, found: Looked, rows: range) -> Arrays:
        numbers = self._others(found.images, slice(rows.start, rows.stop))
        return {
            "images": found.images,
            "finite": found.finite.astype(np.uint8),
            self._verifier.array: found.seen,
            JUDGE: self._judge(found.images, np.array(rows)).astype(np.float32),
            **numbers,
        }


def _where(mask: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    return np.where(mask.reshape(-1, *[1] * (new.ndim - 1)), new, old)


def spread(scores: np.ndarray) -> float:
    """Standard deviation of scores [n, k] between candidates of the same image."""
    return float(np.sqrt(scores.var(axis=1, ddof=1).mean())) if scores.shape[1] > 1 else 0.0


def record(cell: CellSpec, method: str, count: int, nfe: int, **measured: Any) -> dict[str, Any]:
    """The entry in cells.json of what a method keeps of so many candidates."""
    name = cell_name(cell.steps, cell.guidance, candidates=(method, count))
    return {
        "name": name,
        "steps": cell.steps,
        "guidance": cell.guidance,
        "n": cell.n,
        "nfe": nfe * count,
        "trained": 1.0,
        "method": method,
        "candidates": count,
        "verified": verified(method, count, cell.steps),
    } | measured


Found = list[tuple[CellSpec, str, int, Pieces | None]]
"""cells with a method, the network evaluations of a candidate, and what is kept; None: it failed"""


def write(spec: CandidatesSpec, found: Found, out: Path, content: str) -> None:
    """Write features, images and records; of a cell that failed, records alone."""
    features, images, records, spreads = {}, {}, [], {}
    for cell, method, nfe, pieces in found:
        if method == spec.methods[0]:  # its candidates are independent
            named = {spec.verifier: "scores", JUDGE: "judged"}
            spreads = {
                metric: spread(pieces.rows(name)) for metric, name in named.items() if pieces
            }
        for count in spec.counts_of(method, cell.steps):
            sound = bool(pieces and pieces.rows(f"{count}/finite").all())
            seconds = float(pieces.rows(f"{count}/seconds").mean()) if pieces else 0.0
            own = record(
                cell,
                method,
                count,
                nfe,
                seconds=float(f"{seconds:.4g}"),
                status=OK if sound else "diverged",
                spread=spreads,
            )
            records.append(own)
            if not sound or pieces is None:
                continue
            images[own["name"]] = pieces.rows(f"{count}/images")
            for name in pieces.names(f"{count}/"):
                array = name.partition("/")[2]
                if array not in ("images", "finite", "seconds"):
                    key = own["name"] if array == FEATURES else f"{own['name']}/{array}"
                    features[key] = pieces.rows(name)
    write_arrays(out / "features.safetensors", features, content)
    write_arrays(out / "images.safetensors", images, content)
    write_json(out / "cells.json", records)


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, CandidatesSpec)
    add_sampler(arguments)
    arguments.add_argument("--metrics", required=True, type=Path, help="metrics.csv of its cells")
    arguments.add_argument("--clip-like", type=Path, help="maps of the verifier, if it is fitted")
    add_judge(arguments)
    arguments.add_argument("--out", required=True, type=Path, help="folder to write to")
    add_batch(arguments, BATCH)
    add_measuring(arguments)
    add_work_dir(arguments)
    options = arguments.parse_args()
    spec: CandidatesSpec = options.spec
    time_slice, device = Slice(options.max_seconds), own_device()
    metrics = read_table(options.metrics, MEASURED)
    sampler, decides = load_sampler(options, spec.diffusion, spec.n)
    measuring = load_measuring(spec.cells[0], options, spec.n, device)
    judge, judges = load_judge(spec.judge, spec.n, options, device)
    verifier = load_verifier(spec, measuring, options.clip_like)
    chooser = Chooser(spec, sampler, measuring, [verifier, judge])
    maps = [options.clip_like] if options.clip_like else []
    hashes = [*decides, *measuring.files, *map(fingerprint_of, maps), *judges]
    decides = [spec.diffusion, spec.verifier, spec.judge, *hashes]
    found: Found = []
    for cell, status in chosen_cells(spec, metrics):
        nfe = sampler.evaluations(cell)
        for method in spec.methods:
            counts = spec.counts_of(method, cell.steps)
            if not counts or status != OK:
                found += [(cell, method, nfe, None)] if counts else []
                continue
            content = fingerprint(cell, method, counts, *decides)
            batch = max(1, options.batch // (1 if METHODS[method].nested else PARTICLES))

            def kept(rows: slice, cell: CellSpec = cell, method: str = method) -> Arrays:
                return chooser.kept(cell, method, range(rows.start, rows.stop))

            with WorkDir(options.work_dir, content) as work:
                label = f"{method}, {cell.name}"
                pieces = in_pieces(label, spec.n, batch, kept, work, time_slice)
            found.append((cell, method, nfe, pieces))
    chosen = [cell.model_dump() for cell, *_ in found]
    write(spec, found, options.out, fingerprint(spec, chosen, *hashes))


if __name__ == "__main__":
    run(main)
