"""Encode the prompts of a study as an adopted pipeline does, once for all of its cells.

Writes what a call of the pipeline takes in place of captions, by the names that it gives them, each
float16 or integers, [N, ...]; and a summary of the pipeline: its classes, how guidance is applied,
and the components that are not loaded. Where the memory of a GPU does not suffice, fewer prompts
are encoded at a time, and at last on processors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch

from ..data.captions import read_column
from ..jobs.cli import InputError, Slice
from ..jobs.command import Resumable, command
from ..jobs.pieces import in_pieces
from ..jobs.workdir import WorkDir, file_hash, fingerprint, write_json
from ..training.devices import own_device
from ..workflow.specs.latents import EncodePromptsSpec
from .adopt import encode, files_hash, load, read_layout, summarized

BATCH = 16


def as_array(name: str, values: torch.Tensor) -> np.ndarray:
    """Numbers in float16, masks as integers. Raises InputError if one is too large for float16."""
    if not values.is_floating_point():
        return values.cpu().numpy().astype(np.int32)
    found = values.cpu().half()
    if not found.isfinite().all():
        raise InputError(f"{name} has numbers that are not finite; choose another dtype")
    return found.numpy()


@command
def main(
    spec: EncodePromptsSpec,
    captions: Annotated[Path, "captions of the test split"],
    out: Annotated[Path, "file of embeddings"],
    summary: Annotated[Path, "what the pipeline is"],
    job: Resumable,
) -> None:
    time_slice = Slice(job.max_seconds)
    sentences = read_column(captions, "caption")[: spec.n]
    if len(sentences) < spec.n:
        raise InputError(f"{captions} has {len(sentences)} rows, fewer than sampling.n = {spec.n}")
    layout = read_layout(spec.pipeline)
    files = files_hash(spec.pipeline)
    content = fingerprint(spec, file_hash(captions), files)
    pipeline = load(spec.pipeline, text=True)
    try:
        pipeline.to(own_device())
    except torch.OutOfMemoryError:
        print("the text encoders do not fit the GPU; encoding on processors")
        pipeline.to("cpu")

    def compute(rows: slice) -> dict[str, np.ndarray]:
        try:
            found = encode(pipeline, layout, spec.pipeline, sentences[rows])
            return {name: as_array(name, own) for name, own in found.items()}
        except torch.OutOfMemoryError:
            middle = (rows.start + rows.stop) // 2
        if middle == rows.start:
            pipeline.to("cpu")
            return compute(rows)
        halves = [compute(slice(rows.start, middle)), compute(slice(middle, rows.stop))]
        return {name: np.concatenate([own[name] for own in halves]) for name in halves[0]}

    with WorkDir(job.work_dir, content) as work:
        pieces = in_pieces("encoding prompts", len(sentences), BATCH, compute, work, time_slice)
        pieces.finish(out, content)
    write_json(summary, summarized(spec.pipeline, layout) | {"files": files})
    print(f"{len(sentences)} prompts as {layout.kind.name} encodes them")
