"""Models and data sets of the hub, from a small hub with tiny networks in their real formats."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time

import httpx2
import numpy as np
import pytest
import torch
from checkpoints import save_autoencoder, save_clip
from diffusers import AutoencoderKL
from servers import Hub, answer, serving
from transformers import CLIPModel

from ldm_scaling.data import fetch_hub, tries
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.latents.autoencoder import encode, load
from ldm_scaling.latents.text_encoder import CaptionEncoder
from ldm_scaling.study.hub import MARKER, hub_id, local_folder
from ldm_scaling.study.latents import TextEncoder

REVISION = "0123456789abcdef" * 2 + "01234567"
NAME = "org/tiny"
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Downloads go below a folder of the test's own, and no cache of this machine is used."""
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))


@pytest.fixture
def pauses(monkeypatch):
    """The pauses of this test's own process, in no time."""
    taken = []
    monkeypatch.setattr(tries.time, "sleep", taken.append)
    return taken


def run(url: str, *options: str, name: str = NAME, kind: str = "models"):
    """The command, in a process of its own: the hub's address is read when it is imported."""
    command = [sys.executable, "-m", "ldm_scaling.data.fetch_hub", "--kind", kind, "--id", name]
    command += ["--revision", REVISION, *options]
    environment = os.environ | {"HF_ENDPOINT": url}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def clip(tmp_path) -> Hub:
    folder = tmp_path / "remote"
    save_clip(folder)
    for duplicate in (
        "pytorch_model.bin",
        "model.fp16.safetensors",
        "onnx/model.onnx",
        "README.md",
    ):
        (folder / duplicate).parent.mkdir(exist_ok=True)
        (folder / duplicate).write_bytes(b"x" * 1000)
    return Hub("models", NAME, REVISION, folder)


@pytest.fixture
def autoencoder(tmp_path) -> Hub:
    save_autoencoder(tmp_path / "remote")
    return Hub("models", NAME, REVISION, tmp_path / "remote")


@pytest.fixture
def shards(tmp_path) -> Hub:
    folder = tmp_path / "remote"
    folder.mkdir()
    for number in range(20):
        with tarfile.open(folder / f"train-{number:04d}.tar", "w") as archive:
            info = tarfile.TarInfo("caption.txt")
            info.size = 4
            archive.addfile(info, io.BytesIO(b"wolf"))
    (folder / "README.md").write_text("words")
    return Hub("datasets", NAME, REVISION, folder)


def names(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def nothing_under_the_final_name(kind: str = "models"):
    folder = local_folder(NAME, REVISION, kind)
    assert not folder.exists()
    return folder


# ---------------------------------------------------------------- what comes


def test_a_text_encoder_gives_the_same_embeddings_offline(clip, monkeypatch):
    with serving(clip.get, clip.file) as url:
        done = run(url)
    assert done.returncode == 0, done.stderr
    folder = local_folder(NAME, REVISION)
    files = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", MARKER}
    assert names(folder) == files
    assert [path.name for path in folder.parent.iterdir()] == [REVISION]
    spec = TextEncoder(pretrained=NAME, revision=REVISION, max_tokens=8, width=16)
    tokens = torch.tensor([[4, 5, 0, 0, 0, 0, 0, 0]])
    model = CLIPModel.from_pretrained(clip.folder).text_model
    torch.testing.assert_close(CaptionEncoder(spec)(["a wolf"]), model(tokens).last_hidden_state)


def test_an_autoencoder_gives_the_same_latents_offline(autoencoder):
    with serving(autoencoder.get, autoencoder.file) as url:
        done = run(url)
    assert done.returncode == 0, done.stderr
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 16), dtype=np.uint8)
    pixels = torch.from_numpy(images).float() / 127.5 - 1
    original = AutoencoderKL.from_pretrained(autoencoder.folder)
    expected = original.encode(pixels).latent_dist.mode() * 0.18215
    torch.testing.assert_close(encode(load(NAME, REVISION), images), expected)


