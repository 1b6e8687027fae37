"""The recipes of docs/extend.md, word by word, in a copy of the project: then a job with each."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from textwrap import dedent

import pytest
import ready
import yaml
from project import PARTS, ROOT

STEP = re.compile(
    r"^\d\. [^\n]*`(src/[\w/]+\.py)`([^\n]*):\n\n {3}```(?:python)?\n(.*?)\n {3}```", re.M | re.S
)
"""a step that names a file and shows it whole, or a line of the registry in it"""
ADDED = ["dit", "ode", "pixels", "shift"]
STUDY = {
    "name": "recipes",
    "family": {"architecture": "dit", "sizes": ["d1w16", "d2w32"], "reference_size": "d2w32"},
    "training": {"images": 32, "batch": 16, "warmup_images": 0, "ema_images": 16, "keep": []},
    "sampling": {
        "n": 16,
        "samplers": ["ode"],
        "steps": [2, 3],
        "guidance": [1, 3],
        "fixed": {"sampler": "ode", "steps": 3, "guidance": 3},
    },
    "search": {"method": "grid"},
    "metrics": {
        "extractors": [{"name": "pixels", "input_size": 32, "components": 4}],
        "select_by": "shift",
        "clip_like": None,
    },
    **dict.fromkeys(["distill", "guided_distill", "superres", "dreambooth", "stitch"]),
    "param_budget": None,
}
JOBS = """
import json, sys
from pathlib import Path
import numpy as np
from ldm_scaling.cells import measure, sweep
from ldm_scaling.figures.style import metric_label
from ldm_scaling.jobs.arrays import map_array, write_arrays
from ldm_scaling.latents.autoencoder import build
from ldm_scaling.models import denoiser, pretrain
from ldm_scaling.study.latents import Autoencoder

def call(module, spec, **options):
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    sys.argv = [module.__name__, "--spec", json.dumps(spec), *words]
    module.main()

specs = json.loads(Path("specs.json").read_text())
random = np.random.default_rng(0)
latents, text = random.normal(size=(32, 8, 8, 8)), random.normal(size=(32, 20, 24))
write_arrays(Path("latents"), {"latents": latents.astype("f4")}, "a")
write_arrays(Path("text"), {"text": text.astype("f2"), "empty": text[0].astype("f2")}, "b")
options = {"text": "text", "work-dir": "work"}
call(pretrain, specs["models.pretrain"], latents="latents", out="model", **options)
shape = {"downsampling": 4, "latent_channels": 8, "width": 8, "images": 1, "batch": 1, "lr": 1}
build(Autoencoder(pretrained=None, **shape)).save_pretrained("autoencoder")
options |= {"model": "model", "autoencoder": "autoencoder"}
call(sweep, specs["cells.sweep"], out="cells", **options)
write_arrays(Path("real"), {"features": random.random((32, 192)) * 255}, "c")
rows = "".join(f"{i},concept {i},caption,name\\n" for i in range(32))
Path("captions.csv").write_text("index,concept,caption,name\\n" + rows)
given = {"cells": "cells/features.safetensors", "records": "cells/cells.json"}
given |= {"reference": "real", "captions": "captions.csv", "out": "metrics.csv", "draws": "draws"}
call(measure, specs["cells.measure"], **given)
real, own = map_array(Path("real"), "features"), map_array(Path(given["cells"]), "steps3_guidance3")
family = denoiser.Family(**specs["models.pretrain"]["family"])
found = {
    "network": type(denoiser.load(Path("model"))).__name__,
    "label": metric_label("shift_pixels"),
    "params": denoiser.count(family, (8, 8, 8), (20, 24))["d2w32"][0],
    "shift": float(((own.astype(float).mean(0) - real.mean(0)) ** 2).sum()),
}
Path("found.json").write_text(json.dumps(found))
"""


def follow(recipes: str, project: Path) -> list[str]:
    """Do every step that shows code; returns the names of the new modules."""
    new = []
    for name, where, code in STEP.findall(recipes):
        path, code = project / name, dedent(code)
        if path.exists():
            kinds = re.search(r"in `(\w+)`", where)[1]
            before, head, after = path.read_text().partition(f"\n{kinds} = {{\n")
            members, end, rest = after.partition("\n    )\n")
            path.write_text(f"{before}{head}{members}\n        {code.strip()}{end}{rest}")
        else:
            path.write_text(code + "\n")
            new.append(path.stem)
    return new


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project in which the recipes were followed."""
    folder = tmp_path_factory.mktemp("project")
    for name in PARTS:
        source, unread = ROOT / name, shutil.ignore_patterns("__pycache__")
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=unread)
        else:
            shutil.copy(source, folder / name)
    assert sorted(follow((ROOT / "docs/extend.md").read_text(), folder)) == ADDED
    (folder / "studies/recipes.yaml").write_text(yaml.safe_dump(STUDY))
    return folder


