"""Turn one part of an index's samples into latents and text embeddings, once.

Writes `latents` (float16 [N, C, h, w], scaled to about unit variance), `text` (float16 [N,
max_tokens, D]), `kept` (int64 [N]: the numbers of the samples in the index; those that cannot be
decoded are missing), `checksum` (int64 [N]: of pixels and caption) and `empty` (float16
[max_tokens, D]: the embedding of the empty caption).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated
from zlib import crc32

import numpy as np
import torch

from ..data.read_ahead import ReadAhead
from ..data.sources.webdataset import Index, Samples
from ..jobs.arrays import fingerprint_of
from ..jobs.cli import InputError, Slice
from ..jobs.command import Resumable, command
from ..jobs.pieces import in_pieces
from ..jobs.workdir import WorkDir, fingerprint
from ..training.devices import own_device, to_encode
from ..workflow.specs.latents import EncodePartSpec, EncodingSpec
from .autoencoder import encode, load, weights_hash
from .encode_images import check_latents

BATCH = 32


def reading_threads() -> int:
    """Number of threads that read images: this process's share of the job's threads."""
    return max(1, torch.get_num_threads() // int(os.environ.get("WORLD_SIZE", 1)))


class PairEncoder:
    """Encodes images and captions with the frozen networks of a spec; results are float16.

    It starts on the processor.
    """

    def __init__(self, spec: EncodingSpec):
        # of transformers, seconds that trainings on cached pairs need not pay
        from .text_encoder import CaptionEncoder

        self.autoencoder = load(spec.images.autoencoder, spec.images.revision)
        self.text = CaptionEncoder(spec.text.text_encoder)
        side = spec.image_size
        check_latents(self.autoencoder, spec.images, np.zeros((1, 3, side, side), np.uint8))
        side //= spec.images.downsampling
        self.latent_shape = (spec.images.latent_channels, side, side)
        self.text_shape = (self.text.max_tokens, spec.text.text_encoder.width)

    def to(self, device: torch.device) -> None:
        """Move the networks; their weights get the device's precision."""
        self.autoencoder = to_encode(self.autoencoder, device)
        self.text.to_encode(device)

    def weights(self) -> str:
        """A hash of both networks, before they are moved: the same for every device."""
        return fingerprint(weights_hash(self.autoencoder), weights_hash(self.text.model))

    def images(self, images: np.ndarray) -> torch.Tensor:
        """Latents [B, C, h, w] of uint8 images [B, 3, S, S]."""
        return encode(self.autoencoder, images).half()

    def captions(self, captions: list[str]) -> torch.Tensor:
        """Embeddings [B, max_tokens, D]."""
        return self.text(captions).half()


def part_of(count: int, part: int, parts: int) -> range:
    """Sample numbers of one of `parts` consecutive parts, whose sizes differ by at most one.

    Raises InputError if there are fewer samples than parts.
    """
    if parts > count:
        raise InputError(f"latents.parts: {parts} jobs are more than the {count} samples; lower it")
    return range(count * part // parts, count * (part + 1) // parts)


@command
def main(
    spec: EncodePartSpec,
    index: Annotated[Path, "index of the shards"],
    shards: Annotated[Path, "folder of tar shards"],
    out: Annotated[Path, "file of latents and text"],
    job: Resumable,
) -> None:
    time_slice = Slice(job.max_seconds)
    listed = Index.load(index)
    numbers = part_of(len(listed), spec.part, spec.parts)
    samples = Samples(listed, shards, spec.encoding.image_size)
    encoder = PairEncoder(spec.encoding)
    weights = encoder.weights()
    encoder.to(own_device())
    reader = ReadAhead(samples.whole, reading_threads())
    announced, reasons = 0, []

    def compute(rows: slice) -> dict[str, np.ndarray]:
        nonlocal announced
        ahead = min(rows.stop + BATCH, len(numbers))
        reader.announce(numbers[max(announced, rows.start) : ahead])
        announced = ahead
        own = numbers[rows]
        found = dict(zip(own, reader(own), strict=True))
        if not reasons:
            reasons.extend(sample for sample in found.values() if isinstance(sample, str))
        whole = [(n, *sample) for n, sample in found.items() if not isinstance(sample, str)]
        if not whole:
            return {
                "latents": np.empty((0, *encoder.latent_shape), np.float16),
                "text": np.empty((0, *encoder.text_shape), np.float16),
                "kept": np.empty(0, np.int64),
                "checksum": np.empty(0, np.int64),
            }
        kept, pixels, captions = zip(*whole, strict=True)
        return {
            "latents": encoder.images(np.stack(pixels)).cpu().numpy(),
            "text": encoder.captions(list(captions)).cpu().numpy(),
            "kept": np.array(kept, np.int64),
            "checksum": np.array(
                [crc32(caption.encode(), crc32(image.tobytes())) for _, image, caption in whole]
            ),
        }

    source = fingerprint_of(index)
    with WorkDir(job.work_dir, fingerprint(spec, source, weights, "checksum")) as work:
        pieces = in_pieces("encoding samples", len(numbers), BATCH, compute, work, time_slice)
        kept = pieces.rows("kept")
        first = f" ({reasons[0]})" if reasons else ""
        if not len(kept):
            raise InputError(
                f"data.path: none of {len(numbers)} samples can be decoded{first}; mend the shards"
            )
        whole = {"empty": encoder.captions([""])[0].cpu().numpy()}
        notes = {"index": source, "part": f"{spec.part} of {spec.parts}"}
        # what the samples are decides whether models are trained anew, not when shards were copied
        samples = crc32(pieces.rows("checksum").data, crc32(kept.data))
        pieces.finish(out, fingerprint(spec, weights, samples), whole, **notes)
    print(
        f"{len(kept)} samples; {len(numbers) - len(kept)} cannot be decoded and are left out{first}"
    )
