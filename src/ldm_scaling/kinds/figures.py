"""The figures: an entry each. A figure is a module in figures/, its caption in report/, its entry.

Names are strings, so that this imports no figure and no figure depends on it. Words of `files` and
`settings` are separated by spaces. Each is the name of an option and of what the option is given;
OPTION=WORD gives another word.
"""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """A figure, and what a study gives it."""

    name: str
    """of its module, rule, files and caption"""
    category: str
    """in the report"""
    files: str
    """words that `workflow.files` knows"""
    settings: str = ""
    """words that `workflow.settings` knows, or keys of the study"""
    shown: str = ""
    """settings that only the caption names"""
    needs: str | None = None
    """section or property of a study without which there is nothing to draw"""
    by_default: bool = True
    """whether `all` makes it, or only a request by its name"""


COST, GUIDANCE, TRAINING = "Quality and cost", "Guidance", "Training"
STUDENTS, FAMILY, SUPERRES = "Distillation", "Model family", "Super-resolution"
SAMPLES, SUBJECTS = "Samples", "DreamBooth"

_BY = "confidence=metrics.confidence"
_COMPARED = f"metric {_BY}"
_BUDGETS = "budgets=figures.budgets"
_PROMPTS = "prompts=figures.prompts"
_SAMPLER = "sampler=sampling.fixed.sampler"
_FIXED = "steps=sampling.fixed.steps guidance=sampling.fixed.guidance"
_SUPERRES = "steps=superres.fixed_steps"
_UNDISTILLED = "undistilled=sampling.fixed.sampler"

FIGURES = (
    Figure("frontier", COST, "frontier envelope levers", "metric"),
    Figure("fid_vs_cost", COST, "cells floors", f"{_COMPARED} {_BUDGETS}", "sampler"),
    Figure("fid_vs_guided_cost", COST, "cells floors", _COMPARED, "sampler"),
    Figure("fid_vs_seconds", COST, "cells floors", _COMPARED, "sampler"),
    Figure("samplers_vs_cost", COST, "cells=samplers_cells floors", _COMPARED),
    Figure(
        "schedules_vs_cost",
        COST,
        "cells=schedule_cells floors",
        _COMPARED,
        "sampler",
        needs="sampling.other_schedules",
    ),
    Figure(
        "metric_agreement",
        COST,
        "ranking=metric_ranking agreement=metric_agreement",
        "sampler",
        needs="compares_metrics",
    ),
    Figure(
        "guidance_sweep", GUIDANCE, "cells floors", _COMPARED, "sampler", needs="has_every_scale"
    ),
    Figure(
        "guidance_interaction",
        GUIDANCE,
        "cells floors",
        f"{_COMPARED} sizes=guidance_sizes",
        "sampler",
        needs="has_every_scale",
    ),
    Figure(
        "train_compute",
        TRAINING,
        "cells=fixed_cells floors fits",
        f"metrics {_FIXED} {_BY} images=training.images",
        needs="trains",
    ),
    Figure(
        "distill_gain",
        STUDENTS,
        "cells=student_cells floors",
        _COMPARED,
        f"{_UNDISTILLED} few",
        needs="has_students",
    ),
    Figure(
        "distill_vs_cost",
        STUDENTS,
        "cells=student_cells floors",
        _COMPARED,
        _UNDISTILLED,
        needs="has_students",
    ),
    Figure(
        "scott_vs_cost",
        STUDENTS,
        "cells=consistency_cells floors",
        f"{_COMPARED} coverage=metrics.coverage",
        needs="arms",
    ),
    Figure(
        "guided_distill_gain",
        STUDENTS,
        "cells=guided_student_cells floors",
        _COMPARED,
        _UNDISTILLED,
        needs="guided_distill",
    ),
    Figure(
        "sr_compute",
        SUPERRES,
        "cells=superres_cells baselines=superres_baselines",
        f"metrics=superres_metrics {_SUPERRES} {_BY} images=superres.images",
        needs="superres",
    ),
    Figure(
        "sr_vs_cost",
        SUPERRES,
        "cells=finetuned_cells baselines=superres_baselines",
        _COMPARED,
        needs="superres",
    ),
    Figure("model_family", FAMILY, "family"),
    Figure("components", FAMILY, "components"),
    Figure(
        "param_budget",
        FAMILY,
        "pairs=param_budget splits=param_budget_splits",
        needs="param_budget",
    ),
    Figure(
        "guidance_samples",
        SAMPLES,
        "images=guidance_images best=fixed_best captions",
        f"{_SAMPLER} seed=first_seed steps=steps_near_fixed guidance=scales {_PROMPTS}",
        "sizes=guidance_sizes",
        needs="has_every_scale",
    ),
    Figure(
        "size_samples",
        SAMPLES,
        "images=fixed_images real=test_images captions family",
        f"{_SAMPLER} {_FIXED} unguided {_PROMPTS}",
    ),
    Figure(
        "equal_cost_samples",
        SAMPLES,
        "images=illustrations captions family",
        f"{_SAMPLER} {_PROMPTS}",
    ),
    Figure(
        "prompt_interpolation",
        SAMPLES,
        "images=illustrations captions family",
        f"{_SAMPLER} {_FIXED} unguided {_PROMPTS}",
    ),
    Figure(
        "distill_samples",
        STUDENTS,
        "images=images_before_distillation students=student_images best=fixed_best"
        " best_students=student_best captions family",
        f"seed=first_seed steps=few_and_most_steps {_PROMPTS}",
        f"{_UNDISTILLED} few",
        needs="has_students",
    ),
    Figure(
        "sr_samples",
        SUPERRES,
        "images=superres_images enlarged=superres_enlarged originals=superres_originals"
        " captions=superres_captions family",
        f"{_SAMPLER} {_SUPERRES} {_PROMPTS}",
        needs="superres",
    ),
    Figure(
        "dreambooth_samples",
        SUBJECTS,
        "images=subject_scores real=subject_images subjects family",
        f"prompts=dreambooth.prompts {_SAMPLER} {_FIXED}",
        needs="dreambooth",
    ),
    Figure(
        "dreambooth_scores",
        SUBJECTS,
        "table=dreambooth draws=dreambooth_draws",
        _BY,
        _SAMPLER,
        needs="dreambooth",
    ),
    Figure(
        "stitch_vs_cost",
        COST,
        "cells=cells_beside_stitch stitch=stitch_and_draws floors",
        _COMPARED,
        "sampler=stitch_sampler",
        needs="stitch",
    ),
    Figure("bias_vs_cost", COST, "bias=bias_and_draws", _COMPARED, needs="bias"),
    Figure(
        "curriculum_vs_cost",
        TRAINING,
        "cells=curriculum_cells bands=noise_bands floors",
        _COMPARED,
        _SAMPLER,
        needs="curriculum",
    ),
    Figure(
        "candidates_vs_cost",
        COST,
        "candidates=candidates_and_draws",
        f"{_COMPARED} verifier=metrics.alignment",
        needs="candidates",
    ),
    Figure(
        "inversion",
        COST,
        "inversion=inversion_and_draws candidates=candidates_and_draws",
        f"metrics=inversion_metrics {_BY}",
        needs="inversion",
    ),
    Figure("search_cost", GUIDANCE, "searches=search_cost", needs="has_every_scale"),
    Figure("latency_vs_cost", COST, "latency family", by_default=False),
)
