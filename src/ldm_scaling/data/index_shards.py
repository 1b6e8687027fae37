"""Index the samples of tar shards, so that any of them can be read by its number.

Writes `places` (int64 [samples, 5]: offset and size of image and caption in their shard, and
whether the caption is JSON), `starts` (int64 [shards + 1]: numbers of the shards' first samples),
`counts` (int64 [shards, 3]: samples, samples left out, a checksum of their places) and the shards'
names in the header. Samples without an image or a caption are left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated
from zlib import crc32

import numpy as np

from ..jobs.cli import InputError, Slice
from ..jobs.command import Resumable, command
from ..jobs.pieces import in_pieces
from ..jobs.workdir import WorkDir, fingerprint
from ..workflow.specs.data import IndexSpec
from .sources.webdataset import scan, shard_names


@command
def main(
    spec: IndexSpec,
    shards: Annotated[Path, "folder of tar shards"],
    out: Annotated[Path, "file of the index"],
    job: Resumable,
) -> None:
    time_slice = Slice(job.max_seconds)
    names = shard_names(shards)

    def compute(numbers: slice) -> dict[str, np.ndarray]:
        (name,) = names[numbers]
        places, left_out = scan(shards / name)
        return {"places": places, "counts": np.array([[len(places), left_out, crc32(places.data)]])}

    # times too: a shard may have other content at the same size
    stats = [(shards / name).stat() for name in names]
    versions = [(stat.st_size, stat.st_mtime_ns) for stat in stats]
    with WorkDir(job.work_dir, fingerprint(spec, names, versions)) as work:
        pieces = in_pieces("indexing shards", len(names), 1, compute, work, time_slice)
        counts = pieces.rows("counts")
        starts = np.cumsum([0, *counts[:, 0]])
        if spec.max_images is not None:
            starts = np.minimum(starts, spec.max_images)
        if not starts[-1]:
            raise InputError(
                f"data.path: no sample in {shards} has an image and a caption of one key"
            )
        content = fingerprint(spec, names, versions, counts.tolist())
        pieces.finish(out, content, {"starts": starts}, shards=json.dumps(names))
    print(
        f"{starts[-1]} samples in {len(names)} shards; left out, since they have no image or no"
        f" caption: {counts[:, 1].sum()}"
    )