def test_the_marker_lists_what_came(autoencoder):
    with serving(autoencoder.get, autoencoder.file) as url:
        run(url)
    folder = local_folder(NAME, REVISION)
    written = json.loads((folder / MARKER).read_text())
    assert {key: written[key] for key in ("id", "kind", "revision")} == {
        "id": NAME,
        "kind": "models",
        "revision": REVISION,
    }
    for entry in written["files"]:
        content = (folder / entry["path"]).read_bytes()
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    assert {entry["path"] for entry in written["files"]} == {"config.json", WEIGHTS}


def test_a_data_set_is_its_shards(shards):
    with serving(shards.get, shards.file) as url:
        done = run(url, kind="datasets")
    assert done.returncode == 0, done.stderr
    folder = local_folder(NAME, REVISION, "datasets")
    assert names(folder) == {f"train-{number:04d}.tar" for number in range(20)} | {MARKER}


def test_only_what_is_asked_for(shards):
    with serving(shards.get, shards.file) as url:
        run(url, "--include", "*-000[12].tar", "*.md", kind="datasets")
    found = names(local_folder(NAME, REVISION, "datasets"))
    assert found == {"train-0001.tar", "train-0002.tar", "README.md", MARKER}


def test_what_is_complete_is_not_asked_for_again(autoencoder):
    with serving(autoencoder.get, autoencoder.file) as url:
        run(url)
    done = run("http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert "is complete" in done.stdout


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["config.json", "model.safetensors", "pytorch_model.bin"], [0, 1]),
        (["config.json", "pytorch_model.bin", "flax_model.msgpack", "tf_model.h5"], [0, 1]),
        (["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], [0, 1]),
        (["diffusion_pytorch_model.bin", "diffusion_pytorch_model.safetensors"], [1]),
        (["open_clip_model.safetensors", "model.safetensors", "vae/model.safetensors"], [1]),
        (["merges.txt", "spiece.model", "model.safetensors", "a.ckpt", "README.md"], [0, 1, 2]),
        (["config.json", "README.md"], []),
    ],
)
def test_the_files_of_a_model(files, chosen):
    assert fetch_hub.wanted(files, []) == [files[index] for index in chosen]


def test_the_id_of_a_folder():
    assert hub_id(local_folder("org/a-b.c_d", REVISION).parent.name) == "org/a-b.c_d"


# ---------------------------------------------------------------- what is refused


def test_a_tampered_file_is_refused(autoencoder):
    right = (autoencoder.folder / WEIGHTS).read_bytes()
    autoencoder.content[WEIGHTS] = right[:-1] + b"!"
    with serving(autoencoder.get, autoencoder.file) as url:
        done = run(url)
        assert done.returncode == 2
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert f"{WEIGHTS} of {NAME} at {REVISION} came with hash" in line
        assert hashlib.sha256(right).hexdigest() in line
        nothing_under_the_final_name()
        autoencoder.content.clear()
        assert run(url).returncode == 0
    assert autoencoder.asked.count(WEIGHTS) == 2
    assert autoencoder.asked.count("config.json") == 1  # it was right


def test_a_tampered_small_file_is_refused(clip):
    right = (clip.folder / "config.json").read_bytes()
    assert b'"projection_dim": 8' in right
    (clip.folder / "tokenizer_config.json").write_text('{"model_max_length": 8}')  # below 200 bytes
    clip.content["tokenizer_config.json"] = b'{"model_max_length": 9}'
    with serving(clip.get, clip.file) as url:
        done = run(url)
    assert "tokenizer_config.json of org/tiny" in done.stderr
    assert done.returncode == 2
    nothing_under_the_final_name()


def test_no_weights_no_model(tmp_path):
    (tmp_path / "remote").mkdir()
    (tmp_path / "remote" / "config.json").write_text("{}")
    hub = Hub("models", NAME, REVISION, tmp_path / "remote")
    with serving(hub.get, hub.file) as url:
        done = run(url)
    assert done.returncode == 2
    assert f"error: {NAME} at {REVISION} has no weights; it has config.json" in done.stderr


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("RevisionNotFound", f"{NAME} has no revision {REVISION} on the hub"),
        ("RepoNotFound", f"{NAME} is not on the hub, or it asks for a login"),
        ("GatedRepo", f"{NAME} is not on the hub, or it asks for a login"),
    ],
)
def test_what_the_hub_does_not_have_is_one_line(code, expected):
    status = 403 if code == "GatedRepo" else 404

    def get(handler):
        answer(handler, b"{}", status, {"X-Error-Code": code, "X-Error-Message": "no"})

    with serving(get, get) as url:
        done = run(url)
    assert done.returncode == 2
    assert f"error: {expected}" in done.stderr
    assert "Traceback" not in done.stderr
    nothing_under_the_final_name()


