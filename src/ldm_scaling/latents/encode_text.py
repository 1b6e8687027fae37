"""Turn a split's captions into token embeddings, once.

Writes `text` (float16, [N, max_tokens, D]) and `empty` (float16, [max_tokens, D]: the embedding of
the empty caption, which guidance calls unconditional).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..data.captions import read_column
from ..jobs.cli import Slice, add_work_dir, parser, run
from ..jobs.pieces import in_pieces
from ..jobs.workdir import WorkDir, file_hash, fingerprint
from ..training.devices import own_device
from ..workflow.specs.latents import EncodeTextSpec
from .autoencoder import weights_hash
from .text_encoder import CaptionEncoder

BATCH = 64


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, EncodeTextSpec)
    arguments.add_argument("--captions", required=True, type=Path, help="captions of a split")
    arguments.add_argument("--out", required=True, type=Path, help="file of embeddings")
    add_work_dir(arguments)
    options = arguments.parse_args()
    spec: EncodeTextSpec = options.spec
    time_slice = Slice(options.max_seconds)
    captions = read_column(options.captions, "caption")
    encoder = CaptionEncoder(spec.text_encoder, own_device())

    def compute(rows: slice) -> dict[str, np.ndarray]:
        return {"text": encoder(captions[rows]).cpu().numpy().astype(np.float16)}

    content = fingerprint(spec, file_hash(options.captions), weights_hash(encoder.model))
    with WorkDir(options.work_dir, content) as work:
        pieces = in_pieces("encoding captions", len(captions), BATCH, compute, work, time_slice)
        empty = encoder([""])[0].cpu().numpy().astype(np.float16)
        pieces.finish(options.out, content, {"empty": empty})
    print(f"{len(captions)} captions of {empty.shape}")


if __name__ == "__main__":
    run(main)
