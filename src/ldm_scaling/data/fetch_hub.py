"""Download a model or data set of the hub at a commit, and check every file against the hub's hash.

For a model: its configuration, tokenizer and weights at the top; weights as safetensors where there
are any. For a data set: its tar shards. Files gather in `partial-REVISION` beside the final folder.
The same command continues with the files that are missing. The folder gets its name when all are
there and right, with prefetched.json, which lists them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import httpx2
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import disable_progress_bars

from ..jobs.cli import InputError, Progress
from ..jobs.command import command
from ..jobs.workdir import hold_lock, write_json
from ..study.hub import MARKER, RESOURCES, Kind, local_folder
from .tries import Failure, persist

WORKERS = 8
"""number of files that are downloaded at a time"""
SHARDS = ["*.tar"]
"""patterns of the files of data sets"""
CONFIGURATION = ["*.json", "*.txt", "*.model", "*.jinja"]
"""patterns of configurations and tokenizers, at the top of a repository"""
WEIGHTS = [
    r"(diffusion_pytorch_)?model(-\d+-of-\d+)?\.safetensors",
    r"(diffusion_)?pytorch_model(-\d+-of-\d+)?\.bin",
]
"""by preference; variants such as model.fp16.safetensors are left out"""

Result = TypeVar("Result")


def wanted(names: list[str], patterns: Sequence[str]) -> list[str]:
    """The files of a repository that match a pattern; without patterns, the files of a model."""
    if patterns:
        return [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]
    top = [name for name in names if "/" not in name]
    kinds = [[name for name in top if re.fullmatch(pattern, name)] for pattern in WEIGHTS]
    weights = next(filter(None, kinds), [])
    return weights and wanted(top, CONFIGURATION) + weights


def fetch(name: str, revision: str, kind: Kind, include: Sequence[str] = ()) -> Path:
    """Download the missing files, and return the folder.

    `include` are patterns of paths, instead of the usual files.

    Raises InputError, with the remedy, if the hub has no such thing or gives a wrong file, or if it
    cannot be reached after several tries.
    """
    folder = local_folder(name, revision, kind)
    partial = folder.with_name(f"partial-{revision}")
    lock = folder.with_name(f"partial-{revision}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(lock, folder):
        if not (folder / MARKER).exists():
            _clear(folder, partial)
            files = _asked(name, revision, lambda: _listing(name, revision, kind))
            patterns = include or (SHARDS if kind == "datasets" else ())
            chosen = wanted(list(files), patterns)
            if not chosen:
                found = ", ".join(list(files)[:20]) or "no file"
                missing = " or ".join(patterns) or "weights"
                raise InputError(f"{name} at {revision} has no {missing}; it has {found}")
            size = sum(files[file].size for file in chosen)
            print(f"{name}: {len(chosen)} files, {size / 1e9:.3g} GB", flush=True)
            listed = _download(name, revision, kind, [files[file] for file in chosen], partial)
            shutil.rmtree(partial / ".cache", ignore_errors=True)
            what = {"id": name, "kind": kind, "revision": revision, "files": listed}
            write_json(partial / MARKER, what)
            os.replace(partial, folder)
        lock.unlink(missing_ok=True)
    return folder


def _clear(folder: Path, partial: Path) -> None:
    """Make room for the folder. Files of an earlier download without a marker are used again."""
    if folder.exists() and any(folder.iterdir()):
        shutil.rmtree(partial, ignore_errors=True)
        os.replace(folder, partial)
    partial.mkdir(exist_ok=True)
    for left in partial.glob(".cache/**/*.incomplete"):  # of a download that was killed
        left.unlink()


def _listing(name: str, revision: str, kind: Kind) -> dict[str, RepoFile]:
    entries = HfApi().list_repo_tree(
        name, recursive=True, revision=revision, repo_type=kind.removesuffix("s")
    )
    return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}


def _download(
    name: str, revision: str, kind: Kind, files: list[RepoFile], partial: Path
) -> list[dict]:
    """Download and check files, several at a time; returns their entries in the marker."""

    def one(file: RepoFile) -> dict:
        _asked(
            name,
            revision,
            lambda: hf_hub_download(
                name,
                file.path,
                revision=revision,
                repo_type=kind.removesuffix("s"),
                local_dir=partial,
            ),
        )
        return _checked(name, revision, file, partial / file.path)

    progress = Progress(f"files of {name}", len(files))
    with ThreadPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(one, file) for file in files]
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                future.result()
                progress.update(number)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]


def _asked(name: str, revision: str, call: Callable[[], Result]) -> Result:
    """The result of a call to the hub, which is tried again after temporary failures."""

    def attempt() -> Result:
        try:
            return call()
        except RevisionNotFoundError:
            raise InputError(
                f"{name} has no revision {revision} on the hub; name a commit that it has"
            ) from None
        except RepositoryNotFoundError:
            raise InputError(
                f"{name} is not on the hub, or it asks for a login: accept its terms there and set"
                " HF_TOKEN"
            ) from None
        except HFValidationError as error:
            raise InputError(f"{name} is not a hub id ({_line(error)}); write ORG/NAME") from None
        except OfflineModeIsEnabled:
            raise InputError("HF_HUB_OFFLINE is set, so nothing is downloaded; unset it") from None
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status < 500 and status not in (408, 429):
                raise InputError(f"{name} at {revision}: {_line(error)}") from None
            raise Failure(_line(error)) from None
        except (httpx2.HTTPError, OSError, RuntimeError) as error:  # RuntimeError: of hf_xet
            if getattr(error, "errno", None) is not None:  # of the disk, not of the network
                raise
            raise Failure(_line(error.__cause__ or error)) from None

    try:
        return persist(attempt)
    except Failure as failure:
        raise InputError(
            f"{name} at {revision} could not be fetched ({failure}); check the network and"
            f" HTTPS_PROXY and run the same command again, which continues, or copy {RESOURCES}/hub"
            " from another machine"
        ) from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _checked(name: str, revision: str, file: RepoFile, path: Path) -> dict:
    """The entry of a file in the marker; a file that differs from the hub's is removed.

    The hub has the SHA-256 of a large file, and git's blob id, a SHA-1, of a small one.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        os.fsync(stream.fileno())
    found, expected = sha256, file.lfs.sha256 if file.lfs else file.blob_id
    if not file.lfs:
        blob = b"blob %d\0" % size + path.read_bytes()
        found = hashlib.sha1(blob, usedforsecurity=False).hexdigest()
    if found != expected:
        path.unlink()
        raise InputError(
            f"{file.path} of {name} at {revision} came with hash {found}, not the hub's {expected};"
            " it is removed; run the same command again"
        )
    return {"path": file.path, "bytes": size, "sha256": sha256}


@command
def main(
    id: Annotated[str, "ORG/NAME"],
    revision: Annotated[str, "commit, 40 hexadecimal digits"],
    kind: Annotated[Literal["models", "datasets"], "models by default"] = "models",
    include: Annotated[list[str] | None, "patterns of paths, instead of the usual files"] = None,
) -> None:
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise InputError(f"--revision: {revision} is not a full commit of 40 hexadecimal digits")
    disable_progress_bars()
    folder = fetch(id, revision, kind, include or [])
    print(f"{folder} is complete")
