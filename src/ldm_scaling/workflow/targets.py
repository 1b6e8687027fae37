"""The figures and tables of a study: what `all` makes and the plan counts."""

from __future__ import annotations

from operator import attrgetter

from ..study.study import Study

FIGURES = [
    "fid_vs_cost",
    "fid_vs_guided_cost",
    "fid_vs_seconds",
    "samplers_vs_cost",
    "metric_agreement",
    "guidance_sweep",
    "guidance_interaction",
    "train_compute",
    "distill_gain",
    "distill_vs_cost",
    "guided_distill_gain",
    "sr_compute",
    "sr_vs_cost",
    "model_family",
    "components",
    "param_budget",
    "guidance_samples",
    "size_samples",
    "equal_cost_samples",
    "prompt_interpolation",
    "distill_samples",
    "sr_samples",
    "dreambooth_samples",
    "dreambooth_scores",
    "stitch_vs_cost",
    "search_cost",
]
TABLES = ["cells", "best", "crossovers", "family", "floors", "fits", "fixed_setting", "claims"]
TABLES += ["acceleration", "retrieval", "superres_baselines", "superres", "dreambooth"]
TABLES += ["metric_ranking", "metric_agreement", "stitch", "search_cost"]
TABLES += ["components", "param_budget", "param_budget_splits"]
_NEEDS = {
    "distill_gain": "distill",
    "distill_vs_cost": "distill",
    "distill_samples": "distill",
    "acceleration": "distill",
    "guided_distill_gain": "guided_distill",
    "retrieval": "metrics.clip_like",
    "superres_baselines": "superres",
    "superres": "superres",
    "sr_compute": "superres",
    "sr_vs_cost": "superres",
    "sr_samples": "superres",
    "dreambooth": "dreambooth",
    "dreambooth_samples": "dreambooth",
    "dreambooth_scores": "dreambooth",
    "stitch": "stitch",
    "stitch_vs_cost": "stitch",
    "param_budget": "param_budget",
    "param_budget_splits": "param_budget",
}
"""what a study needs, or there is nothing to draw or to write"""


def of_study(names: list[str], study: Study) -> list[str]:
    """Of figures or tables those that a study has: without what it has nothing for."""
    return [name for name in names if name not in _NEEDS or attrgetter(_NEEDS[name])(study)]
