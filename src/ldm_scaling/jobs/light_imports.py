"""Importing diffusers without what nothing here uses, in 1 s instead of 5."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

import torch.compiler

OPTIONAL = ("transformers", "scipy", "peft")
ASKING = ("loaders", "models", "schedulers")
"""parts of diffusers that ask on import what is installed"""
CROWDED = ("hooks", "models.autoencoders", "models.transformers", "models.unets")


@contextmanager
def light_diffusers() -> Iterator[None]:
    """For imports of diffusers' networks and schedulers; pipelines are to be imported without it.

    With a single U-Net or scheduler, diffusers otherwise imports:

    - all its transformers, U-Nets, autoencoders and hooks, through the `__init__` of their
      packages. These do not run here. They run when somebody asks such a package for something.
    - transformers, scipy.stats and peft, which are optional. LoRA weights, single files and beta
      schedules need them, and do not work with what is imported here; see `allow_lora`.
    - torch's compiler, to mark functions that it must leave alone. Nothing is compiled here.

    It also reads the lists of files of all installed packages, to find three optional ones.
    """
    with (
        _replaced(importlib.metadata.__dict__, {"packages_distributions": dict}),
        _replaced(torch.compiler.__dict__, {"disable": _unmarked}),
        _replaced(sys.modules, _absent("torch._dynamo")),
    ):
        from diffusers.utils import import_utils

        for part in ASKING:
            importlib.import_module(f"diffusers.{part}")
        for package in CROWDED:
            _leave_unread(f"diffusers.{package}")
        with (
            _replaced(import_utils.__dict__, {f"_{name}_available": False for name in OPTIONAL}),
            _replaced(sys.modules, _absent(*OPTIONAL)),
        ):
            yield


def allow_lora() -> None:
    """Let pipelines load LoRA weights although networks were imported by `light_diffusers`.

    The one module that asks on import for peft and transformers runs again, in its own namespace.
    """
    importlib.reload(importlib.import_module("diffusers.loaders.lora_base"))


@contextmanager
def _replaced(place: dict[str, Any], entries: dict[str, Any]) -> Iterator[None]:
    """Entries of a dictionary are others meanwhile."""
    before = {name: place[name] for name in entries if name in place}
    place.update(entries)
    try:
        yield
    finally:
        for name in entries:
            del place[name]
        place.update(before)


def _absent(*names: str) -> dict[str, None]:
    """Entries of sys.modules with which modules look as if they were not installed."""
    return {name: None for name in names if name not in sys.modules}


class _Unread(ModuleType):
    """A package whose `__init__` runs when something that it does not have yet is asked for."""

    def __getattr__(self, name: str) -> Any:
        spec = self.__spec__
        assert spec and spec.loader  # `_leave_unread` has found it
        self.__class__ = ModuleType  # pyright: ignore[reportAttributeAccessIssue]  # Python's own way
        spec.loader.exec_module(self)
        return getattr(self, name)


def _leave_unread(name: str) -> None:
    if name not in sys.modules and (spec := find_spec(name)):
        sys.modules[name] = module_from_spec(spec)
        sys.modules[name].__class__ = _Unread


def _unmarked(function: Callable | None = None, **_: object) -> Callable:
    return (lambda same: same) if function is None else function
