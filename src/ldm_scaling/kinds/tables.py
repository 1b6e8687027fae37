"""The tables: an entry each. A table is its command, its caption in report/, its entry.

Names are strings, so that this imports no command and no command depends on it. Words of `out`,
`files` and `settings` are separated by spaces. Each is the name of an option and of what the option
is given; OPTION=WORD gives another word. Tables that are unlike have rules of their own.
"""

from __future__ import annotations

from typing import NamedTuple


class Table(NamedTuple):
    """A rule that writes tables, and what a study gives it."""

    name: str
    """of its rule"""
    module: str
    """of its command, below the package"""
    out: str
    """files below the study's results"""
    files: str
    """words that `workflow.files` knows"""
    settings: str = ""
    """words that `workflow.settings` knows, or keys of the study"""
    shown: str = ""
    """settings that only the caption names"""
    needs: str | None = None
    """section or property of a study without which there is nothing to write"""
    memory: int = 2000
    """MB"""
    minutes: int = 20


_BY = "confidence=metrics.confidence"
_COMPARED = f"metric {_BY}"
_FIXED = "steps=sampling.fixed.steps guidance=sampling.fixed.guidance"

TABLES = (
    Table(
        "leakage",
        "tables.leakage",
        "out=tables/leakage.csv",
        "train=train_images validation=validation_images test=test_images",
        needs="compares_with_training",
        memory=4000,
    ),
    Table(
        "floors",
        "cells.floors",
        "out=tables/floors.csv",
        "reference=test_features real=validation_features reconstruction=reconstruction_features"
        " captions real_captions=validation_captions clip_like",
        "spec=measure_spec",
        needs="compares_with_images",
        memory=8000,
        minutes=60,
    ),
    Table(
        "concatenate",
        "tables.concatenate",
        "cells_out=tables/cells.csv best_out=tables/best.csv",
        "cells=every_cells best=every_best",
        shown="select_by=metric",
    ),
    Table(
        "frontier_table",
        "tables.frontier",
        "out=tables/frontier.csv envelope_out=tables/envelope.csv levers_out=tables/levers.csv",
        "cells=frontier_cells stitch=stitch_and_draws candidates=candidates_and_draws"
        " inversion=inversion_and_draws",
        f"metrics=selecting_first {_BY}",
    ),
    Table(
        "fits",
        "tables.fits",
        "out=tables/fits.csv",
        "cells=fixed_cells floors",
        f"{_FIXED} {_BY} images=training.images",
        needs="trains",
    ),
    Table(
        "fixed_setting",
        "tables.fixed_setting",
        "out=tables/fixed_setting.csv",
        "cells=fixed_cells",
        f"spec=cost_spec {_FIXED} {_BY}",
    ),
    Table(
        "claims",
        "claims.decide",
        "table_out=tables/claims.csv text_out=claims.md",
        "cells=claimed_cells dreambooth=dreambooth_and_draws stitch=stitch_and_draws"
        " searches=search_cost_if_searched param_budget=param_budget_and_draws"
        " bias=bias_and_draws candidates=candidates_and_draws inversion=inversion_and_draws"
        " family floors",
        "spec=claims_spec",
    ),
    Table(
        "crossovers",
        "tables.curves",
        "out=tables/crossovers.csv",
        "cells=all_sizes_cells",
        _COMPARED,
    ),
    Table(
        "rank_sizes",
        "tables.metric_agreement",
        "ranking_out=tables/metric_ranking.csv out=tables/metric_agreement.csv",
        "cells=samplers_cells",
        f"metrics=every_metric select_by=metric budgets=figures.budgets {_BY}",
        needs="compares_metrics",
    ),
    Table(
        "acceleration",
        "tables.acceleration",
        "out=tables/acceleration.csv",
        "cells=student_cells",
        _COMPARED,
        "undistilled=sampling.fixed.sampler few",
        needs="has_students",
    ),
    Table(
        "replay_searches",
        "tables.search_cost",
        "out=tables/search_cost.csv",
        "cells=searched_cells reference=searched_reference",
        "spec=search_cost_spec",
        needs="has_every_scale",
        memory=8000,
        minutes=240,
    ),
    Table(
        "stitch",
        "tables.stitch",
        "out=tables/stitch.csv draws_out=tables/stitch/draws.safetensors",
        "metrics=stitched_metrics family",
        "select_by=metric guidance=scales training_sd=metrics.training_sd",
        "sampler=stitch_sampler",
        needs="stitch",
    ),
    Table(
        "inversion_table",
        "tables.inversion",
        "out=tables/inversion.csv draws_out=tables/inversion/draws.safetensors",
        "metrics=inverted_metrics family verifier",
        "spec=inversion_costs select_by=metric training_sd=metrics.training_sd",
        needs="inversion",
    ),
    Table(
        "dreambooth_table",
        "tables.dreambooth",
        "table_out=tables/dreambooth.csv draws_out=tables/dreambooth/draws.safetensors",
        "scores=every_subject_scores subjects family",
        f"sampler=sampling.fixed.sampler {_FIXED} {_BY} bootstrap=metrics.bootstrap seed",
        needs="dreambooth",
    ),
    Table(
        "superres",
        "tables.superres",
        "out=tables/superres.csv",
        "baselines=superres_baselines cells=superres_cells",
        f"steps=superres.fixed_steps {_BY}",
        needs="superres",
    ),
    Table(
        "components_table",
        "tables.components",
        "out=tables/components.csv",
        "counts=component_counts seconds=component_seconds",
        _FIXED,
    ),
    Table(
        "param_budget_table",
        "tables.param_budget",
        "table_out=tables/param_budget.csv splits_out=tables/param_budget_splits.csv"
        " draws_out=tables/param_budget/draws.safetensors",
        "metrics=pair_metrics counts=pair_counts",
        "spec=param_budget_spec",
        needs="param_budget",
    ),
    Table(
        "noise_bands",
        "tables.noise_bands",
        "out=tables/noise_bands.csv",
        "losses=noise_losses captions=validation_captions",
        f"{_BY} images=training.images bootstrap=metrics.bootstrap seed",
        needs="trains",
    ),
    Table(
        "bias",
        "tables.bias",
        "out=tables/bias.csv draws_out=tables/bias/draws.safetensors",
        "metrics=toned_metrics family",
        "select_by=metric share=data.skin_tones.share reference=bias.reference"
        " training_sd=metrics.training_sd",
        needs="bias",
    ),
    Table(
        "candidates_table",
        "tables.candidates",
        "out=tables/candidates.csv draws_out=tables/candidates/draws.safetensors",
        "metrics=candidates_metrics family verifier",
        "select_by=metric training_sd=metrics.training_sd",
        "alignment=metrics.alignment",
        needs="candidates",
    ),
)
WRITTEN_OUT = {"family": None, "retrieval": "metrics.clip_like", "superres_baselines": "superres"}
WRITTEN_OUT |= {"tone_judge": "bias"}
"""tables of `all` whose rules are written out, and what each needs"""
