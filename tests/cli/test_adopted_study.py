"""Pipelines of every class that can be adopted, from folders to the figure of a whole study.

The commands are those that a dry run of Snakemake prints. They run in this process, since a job
that samples a tiny network is nearly all imports.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from unittest import mock

import by_hand
import pandas as pd
import pytest
import torch
import yaml
from commands import kill_at_save, run_here
from pictures import picture
from pipelines import MAKERS, WORDS, save
from project import ROOT
from ready import snakemake

from ldm_scaling.models import adopt
from ldm_scaling.study.adopted import AdoptedModel

N, SIDE, STEPS, SCALES = 16, 32, [2, 3], [1, 3]
OF_STUDENTS = {"steps": [1, 4], "guidance": SCALES}
OWN_GRID = {"steps": [3, 5], "guidance": [3]}
"""of Flux"""
STUDENTS = {"consistency": "stable_diffusion", "sana_sprint": "sana"}
HUGE = "huge"
"""name of the model that does not fit the memory"""
FIGURES = ["fid_vs_cost", "distill_samples"]


def named(name: str) -> str:
    """A model's name in the study."""
    return name.replace("_", "-")


def entry(name: str) -> dict[str, object]:
    """A model of the list."""
    own = {"name": named(name), "pretrained": f"models/{name}", "side": SIDE}
    if name in STUDENTS:
        return own | {"few_step_of": named(STUDENTS[name])}
    return own | (OWN_GRID if name == "flux" else {})


def overlay() -> dict[str, object]:
    """The study of every class, and of one model more."""
    models = [entry(name) for name in MAKERS]
    models.append(entry("stable_diffusion") | {"name": HUGE})
    return {
        "name": "classes",
        "data": {
            "source": "imagefolder",
            "path": "images",
            "image_size": SIDE // 2,
            "splits": {"validation": N, "test": N},
        },
        "adopted": {"models": models, "reference": "stable-diffusion"},
        "sampling": {
            "n": N,
            "samplers": ["native"],
            "other_schedules": None,
            "steps": STEPS,
            "guidance": SCALES,
            "fixed": {"sampler": "native", "steps": 3, "guidance": 3},
            "students": OF_STUDENTS,
        },
        "metrics": {
            "extractors": [{"name": "effnet_lite0", "input_size": 64, "components": 4}],
            "bootstrap": 50,
        },
        "figures": {"budgets": [1, 2]},
    }


def write_images(folder: Path) -> None:
    """Pictures of noise, each with a caption that the tokenizers know."""
    folder.mkdir()
    lines = ["file_name,text"]
    for number in range(2 * N + 2):
        picture(number).save(folder / f"{number}.png")
        first, second = divmod(number, len(WORDS))
        lines.append(f"{number}.png,a {WORDS[first]} {WORDS[second]}")
    (folder / "metadata.csv").write_text("\n".join(lines))


def load_what_fits(model: AdoptedModel, *, text: bool):
    """A pipeline, on a device that has no room for one of them."""

    def to(device):
        raise torch.OutOfMemoryError

    pipeline = adopt.load(model, text=text)
    if model.name == HUGE:
        pipeline.to = to
    return pipeline


class Run:
    """A study in a folder, whose jobs have run."""

    def __init__(self, folder: Path):
        self.folder, self.results = folder, folder / "results/classes"
        write_images(folder / "images")
        for name in MAKERS:
            save(name, folder / "models" / name)
        (folder / "classes.yaml").write_text(yaml.safe_dump(overlay()))
        self.commands = self._commands([f"results/classes/figures/{name}.pdf" for name in FIGURES])
        with mock.patch("ldm_scaling.cells.adopted.load", load_what_fits):
            for module, words in self.commands:
                self.do(module, *words)
        self.cells = pd.concat(
            pd.read_csv(self.results / f"tables/{stage}/native/cells.csv")
            for stage in ("pretrain", "distill")
        )

    def _commands(self, targets: list[str]) -> list[tuple[str, list[str]]]:
        given = ("--snakefile", str(ROOT / "Snakefile"), "--configfile", "classes.yaml")
        few = ("--set-resources", "sweep:batch=4")
        status, printed = snakemake(self.folder, "-n", "-p", *given, *few, "--", *targets)
        assert status == 0, printed[-3000:]
        found = re.findall(r"(?: -m ldm_scaling\.(\S+)|; (cp)) (.*)", printed)
        return [(module or copy, shlex.split(words)) for module, copy, words in found]

    def do(self, module: str, *words: str) -> None:
        """Run a command of the package, or copy a table."""
        if module == "cp":
            copied, to = (self.folder / word for word in words)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(copied, to)
            return
        program = "figures.__main__" if module == "figures" else module
        done = run_here(program, *words, folder=self.folder)
        assert done.returncode == 0, f"{module}: {done.stderr[-2000:]}"

    def of_model(self, module: str, name: str) -> list[str]:
        """The words of a module's command for a model."""
        (found,) = [
            words
            for own, words in self.commands
            if own == module and any(f"/pretrain/{named(name)}/" in word for word in words)
        ]
        return found


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Run:
    return Run(tmp_path_factory.mktemp("classes"))


