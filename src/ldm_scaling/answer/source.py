"""The tables that an answer is read from: a study's, those of a folder, or the published ones."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import yaml

from ..jobs.cli import InputError
from ..jobs.command import Option
from ..jobs.tables import FAMILY, read_table
from ..kinds.schedules import SCHEDULES
from ..kinds.stages import is_budget, is_superres
from ..study.fields import StudyError
from ..study.load import load_study
from ..study.study import Study
from ..tables.choose import read_frontier
from ..tables.frontier import Beside, frontier_of

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = ROOT / "reference/pocket/tables"
_FILE = "frontier.csv"


@dataclass(frozen=True)
class Source:
    """What is known of a study."""

    tables: Path
    study: Study | None
    """None: the tables lie anywhere"""
    note: str = ""
    """what a reader should know of where they come from"""
    configfile: Path | None = None
    """the study's, as the user named it"""

    @property
    def metric(self) -> str | None:
        """The metric that the study chooses by."""
        return self.study.metrics.selecting if self.study else None

    @property
    def snakemake(self) -> str:
        """The command that a target is appended to."""
        return f"snakemake --cores all{self._overlay(' --configfile=')} --"

    def _overlay(self, option: str) -> str:
        """What names the study's file to a command, if it is not config.yaml."""
        if self.configfile is None or self.configfile.name == "config.yaml":
            return ""
        return option + shlex.quote(str(self.configfile))

    @property
    def confidence(self) -> float | None:
        """The confidence of the study's intervals."""
        return self.study.metrics.confidence if self.study else None

    @property
    def budgets(self) -> list[float]:
        """The budgets that its figures name."""
        return self.study.figures.budgets if self.study else []

    def frontier(self, metrics: list[str], confidence: float) -> pd.DataFrame:
        """The rows of frontier.csv; where it is not up to date, made of the cells that are there.

        Then of these metrics only. Raises InputError if there are neither.
        """
        path, cells = self.tables / _FILE, self._cells()
        if path.exists() and (self.study is None or _is_newest(path, cells)):
            return read_frontier(path)
        if not cells:
            raise InputError(
                f"{path} is missing; make it with: {self.snakemake} {path} (`make plan"
                f"{self._overlay(' STUDY=')}` says how long that takes)"
                if self.study
                else f"{self.tables} has neither {_FILE} nor the cells of a stage and sampler with"
                " their draws, so it has no answer"
            )
        found = [(self._schedule(own), own, own.with_name("draws.safetensors")) for own in cells]
        beside = Beside(*map(self._beside, Beside._fields))
        if not metrics:
            raise InputError(f"--metric: {path} is missing, so name the metric that decides")
        return frontier_of(found, beside, list(dict.fromkeys(metrics)), confidence)

    def _beside(self, name: str) -> tuple[Path, Path] | None:
        """A table that is no stage's cells with its draws, if it is there."""
        files = (self.tables / f"{name}.csv", self.tables / name / "draws.safetensors")
        return files if all(own.exists() for own in files) else None

    def reference(self) -> tuple[str, float]:
        """The model whose forward pass costs 1, and its FLOP."""
        family = read_table(self.tables / "family.csv", FAMILY)
        nearest = family.loc[(family["normalized_cost"] - 1).abs().idxmin()]
        return nearest["size"], nearest["gflops"] / nearest["normalized_cost"] * 1e9

    def _cells(self) -> list[Path]:
        """The tables of cells of stages that make images of the test prompts."""
        found = sorted(self.tables.glob("*/**/cells.csv"))
        stages = [own.relative_to(self.tables).parts[0] for own in found]
        return [
            own
            for own, stage in zip(found, stages, strict=True)
            if not (is_superres(stage) or is_budget(stage))
            and own.with_name("draws.safetensors").exists()
        ]

    def _schedule(self, cells: Path) -> str:
        own = self.study.sampling.schedule if self.study else "trailing"
        return cells.parent.name if cells.parent.name in SCHEDULES else own


def sampled_as(study: Study, row: pd.Series) -> tuple[str, str | None]:
    """A configuration's sampler, as paths name it, and the allocation of a trajectory's steps."""
    schedule, allocation = row.get("schedule", study.sampling.schedule), row.get("allocation")
    other = schedule != study.sampling.schedule
    name = f"{row['sampler']}/{schedule}" if other else row["sampler"]
    return name, None if pd.isna(allocation) else str(allocation)


def _is_newest(path: Path, others: list[Path]) -> bool:
    return all(path.stat().st_mtime >= other.stat().st_mtime for other in others)


def read_source(
    configfile: Annotated[
        Path | None, Option("the study, such as studies/smoke.yaml", Path)
    ] = None,
    tables: Annotated[
        Path | None, Option("folder of its tables, if they lie elsewhere", Path)
    ] = None,
) -> Source:
    """The source that the options name. Raises InputError for an unusable study."""
    if tables is not None:
        if not tables.is_dir():
            raise InputError(f"--tables {tables}: there is no such folder")
        return Source(tables, None)
    study = _study(configfile)
    own = Source(Path(study.results, "tables"), study, configfile=configfile)
    if not (own.tables / _FILE).exists() and not own._cells() and study.name == "pocket":
        note = (
            "These are published results of the pocket study, of another machine; `make figure`"
            " makes your own."
        )
        return Source(PUBLISHED, study, note)
    return own


def own_source(
    configfile: Annotated[
        Path | None, Option("the study, such as studies/smoke.yaml", Path)
    ] = None,
) -> Source:
    """A study's own tables. Raises InputError if it has none."""
    found = read_source(configfile)
    if found.note:
        raise InputError(f"{found.study and found.study.results}/tables is empty; run: make figure")
    return found


def _study(configfile: Path | None) -> Study:
    base = Path("config.yaml") if Path("config.yaml").exists() else ROOT / "config.yaml"
    config: dict[str, Any] = {}
    for path in dict.fromkeys([base, configfile or base]):
        try:
            _merge(config, yaml.safe_load(path.read_text(encoding="utf-8")) or {})
        except OSError as error:
            raise InputError(f"--configfile {path}: {error.strerror}") from None
        except yaml.YAMLError as error:
            raise InputError(f"{path} is no YAML ({error})".replace("\n", " ")) from None
    try:
        return load_study(config)
    except StudyError as error:
        raise InputError(str(error)) from None


def _merge(config: dict[str, Any], overlay: dict[str, Any]) -> None:
    """Lay an overlay over a configuration, as Snakemake does: sections merge, lists replace."""
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            _merge(config[key], value)
        else:
            config[key] = value
