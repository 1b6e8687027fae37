"""The pairs that training reads: latents and text embeddings, cached or encoded while training.

Every kind has `count`, `latent_shape`, `text_width`, `empty` (the embedding of the empty caption,
float32 [max_tokens, D]), an `order` of image numbers, and `read`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..data.read_ahead import ReadAhead
from ..data.sources.webdataset import Index, Samples, StandIns, WindowedOrder
from ..jobs.arrays import ConcatenatedRows, fingerprint_of, map_array, read_header
from ..jobs.cli import InputError, batches
from ..jobs.seeds import order
from ..workflow.specs.latents import EncodingSpec
from .encode_part import BATCH, PairEncoder, reading_threads

Rows = np.ndarray | ConcatenatedRows


class PackedPairs:
    """Cached pairs of a packed split."""

    def __init__(self, latents: Rows, text: Rows, empty: np.ndarray):
        self.count = len(latents)
        self.latent_shape: tuple[int, int, int] = tuple(latents.shape[1:])
        self.text_width: int = text.shape[-1]
        self.empty = torch.from_numpy(np.array(empty)).float()
        self._latents, self._text = latents, text

    def order(self, seed: int, start: int, length: int) -> np.ndarray:
        """Image numbers of positions start to start + length."""
        return order(self.count, seed, start, length)

    def announce(self, numbers: np.ndarray) -> None:
        """Do nothing: rows of a memory map are read fast enough when they are needed."""

    def read(self, numbers: np.ndarray, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [B, C, h, w] and embeddings [B, max_tokens, D] of these images, float32."""
        text = torch.from_numpy(np.array(self._text[numbers]))
        return self.latents(numbers, device), text.to(device).float()

    def latents(self, numbers: np.ndarray, device: torch.device) -> torch.Tensor:
        """Latents [B, C, h, w] alone."""
        return torch.from_numpy(np.array(self._latents[numbers])).to(device).float()


class ShardedPairs(PackedPairs):
    """Cached pairs of tar shards, in the parts in which they were encoded."""

    def __init__(self, index: Index, parts: Sequence[Path]):
        """Raises InputError if a shard has no sample that was encoded."""
        latents, text, kept = (
            ConcatenatedRows([map_array(path, name) for path in parts])
            for name in ("latents", "text", "kept")
        )
        super().__init__(latents, text, map_array(parts[0], "empty"))
        self._stand_ins = StandIns(index, kept[np.arange(len(kept))])
        self.count, self._order = len(index), WindowedOrder(index.starts)

    def order(self, seed: int, start: int, length: int) -> np.ndarray:
        """Sample numbers of positions start to start + length."""
        return self._order(seed, start, length)

    def read(self, numbers: np.ndarray, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """As PackedPairs.read; the next whole sample replaces one that is unreadable."""
        return super().read(self._stand_ins.rows(numbers), device)


class StreamedPairs:
    """Pairs of tar shards that threads read in advance, and that are encoded when they are needed.

    Order and values are those of `ShardedPairs`, up to the networks' rounding in other batches.
    """

    def __init__(self, index: Index, folder: Path, spec: EncodingSpec):
        self._encoder = PairEncoder(spec)
        self._reader = ReadAhead(Samples(index, folder, spec.image_size).read, reading_threads())
        self.count, self.order = len(index), WindowedOrder(index.starts)
        self.latent_shape, self.text_width = (
            self._encoder.latent_shape,
            spec.text.text_encoder.width,
        )
        self.empty = self._encoder.captions([""])[0].float()
        self.announce = self._reader.announce

    def weights(self) -> str:
        """A hash of the networks that encode."""
        return self._encoder.weights()

    def read(self, numbers: np.ndarray, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [B, C, h, w] and embeddings [B, max_tokens, D] of these samples, float32."""
        self._encoder.to(device)
        pixels, captions = zip(*self._reader(numbers.tolist()), strict=True)
        latents, text = [], []
        with torch.autocast(device.type, enabled=False):  # as a cache is encoded
            for rows in batches(len(numbers), BATCH):  # what a GPU holds beside the U-Net
                latents.append(self._encoder.images(np.stack(pixels[rows])))
                text.append(self._encoder.captions(list(captions[rows])))
        return torch.cat(latents).float(), torch.cat(text).float()


Pairs = PackedPairs | StreamedPairs


def open_pairs(
    latents: Sequence[Path],
    text: Sequence[Path],
    index: Path | None,
    shards: Path | None,
    encoding: EncodingSpec | None,
) -> tuple[Pairs, list[str]]:
    """The pairs in a command's files, and the fingerprints of what decides them.

    Cached pairs are a file of latents and one of text, or an index and the parts of both. Streamed
    pairs are an index, its shards and an encoding. Raises InputError if the files do not fit.
    """
    if encoding is not None:
        if index is None or shards is None or latents or text:
            raise InputError("--index, --shards: the spec says to encode samples while training")
        streamed = StreamedPairs(Index.load(index), shards, encoding)
        return streamed, [fingerprint_of(index), streamed.weights()]
    if not latents or not text or shards is not None:
        raise InputError("--latents, --text: both are needed, without --shards")
    files = [fingerprint_of(path) for path in (*latents, *text)]
    if index is not None:
        _check_parts(index, latents, text)
        return ShardedPairs(Index.load(index), latents), files
    if len(latents) + len(text) > 2:
        raise InputError("--index: several files of latents need the index that they are parts of")
    empty = map_array(text[0], "empty")
    return PackedPairs(map_array(latents[0], "latents"), map_array(text[0], "text"), empty), files


def _check_parts(index: Path, latents: Sequence[Path], text: Sequence[Path]) -> None:
    if list(latents) != list(text):
        raise InputError("--text: with --index, name the files of --latents, in their order")
    source = fingerprint_of(index)
    for number, path in enumerate(latents):
        notes = read_header(path).get("__metadata__", {})
        wanted = {"index": source, "part": f"{number} of {len(latents)}"}
        if {name: notes.get(name) for name in wanted} != wanted:
            raise InputError(
                f"{path} is not part {number} of {len(latents)} of {index}; delete it and run again"
            )
