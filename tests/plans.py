"""Studies by the names of their overlays, their jobs, and networks whose costs add up by hand."""

from __future__ import annotations

import contextlib
import os
import subprocess
from functools import cache
from pathlib import Path

import ready
import yaml
from project import ROOT
from ready import jobs_in
from snakemake.utils import update_config

from ldm_scaling.costs.memory import Activations
from ldm_scaling.costs.networks import Networks, UNets, count_networks
from ldm_scaling.costs.seen import Features, Seeing
from ldm_scaling.plan.dag import Job
from ldm_scaling.plan.known import Known, counted
from ldm_scaling.plan.price import Price
from ldm_scaling.plan.prices import price
from ldm_scaling.study.load import load_study
from ldm_scaling.study.study import Study


def _unets(caption: float) -> UNets:
    forward = {"c12": 1.0, "c20": 10.0, "c32": 100.0, "c48": 1000.0}
    return UNets(forward, {size: int(value) for size, value in forward.items()}, caption, 0)


PAIRS = {
    "minilm-l6-layers0": 0.0,
    "minilm-l6-layers2": 2.0,
    "minilm-l6": 0.125,
    "minilm-l3": 3.0,
    "word-vectors": 0.0,
}
"""FLOPs of a caption in each text encoder of the pocket study's parameter budget"""
ONES = Networks(
    own=_unets(0.125),
    pairs={name: _unets(caption) for name, caption in PAIRS.items()},
    encode=0.5,
    decode=0.25,
    autoencoder_params=7,
    activations=Activations(training=3, checkpointing=2, sampling=1),
    encode_bytes=5,
    decode_bytes=4,
    seen=Seeing({"effnet_lite0": Features(0.0625, 3)}),
    perceptual=3.0,
)
"""networks of the pocket study's sizes"""


@cache
def study_of(overlay: str = "") -> Study:
    """The pocket study, or another one by the name of its overlay."""
    changes = yaml.safe_load((ROOT / "studies" / f"{overlay}.yaml").read_text()) if overlay else {}
    return changed(**changes)


def changed(**sections) -> Study:
    """The pocket study with these keys; every guidance is sampled whole, unless they say other."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, {"search": {"method": "grid"}} | sections)
    return load_study(config)


def of_package(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run Python in a copy of the project, with the package that is in it."""
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    command = [ready.python(), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True)


@cache
def jobs_of(overlay: str = "", method: str = "grid") -> list[Job]:
    """Every job of the pocket study, or of another one by the name of its overlay."""
    overlays = [f"studies/{overlay}.yaml"] if overlay else []
    return jobs_in(ROOT, *overlays, config={"search": {"method": method}})


@cache
def networks_of(overlay: str = "") -> Networks:
    """The counted networks of a study."""
    with contextlib.chdir(ROOT):  # the pocket study's autoencoder is a folder of the checkout
        return count_networks(*counted(jobs_of(overlay)))


def prices_of(
    rule: str, jobs: list[Job] | None = None, networks: Networks = ONES
) -> dict[str, Price]:
    """The prices of a rule's jobs, by their names."""
    known = Known(jobs or jobs_of(), networks)
    return {job.name: price(job, known) for job in known.jobs if job.rule == rule}
