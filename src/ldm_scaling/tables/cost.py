"""Parameters and FLOPs of every size, counted on the network itself without its weights."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import torch

from ..cli import parser, run
from ..models.family import build_unet, count_gflops, count_params
from ..shards import map_array
from ..specs import CostSpec
from ..study import channels
from ..workdir import write_text


def family_table(
    spec: CostSpec, latent_shape: tuple[int, int, int], text_shape: tuple[int, int]
) -> list[dict]:
    """One row a size: size, channels, params, gflops (one forward, one image), normalized_cost.

    `latent_shape` is [C, h, w], `text_shape` is [tokens, width].
    """
    rows = []
    for size in sorted(spec.family.sizes, key=channels):
        with torch.device("meta"):
            unet = build_unet(spec.family, size, latent_shape, text_shape[1])
        gflops = count_gflops(unet, text_shape[0])
        rows.append(
            {
                "size": size,
                "channels": channels(size),
                "params": count_params(unet),
                "gflops": gflops,
            }
        )
    reference = next(r["gflops"] for r in rows if r["size"] == spec.family.reference_size)
    return [
        row
        | {"gflops": f"{row['gflops']:.6g}", "normalized_cost": f"{row['gflops'] / reference:.6g}"}
        for row in rows
    ]


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, CostSpec)
    arguments.add_argument("--latents", required=True, type=Path, help="latents, for their shape")
    arguments.add_argument("--text", required=True, type=Path, help="embeddings, for their shape")
    arguments.add_argument("--out", required=True, type=Path, help="family.csv")
    options = arguments.parse_args()
    latents, text = map_array(options.latents, "latents"), map_array(options.text, "text")
    rows = family_table(options.spec, latents.shape[1:], text.shape[1:])
    table = io.StringIO()
    writer = csv.DictWriter(table, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(options.out, table.getvalue())


if __name__ == "__main__":
    run(main)