def test_every_class_has_its_cells_and_stands_in_the_figures(study):
    cells = study.cells.query("size != @HUGE and metric == 'fd_effnet_lite0'")
    assert (cells["status"] == "ok").all() and cells["value"].notna().all()
    found = set(cells.groupby(["stage", "size"]).groups)
    students = {("distill", named(name)) for name in STUDENTS.values()}
    assert found == students | {("pretrain", named(name)) for name in MAKERS.keys() - STUDENTS}
    for name in FIGURES:
        assert (study.results / f"figures/{name}.pdf").read_bytes().startswith(b"%PDF")


def test_evaluations_and_costs_are_those_counted_by_hand(study):
    pipeline = {("pretrain", named(name)): name for name in MAKERS.keys() - STUDENTS}
    pipeline |= {("distill", named(teacher)): name for name, teacher in STUDENTS.items()}
    cells = study.cells.query("size != @HUGE")
    own = cells.query("stage == 'pretrain' and size == 'stable-diffusion'")
    (reference,) = own["gflops"].unique()
    for row in cells.itertuples():
        name = pipeline[row.stage, row.size]
        assert row.nfe == by_hand.nfe(name, row.steps, row.guidance), row
        assert row.guided_cost == pytest.approx(row.nfe * row.gflops / reference, rel=1e-4)
        if name in by_hand.FLOPS:
            assert row.gflops == pytest.approx(by_hand.FLOPS[name]() / 1e9, rel=1e-4)


def test_a_model_that_does_not_fit_the_memory_is_a_row_and_the_others_go_on(study):
    own = study.cells.query("size == @HUGE")
    assert set(own["steps"]) == set(STEPS) and (own["status"] == "out_of_memory").all()
    assert own["value"].isna().all()
    best = pd.read_csv(study.results / "tables/pretrain/native/best.csv")
    failed = best["size"] == HUGE
    assert set(best.loc[failed, "steps"]) == set(STEPS)
    assert (best.loc[failed, "status"] == "out_of_memory").all()
    assert best.loc[~failed, "guidance"].notna().all() and len(best[~failed]["size"].unique()) == 6


def test_a_sweep_killed_within_a_cell_ends_with_the_same_table(study, tmp_path):
    words = study.of_model("cells.sweep", "sana")
    at = {name: words.index(name) + 1 for name in ("--out", "--work-dir")}
    whole = study.folder / words[at["--out"]]
    words[at["--out"]], words[at["--work-dir"]] = str(tmp_path / "out"), str(tmp_path / "work")
    kill_at_save("cells.sweep", 4, *words, folder=study.folder)
    assert [*tmp_path.rglob("state-*")] and not (tmp_path / "out").exists()
    study.do("cells.sweep", *words)
    for name in ("features.safetensors", "images.safetensors"):
        assert (tmp_path / "out" / name).read_bytes() == (whole / name).read_bytes()
    path, other = str(whole.relative_to(study.folder)), str(tmp_path / "out")
    words = study.of_model("cells.measure", "sana")
    study.do("cells.measure", *(word.replace(path, other) for word in words))
    before, after = (pd.read_csv(own / "metrics.csv") for own in (whole, tmp_path / "out"))
    pd.testing.assert_frame_equal(after.drop(columns="seconds"), before.drop(columns="seconds"))
