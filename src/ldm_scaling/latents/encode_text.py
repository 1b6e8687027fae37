"""Turn a split's captions into token embeddings, once.

Writes `text` (float16, [N, max_tokens, D]) and `empty` (float16, [max_tokens, D]: the embedding of
the empty caption, which guidance calls unconditional).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np

from ..data.captions import read_column
from ..jobs.cli import Slice
from ..jobs.command import Resumable, command
from ..jobs.pieces import in_pieces
from ..jobs.workdir import WorkDir, file_hash, fingerprint
from ..training.devices import own_device
from ..workflow.specs.latents import EncodeTextSpec
from .autoencoder import weights_hash
from .text_encoder import CaptionEncoder

BATCH = 64


@command
def main(
    spec: EncodeTextSpec,
    captions: Annotated[Path, "captions of a split"],
    out: Annotated[Path, "file of embeddings"],
    job: Resumable,
) -> None:
    time_slice = Slice(job.max_seconds)
    sentences = read_column(captions, "caption")
    encoder = CaptionEncoder(spec.text_encoder)
    content = fingerprint(spec, file_hash(captions), weights_hash(encoder.model))
    encoder.to_encode(own_device())

    def compute(rows: slice) -> dict[str, np.ndarray]:
        return {"text": encoder(sentences[rows]).cpu().numpy().astype(np.float16)}

    with WorkDir(job.work_dir, content) as work:
        pieces = in_pieces("encoding captions", len(sentences), BATCH, compute, work, time_slice)
        empty = encoder([""])[0].cpu().numpy().astype(np.float16)
        pieces.finish(out, content, {"empty": empty})
    print(f"{len(sentences)} captions of {empty.shape}")
