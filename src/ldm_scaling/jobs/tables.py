"""Tidy tables on disk: the columns that several commands share, reading and writing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..kinds.cells import cell_name
from .arrays import map_array, read_header, write_arrays
from .choice import OK
from .cli import InputError, first_line
from .workdir import file_hash, write_text

MODEL = ["stage", "size", "seed", "sampler"]
CELL = ["steps", "guidance", "trained"]
"""columns that identify a cell of one model and sampler"""
MEASURED = [*CELL, "metric", "value", "lo", "hi", "n", "nfe", "seconds", "status"]
ON_GPU = ["memory_gb", "batch"]
"""columns of cells that a table has only if some of them were sampled on a GPU"""
CHOSEN = ["method", "candidates", "verified", "spread"]
"""columns of cells that keep one of several candidates"""
VERIFIER = ["verifier", "image_gflops", "caption_gflops"]
"""columns of verifier.csv: what it costs that a score looks at an image, and at a prompt"""
FAMILY = ["size", "channels", "params", "gflops", "normalized_cost"]
FLOOR_COLUMNS = ["kind", "metric", "value", "lo", "hi", "n"]
"""of floors.csv, and of superres_baselines.csv"""
PARTS = ["text_gflops", "decoder_gflops", "caption_gflops"]
"""columns of family.csv: parts of the total cost other than the U-Net"""
TOLD = "told"
"""column of adopted models: whether the network is told the guidance scale"""
OF_ADOPTED = ["weights_gb", TOLD]
"""columns that family.csv has of adopted models only"""
COSTS = ["params", "gflops", "normalized_cost", "sampling_cost", "guided_cost", "total_cost"]
CELLS = [*MODEL, *MEASURED[:-2], *COSTS, "seconds", "grid", "status", "at_boundary"]
BEST = [*CELLS, "optimism"]
COUNTS = ["encoder", "size", "text_params", "autoencoder_params", "unet_params"]
COUNTS += ["gflops", "text_gflops", "caption_gflops", "decoder_gflops"]
"""columns of networks with a text encoder: gflops of a forward pass of the U-Net, and its part that
depends on the text, as in family.csv"""
EVALUATIONS = "evaluations"
"""column beside them and `TOLD` of adopted models: evaluations of a prompt at the fixed setting"""
HALF = "half_"
"""before a number, in the columns of frontier.csv with the metric on a random half of the concepts;
on the other half it is twice the value less that"""
QUANTITIES = frozenset(
    {"seed", "trained", *MEASURED[3:], *ON_GPU, *COSTS, "grid", "at_boundary", "optimism"}
    | {"cell", "seeds", "best", "share", "sizes", "rising", "fit_cost", *CHOSEN[2:]}
)
"""columns of cells that do not say how images are made, or repeat what others say"""
_INTEGERS = dict.fromkeys(["seed", "steps", "n", "nfe", "channels", "params"], "Int64")
_NUMBERS = ["guidance", "trained", "value", "lo", "hi", "seconds", "gflops", "normalized_cost"]


def read_table(
    path: Path, columns: list[str], optional: Iterable[str] = (), may_be_empty: bool = False
) -> pd.DataFrame:
    """These columns of a CSV file, and the optional ones that it has.

    Raises InputError if the file is missing, broken or without one of the columns, or if it has no
    rows and may not be empty.
    """
    table = read_whole(path, columns, may_be_empty)
    return table[[*columns, *(column for column in optional if column in table)]]


def read_whole(path: Path, columns: list[str], may_be_empty: bool = False) -> pd.DataFrame:
    """All columns of a CSV file, among them these; raises InputError as `read_table` does."""
    types = _INTEGERS | dict.fromkeys(_NUMBERS, "float64")
    try:
        table = pd.read_csv(path, dtype=types)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; run the rule that makes it") from None
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: {first_line(error)}") from None
    if absent := [column for column in columns if column not in table]:
        raise InputError(f"{path} has no column {', '.join(absent)}")
    if table.empty and not may_be_empty:
        raise InputError(f"{path} has no rows")
    return table


def settings_of(table: pd.DataFrame) -> list[str]:
    """The columns that together name a configuration: all but `QUANTITIES` and halves.

    So a column that a table has one day, such as a guide's, is one of them.
    """
    names = [str(name) for name in table if name not in QUANTITIES]
    return [name for name in names if not name.startswith(HALF)]


def without_empty(table: pd.DataFrame, optional: Iterable[str]) -> pd.DataFrame:
    """A table without those of the optional columns that have no value."""
    return table.drop(columns=[column for column in optional if table[column].isna().all()])


def to_csv(table: pd.DataFrame) -> str:
    """A table as compact, stable CSV text."""
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def records(table: pd.DataFrame) -> Iterable[Any]:
    """The rows of a table, with its columns as attributes."""
    return table.itertuples()


def cell_of(settings: Mapping[str, Any]) -> str:
    """The name of a cell in files of arrays, by the columns that say how it was sampled."""
    return cell_name(
        settings["steps"],
        settings["guidance"],
        settings.get("trained"),
        settings.get("allocation"),
        candidates=kept_of(settings),
        noise=settings.get("noise"),
    )


def kept_of(settings: Mapping[Any, Any]) -> tuple[str, int] | None:
    """The method of a cell that keeps one of several images, and of how many; None of others."""
    method = settings.get("method")
    return (method, int(settings["candidates"])) if isinstance(method, str) else None


def draws_of(measured: pd.DataFrame, path: Path) -> np.ndarray:
    """Bootstrap replicates [rows, R] of the rows of a metrics.csv; nan if a cell failed.

    A metric with fewer replicates than others has nan for the rest.
    Raises InputError if the file lacks those of a cell that did not fail.
    """
    arrays = set(read_header(path)) - {"__metadata__"}
    names = [f"{cell_of(row._asdict())}/{row.metric}" for row in records(measured)]
    lacking = [
        name
        for name, status in zip(names, measured["status"], strict=True)
        if status == OK and name not in arrays
    ]
    if lacking:
        raise InputError(
            f"{path} has no bootstrap replicates of {lacking[0]}; delete it and run again"
        )
    found = {name: np.asarray(map_array(path, name)) for name in names if name in arrays}
    draws = np.full((len(names), max(map(len, found.values()), default=0)), np.nan)
    for row, name in enumerate(names):
        if name in found:
            draws[row, : len(found[name])] = found[name]
    return draws


def read_measured(
    models: list[list[str]],
    names: list[str],
    columns: list[str] = MEASURED,
    optional: Iterable[str] = (),
) -> tuple[pd.DataFrame, np.ndarray]:
    """The cells of all models with the columns `names`, and their replicates [rows, R].

    An entry of `models` has a value for each name, then its metrics.csv and draws.safetensors. A
    model whose cells all failed has replicates of nan. Raises InputError if a seed is not a number.
    """
    tables, draws = [], []
    for *values, metrics, drawn in models:
        model = dict(zip(names, values, strict=True))
        if not model["seed"].isdecimal():
            raise InputError(f"--metrics: seed {model['seed']} is not a number")
        own = read_table(Path(metrics), columns, optional)
        own = own.assign(**model | {"seed": int(model["seed"])})
        tables.append(own)
        draws.append(draws_of(own, Path(drawn)))
    count = max(own.shape[1] for own in draws)
    draws = [own if own.size else np.full((len(own), count), np.nan) for own in draws]
    return pd.concat(tables, ignore_index=True), np.concatenate(draws)


def write_cells(cells: pd.DataFrame, draws: np.ndarray, table: Path, file: Path) -> None:
    """Write a table of cells, and beside it the bootstrap replicates [rows, R] of its rows."""
    write_text(table, to_csv(cells))
    write_arrays(file, {"draws": np.ascontiguousarray(draws)}, file_hash(table))