def test_offline_is_said(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = run("http://127.0.0.1:9")
    assert done.returncode == 2
    assert "error: HF_HUB_OFFLINE is set" in done.stderr


def test_a_branch_is_no_revision():
    command = [sys.executable, "-m", "ldm_scaling.data.fetch_hub", "--id", NAME]
    command += ["--revision", "main"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "error: --revision: main is not a full commit" in done.stderr


@pytest.mark.parametrize("kind", [httpx2.ConnectError, ConnectionError, RuntimeError])
def test_a_hub_out_of_reach_is_tried_again_and_then_one_line(pauses, kind):
    def call():
        raise kind("nobody\nlistens")

    with pytest.raises(InputError) as caught:
        fetch_hub._asked(NAME, REVISION, call)
    message = str(caught.value)
    assert f"{NAME} at {REVISION} could not be fetched (nobody listens)" in message
    assert "or copy resources/hub from another machine" in message
    assert pauses == list(tries.PAUSES)


def test_a_full_disk_is_not_the_networks_fault(pauses):
    def call():
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fetch_hub._asked(NAME, REVISION, call)
    assert pauses == []


# ---------------------------------------------------------------- interruption


def test_a_file_that_is_cut_off_comes_whole(autoencoder):
    autoencoder.failures[WEIGHTS] = 1
    with serving(autoencoder.get, autoencoder.file) as url:
        done = run(url)
    assert done.returncode == 0, done.stderr
    load(NAME, REVISION)


def test_a_killed_download_leaves_nothing_and_continues(shards):
    last, goes_on = "train-0019.tar", threading.Event()

    def get(handler):
        if handler.path.endswith(last) and not goes_on.is_set():
            goes_on.wait()
        shards.get(handler)

    with serving(get, shards.file) as url:
        command = [sys.executable, "-m", "ldm_scaling.data.fetch_hub", "--kind", "datasets"]
        command += ["--id", NAME, "--revision", REVISION]
        environment = os.environ | {"HF_ENDPOINT": url}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        partial = local_folder(NAME, REVISION, "datasets").with_name(f"partial-{REVISION}")
        while len(list(partial.glob("*.tar"))) < 19:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        folder = nothing_under_the_final_name("datasets")
        goes_on.set()
        shards.asked.clear()
        done = run(url, kind="datasets")
    assert done.returncode == 0, done.stderr
    assert last in shards.asked
    assert len(shards.asked) <= 2, "the request of the killed process, and one"
    assert len(names(folder)) == 21


def test_a_folder_without_its_marker_is_checked_and_completed(autoencoder):
    with serving(autoencoder.get, autoencoder.file) as url:
        run(url)
        folder = local_folder(NAME, REVISION)
        (folder / MARKER).unlink()
        (folder / "config.json").write_text("{}")
        autoencoder.asked.clear()
        done = run(url)
    assert done.returncode == 0, done.stderr
    assert WEIGHTS not in autoencoder.asked
    assert (folder / "config.json").read_bytes() == (
        autoencoder.folder / "config.json"
    ).read_bytes()


def test_what_is_not_downloaded_is_one_line_with_the_target():
    spec = TextEncoder(pretrained=NAME, revision=REVISION, max_tokens=8, width=16)
    local_folder(NAME, REVISION).mkdir(parents=True)  # a folder without its marker does not count
    remedy = (
        "is not in resources/hub; run: snakemake --cores 1 prefetch (with the study's --configfile)"
    )
    for network, call in (
        ("text encoder", lambda: CaptionEncoder(spec)),
        ("latents.autoencoder", lambda: load(NAME, REVISION)),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert str(caught.value) == f"{network} {NAME}: revision {REVISION} {remedy}"
