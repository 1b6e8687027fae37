"""The jobs of changed studies, with costs that are easy to add by hand."""

from __future__ import annotations

from functools import cache

import yaml
from project import ROOT
from snakemake.utils import update_config

from ldm_scaling.costs.networks import EncoderNetworks, Networks
from ldm_scaling.plan.jobs import Job, split_images, study_jobs
from ldm_scaling.study.load import load_study
from ldm_scaling.study.study import Study

_FORWARD = {"c12": 1.0, "c20": 10.0, "c32": 100.0, "c48": 1000.0}
_PARAMS = {"c12": 1, "c20": 10, "c32": 100, "c48": 1000}
_WITH_ENCODERS = {
    f"budget_minilm-l6{cut}": EncoderNetworks(caption, _FORWARD, _PARAMS)
    for cut, caption in (("-layers0", 0.0), ("-layers2", 2.0), ("", 0.125))
}
_WITH_ENCODERS |= {
    f"budget_{name}": EncoderNetworks(caption, _FORWARD, _PARAMS)
    for name, caption in (("minilm-l3", 3.0), ("word-vectors", 0.0))
}
ONES = Networks(
    forward=_FORWARD,
    params=_PARAMS,
    encode=0.5,
    decode=0.25,
    autoencoder_params=7,
    caption=0.125,
    features=0.0625,
    feature_width=3,
    pairs=_WITH_ENCODERS,
)
"""FLOPs and parameters of networks of the pocket study's sizes"""


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


def jobs_of(study: Study, networks: Networks = ONES) -> list[Job]:
    """All jobs of a study."""
    return study_jobs(study, networks, split_images(study))


def rule(jobs: list[Job], name: str) -> list[Job]:
    """The jobs of a rule."""
    return [job for job in jobs if job.rule == name]