def run(project: Path, *command: str) -> str:
    """What Python prints that runs in the copy."""
    paths = {"PYTHONPATH": str(project / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [ready.python(), *command],
        cwd=project,
        env=os.environ | paths,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout


def specs_of(printed: str, size: str) -> dict[str, dict]:
    """The specs of a size's jobs in the commands that Snakemake prints, by module."""
    found = {}
    for line in printed.splitlines():
        if match := re.search(r"-m ldm_scaling\.([\w.]+) .*--spec (.*)", line):
            word = shlex.split(match[2])[0]
            if size in line or match[1] == "cells.measure":
                found[match[1]] = json.loads(word)
    return found


def test_what_recipes_add_is_trained_sampled_and_measured(project):
    command = ("-m", "snakemake", "-n", "-p", "--configfile=studies/recipes.yaml", "all")
    listed = run(project, *command)
    assert "results/recipes/cells/pretrain/d2w32/seed0/ode/features.safetensors" in listed
    assert "shift_pixels" in listed, "it chooses the guidance"
    specs = specs_of(listed, "d2w32")
    assert specs["cells.measure"]["recipes"] == {"shift": 1}
    (project / "specs.json").write_text(json.dumps(specs))
    run(project, "-c", JOBS)
    found = json.loads((project / "found.json").read_text())
    assert found["network"] == "DiT" and found["label"] == "Shift of the mean (pixels)"
    assert found["params"] == json.loads((project / "model/summary.json").read_text())["params"]
    table = (project / "metrics.csv").read_text().splitlines()
    rows = [line.split(",") for line in table if ",shift_pixels," in line]
    assert len(rows) == 4
    (value,) = [float(row[4]) for row in rows if row[:2] == ["3", "3"]]
    assert value == pytest.approx(found["shift"], rel=1e-4)


MEMORY = """
import sys, yaml
from ldm_scaling.models import denoiser
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.hardware import Hardware
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

config = load_configfile("config.yaml")
update_config(config, load_configfile("studies/recipes.yaml"))
sizes = ["d4w128", "d16w128"]
update_config(config, {"family": {"sizes": sizes, "reference_size": sizes[0]}})
study = load_study(config)
counted = denoiser.count(denoiser.Family(**study.family.model_dump()), (8, 8, 8), (20, 128))
for size in sizes:
    print(counted[size][0], Hardware(study).parameters(size))
"""


def test_what_recipes_add_asks_for_memory_by_its_own_parameters(project):
    for line in run(project, "-c", MEMORY).splitlines():
        counted, asked = map(int, line.split())
        assert asked == pytest.approx(counted, rel=0.2)


def test_what_recipes_add_is_priced(project):
    run(project, "-m", "ldm_scaling.plan", "--configfile", "studies/recipes.yaml")
    with (project / "results/recipes/plan.csv").open() as file:
        rows = {row["rule"]: row for row in csv.DictReader(file)}
    for rule in ("pretrain", "sweep"):
        assert float(rows[rule]["flops"]) > 0 and float(rows[rule]["gpu_memory_gb"]) > 0, rule


def test_what_an_architecture_lacks_is_one_line(project):
    """Students need `told`, which the recipe leaves out."""
    study = project / "studies/distilled.yaml"
    left = {key: value for key, value in STUDY.items() if key != "distill"}
    study.write_text(yaml.safe_dump(left | {"name": "distilled"}))
    status, printed = ready.snakemake(project, "-n", f"--configfile={study}", "all")
    assert status and "distill: architecture dit has no students" in printed
