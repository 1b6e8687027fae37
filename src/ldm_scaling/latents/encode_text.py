"""Turn a split's captions into token embeddings, once.

Writes `text` (float16, [N, max_tokens, D]) and `empty` (float16, [max_tokens, D]: the embedding of
the empty caption, which guidance calls unconditional).
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch

from ..cli import InputError, Slice, add_work_dir, parser, run
from ..shards import write_arrays
from ..study import EncodeTextSpec
from ..workdir import WorkDir, file_hash, fingerprint
from .pieces import rows_in_pieces
from .text_encoder import CaptionEncoder

BATCH = 64


def read_captions(path: Path) -> list[str]:
    """The captions of a split, in its order. Raises InputError if the file is unusable."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [row["caption"] for row in csv.DictReader(file)]
    except (OSError, KeyError, csv.Error) as error:
        raise InputError(f"{path} has no captions ({error}); delete it and run again") from None


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, EncodeTextSpec)
    arguments.add_argument("--captions", required=True, type=Path, help="captions of a split")
    arguments.add_argument("--out", required=True, type=Path, help="file of embeddings")
    add_work_dir(arguments)
    options = arguments.parse_args()
    spec: EncodeTextSpec = options.spec
    time_slice = Slice(options.max_seconds)
    captions = read_captions(options.captions)
    encoder = CaptionEncoder(spec.text_encoder, "cuda" if torch.cuda.is_available() else "cpu")

    def compute(rows: slice) -> np.ndarray:
        return encoder(captions[rows]).cpu().numpy().astype(np.float16)

    content = fingerprint(spec, file_hash(options.captions))
    with WorkDir(options.work_dir, content) as work:
        text = rows_in_pieces("encoding captions", len(captions), BATCH, compute, work, time_slice)
        empty = encoder([""])[0].cpu().numpy().astype(np.float16)
        write_arrays(options.out, {"text": text, "empty": empty}, content)
    print(f"{len(text)} captions of {text.shape[1:]}")


if __name__ == "__main__":
    run(main)
