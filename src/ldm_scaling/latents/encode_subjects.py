"""Turn subjects' images into latents, and the prompts that name them into embeddings.

There are N images, K subjects and T prompts. Writes `latents` (float32, [N, C, h, w]) and `subject`
(int64, [N]). Embeddings are float16, [..., max_tokens, D]: `instance` [K] of the subject's own
prompt, `class` [K] of the same prompt without the token, `prompts` [K, T], and `empty` of the empty
caption. `sentences` (float32, [K, T, D]) has one embedding of each prompt without the token.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np

from ..data.captions import read_column
from ..jobs.arrays import fingerprint_of, map_array, write_arrays
from ..jobs.cli import InputError
from ..jobs.command import command
from ..jobs.workdir import file_hash, fingerprint
from ..study.dreambooth import INSTANCE, PLACE
from ..training.devices import own_device, to_encode
from ..workflow.specs.dreambooth import EncodeSubjectsSpec
from .autoencoder import encode, load, weights_hash
from .encode_images import check_latents
from .text_encoder import CaptionEncoder


def check_token(encoder: CaptionEncoder, token: str) -> None:
    """Raise InputError unless the token is one piece of the encoder's vocabulary."""
    pieces = encoder.tokenizer.tokenize(token)
    if len(pieces) != 1 or encoder.tokenizer.unk_token in pieces:
        raise InputError(
            f"dreambooth.token: the text encoder reads {token} as {' '.join(pieces)}; choose a rare"
            " word that is one piece of its vocabulary"
        )


def texts(nouns: list[str], token: str, prompts: list[str]) -> dict[str, list[str]]:
    """The texts of each class: `instance`, `class`, and all `prompts` in turn."""
    named = [f"{token} {noun}" for noun in nouns]
    return {
        "instance": [INSTANCE.replace(PLACE, name) for name in named],
        "class": [INSTANCE.replace(PLACE, noun) for noun in nouns],
        "prompts": [prompt.replace(PLACE, name) for name in named for prompt in prompts],
    }


def without_token(nouns: list[str], prompts: list[str]) -> list[str]:
    """The prompts of each class in turn, with the class alone."""
    return [prompt.replace(PLACE, noun) for noun in nouns for prompt in prompts]


@command
def main(
    spec: EncodeSubjectsSpec,
    images: Annotated[Path, "subjects.safetensors"],
    table: Annotated[Path, "subjects.csv"],
    out: Annotated[Path, "file of latents and embeddings"],
) -> None:
    device = own_device()
    encoder = CaptionEncoder(spec.text.text_encoder, device)
    check_token(encoder, spec.token)
    autoencoder = load(spec.images.autoencoder, spec.images.revision)
    networks = (weights_hash(autoencoder), weights_hash(encoder.model))
    autoencoder = to_encode(autoencoder, device)
    pixels = map_array(images, "images")
    check_latents(autoencoder, spec.images, pixels[:1])
    nouns = read_column(table, "class")
    captions = texts(nouns, spec.token, spec.prompts)
    sentences = encoder.sentences(without_token(nouns, spec.prompts))  # a metric's, in float32
    encoder.to_encode(device)
    shape = (len(nouns), len(spec.prompts), -1)
    embedded = {
        name: encoder(captions[name]).cpu().numpy().astype(np.float16)
        for name in ("instance", "class", "prompts")
    }
    embedded["prompts"] = embedded["prompts"].reshape(*shape[:2], *embedded["prompts"].shape[1:])
    arrays = {
        "latents": encode(autoencoder, pixels).cpu().numpy(),
        "subject": np.array(map_array(images, "subject")),
        **embedded,
        "empty": encoder([""])[0].cpu().numpy().astype(np.float16),
        "sentences": sentences.cpu().numpy().reshape(shape),
    }
    sources = (fingerprint_of(images), file_hash(table))
    write_arrays(out, arrays, fingerprint(spec, *sources, *networks))
    print(f"{len(pixels)} images of {len(nouns)} subjects, {len(captions['prompts'])} prompts")
