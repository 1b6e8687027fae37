"""Source `webdataset`: a folder of tar shards. Members with the same key are one sample.

A sample is `{key}.jpg` (or jpeg, png, webp) with its caption in `{key}.txt`, or under "caption" in
`{key}.json`. `index_shards` notes once where every member is. Any sample is then read by
its number, without unpacking. A crawl of millions has broken samples. The index leaves out samples
without an image or a caption. The next whole sample of the shard replaces one that is unreadable.
"""

from __future__ import annotations

import functools
import io
import json
import os
import tarfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ...jobs.arrays import map_array, read_header
from ...jobs.cli import InputError
from .records import Record, load_pixels, plain_text

IMAGES = ("jpg", "jpeg", "png", "webp")
CAPTIONS = ("txt", "json")
COLUMNS = ("image", "image_bytes", "caption", "caption_bytes", "is_json")
"""columns of an index's array `places`: offsets in the shard, sizes, kind of the caption"""
WINDOW = 16
"""number of shards whose samples are shuffled together, so that training reads few files at once"""
BLOCK = 512
"""bytes of a block of a tar archive"""


def shard_names(folder: Path) -> list[str]:
    """The shards of a folder, relative to it, in the order of the samples' numbers.

    Raises InputError if there is none.
    """
    if not folder.is_dir():
        raise InputError(f"data.path: {folder} is not a folder; name a folder of .tar files")
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.tar"))
    if not names:
        raise InputError(f"data.path: {folder} has no .tar files; put shards there")
    return names


def scan(path: Path) -> tuple[np.ndarray, int]:
    """Places of a shard's samples, int64 [n, 5], and how many have no image or no caption.

    Raises InputError if the archive is truncated or none.
    """
    groups: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(path, "r:") as archive, path.open("rb") as file:
            for member in archive:
                folder, _, name = member.name.rpartition("/")
                key, _, suffix = name.partition(".")
                if member.isfile():
                    found = groups.setdefault(f"{folder}/{key}", {})
                    found.setdefault(suffix.lower(), (member.offset_data, member.size))
            file.seek(archive.offset)
            if file.read(BLOCK) != bytes(BLOCK):  # which tarfile takes for the end, silently
                raise tarfile.ReadError("it has no end")
    except (tarfile.TarError, EOFError) as error:
        raise InputError(
            f"{path} is truncated or not a tar archive ({error}); fetch it again"
        ) from None
    rows = []
    for found in groups.values():
        image = next((found[kind] for kind in IMAGES if found.get(kind, (0, 0))[1]), None)
        kind = next((kind for kind in CAPTIONS if found.get(kind, (0, 0))[1]), None)
        if image and kind:
            rows.append((*image, *found[kind], kind == "json"))
    return np.array(rows, np.int64).reshape(-1, len(COLUMNS)), len(groups) - len(rows)


@dataclass(frozen=True)
class Index:
    """Where every sample lies. Sample `i` of shard `s` has number `starts[s] + i`."""

    shards: list[str]
    starts: np.ndarray
    """int64 [shards + 1]; the last is the number of samples"""
    places: np.ndarray
    """int64 [samples or more, 5], in the columns `COLUMNS`"""

    @classmethod
    def load(cls, path: Path) -> Index:
        """The index in a file that `index_shards` wrote. Raises InputError if it is unusable."""
        places, starts = map_array(path, "places"), map_array(path, "starts")
        names = json.loads(read_header(path)["__metadata__"]["shards"])
        return cls(names, np.array(starts), places)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def shard_of(self, number: int) -> int:
        """The shard of a sample."""
        return int(np.searchsorted(self.starts, number, side="right")) - 1


