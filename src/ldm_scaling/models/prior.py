"""Sample images of the subjects' classes from a pretrained model: what finetuning is to preserve.

They stay latents: `latents` (float32, [K * P, C, h, w]), P of each of K subjects in turn. Each has
noise of its own, which no cell and no score has.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..diffusion.sampling import make_solver, sample_latents
from ..jobs.arrays import fingerprint_of, map_array
from ..jobs.cli import InputError, Slice, add_batch, add_gpus, add_work_dir, parser, run
from ..jobs.pieces import in_pieces
from ..jobs.seeds import Stream, row_generators
from ..jobs.workdir import WorkDir, fingerprint
from ..latents.autoencoder import weights_hash
from ..training.devices import check_gpus, in_precision, own_device, precision
from ..workflow.specs.dreambooth import PriorSpec
from .denoiser import Denoiser, input_shape, load

BATCH = 64


def sample_prior(
    network: Denoiser, spec: PriorSpec, text: torch.Tensor, empty: torch.Tensor, rows: range
) -> np.ndarray:
    """Latents [len(rows), C, h, w] of the classes, of embeddings [K, L, D], at rows of K * P.

    Raises InputError if they are not finite.
    """
    generators = row_generators(Stream.PRIOR, spec.seed, rows)
    noise = torch.stack(
        [torch.randn(input_shape(network), generator=generator) for generator in generators]
    )
    latents = sample_latents(
        network,
        make_solver(spec.setting, spec.diffusion, network.device),
        noise.to(network.device),
        text[[row // spec.images for row in rows]],
        empty,
        spec.setting.guidance,
        list(row_generators(Stream.PRIOR_STEPS, spec.seed, rows)),
    )
    if not latents.isfinite().all():
        raise InputError(
            f"the pretrained {spec.size} gives no finite images of the subjects' classes; change"
            " sampling.fixed, or leave it out of dreambooth.sizes"
        )
    return latents.float().cpu().numpy()


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, PriorSpec)
    arguments.add_argument("--model", required=True, type=Path, help="folder of the model")
    arguments.add_argument("--subjects", required=True, type=Path, help="encoded subjects")
    arguments.add_argument("--out", required=True, type=Path, help="file of latents")
    add_gpus(arguments)
    add_batch(arguments, BATCH)
    add_work_dir(arguments)
    options = arguments.parse_args()
    spec: PriorSpec = options.spec
    time_slice = Slice(options.max_seconds)
    check_gpus(options.gpus)
    network = load(options.model).to(own_device())
    content = fingerprint(spec, weights_hash(network), fingerprint_of(options.subjects))
    network = in_precision(network.to(memory_format=torch.channels_last), precision())
    text, empty = (
        torch.from_numpy(np.array(map_array(options.subjects, name))).to(network.device).float()
        for name in ("class", "empty")
    )

    def compute(rows: slice) -> dict[str, np.ndarray]:
        return {"latents": sample_prior(network, spec, text, empty, range(rows.start, rows.stop))}

    with WorkDir(options.work_dir, content) as work:
        total = len(text) * spec.images
        pieces = in_pieces("class images", total, options.batch, compute, work, time_slice)
        pieces.finish(options.out, content)


if __name__ == "__main__":
    run(main)