class Samples:
    """Reads samples of an index from the shards in `folder`; safe to share between threads."""

    def __init__(self, index: Index, folder: Path, size: int):
        self._index, self._folder, self._size = index, folder, size

    def whole(self, number: int) -> tuple[np.ndarray, str] | str:
        """Pixels (uint8 [3, S, S]) and caption of a sample, or why it cannot be decoded.

        Raises InputError if the shard is not the one that was indexed, OSError if it is missing.
        """
        shard = self._index.shard_of(number)
        name = self._index.shards[shard]
        image, image_bytes, caption, caption_bytes, is_json = self._index.places[number].tolist()
        with (self._folder / name).open("rb", buffering=0) as file:
            picture = os.pread(file.fileno(), image_bytes, image)
            text = os.pread(file.fileno(), caption_bytes, caption)
        if (len(picture), len(text)) != (image_bytes, caption_bytes):
            raise InputError(f"{self._folder / name} has changed since it was indexed; restore it")
        place = f"sample {number - self._index.starts[shard]} of {name}"
        try:
            words = " ".join(_caption(text, is_json, f"{place}: caption").split())
            record = Record("", words, place, partial(Image.open, io.BytesIO(picture)))
            return (
                (load_pixels(record, self._size), words) if words else f"{place}: caption is empty"
            )
        except MemoryError:
            raise
        except InputError as error:
            return str(error)
        except Exception as error:  # whatever bytes that are no image or no caption lead to
            return f"{place}: {type(error).__name__}: {error}"

    def read(self, number: int) -> tuple[np.ndarray, str]:
        """A sample, or the next whole one of its shard, which continues at the shard's start.

        Raises InputError if the shard has none.
        """
        shard = self._index.shard_of(number)
        begin, end = self._index.starts[shard : shard + 2].tolist()
        reasons = []
        for candidate in (*range(number, end), *range(begin, number)):
            sample = self.whole(candidate)
            if not isinstance(sample, str):
                return sample
            reasons.append(sample)
        raise no_whole_sample(self._index.shards[shard], reasons[0])


def _caption(text: bytes, is_json: bool, place: str) -> str:
    if not is_json:
        return text.decode()
    found = json.loads(text)
    if not isinstance(found, dict) or "caption" not in found:
        raise InputError(f'{place}: its JSON has no key "caption"')
    caption = found["caption"]
    if isinstance(caption, int | float):
        raise InputError(f"{place} is a number, not text")
    return plain_text(caption, place)


class StandIns:
    """Rows of the encoded samples by sample number, chosen as `Samples.read` does."""

    def __init__(self, index: Index, kept: np.ndarray):
        """`kept` has the numbers of the encoded samples, ascending; row i is that of kept[i]."""
        self._index, self._kept = index, kept
        self._starts = np.searchsorted(kept, index.starts)
        for name, rows, samples in zip(
            index.shards, np.diff(self._starts), np.diff(index.starts), strict=True
        ):
            if samples and not rows:
                raise no_whole_sample(name, "the logs of rule encode_part say why")

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """The row of each sample, or of its replacement if it was not encoded."""
        shards = np.searchsorted(self._index.starts, numbers, side="right") - 1
        rows = np.searchsorted(self._kept, numbers)
        return np.where(rows < self._starts[shards + 1], rows, self._starts[shards])


def no_whole_sample(shard: str, reason: str) -> InputError:
    """The error of a shard in which nothing can be decoded."""
    return InputError(
        f"data.path: no sample of shard {shard} can be decoded ({reason}); mend the shard or remove"
        " it"
    )


class WindowedOrder:
    """The order of training: shards are shuffled every epoch, then samples within some shards.

    A pure function of (seed, position), as `seeds.order`. Training reads few files at a time. Every
    sample appears once in an epoch.
    """

    def __init__(self, starts: np.ndarray, window: int = WINDOW):
        self._starts, self._width = np.asarray(starts), window
        self.count = int(self._starts[-1])
        self._epoch = functools.lru_cache(maxsize=2)(self._shuffled_shards)
        self._window = functools.lru_cache(maxsize=4)(self._shuffled_samples)

    def __call__(self, seed: int, start: int, length: int) -> np.ndarray:
        """Sample numbers of positions start to start + length."""
        result, position = [], start
        while position < start + length:
            epoch, within = divmod(position, self.count)
            ends = self._epoch(seed, epoch)[1]
            window = int(np.searchsorted(ends, within, side="right"))
            samples = self._window(seed, epoch, window)
            first = within - (int(ends[window]) - len(samples))
            result.append(samples[first : first + start + length - position])
            position += len(result[-1])
        return np.concatenate(result) if result else np.empty(0, np.int64)

    def _shuffled_shards(self, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The shards in the epoch's order, and the positions at which its windows end."""
        sizes = np.diff(self._starts)
        shards = np.random.default_rng((seed, epoch)).permutation(np.flatnonzero(sizes))
        ends = np.cumsum(sizes[shards])
        last = np.arange(len(shards)) % self._width == self._width - 1
        last[-1] = True
        return shards, ends[last]

    def _shuffled_samples(self, seed: int, epoch: int, window: int) -> np.ndarray:
        shards = self._epoch(seed, epoch)[0][window * self._width : (window + 1) * self._width]
        numbers = [np.arange(*self._starts[shard : shard + 2]) for shard in shards]
        return np.random.default_rng((seed, epoch, window + 1)).permutation(np.concatenate(numbers))
