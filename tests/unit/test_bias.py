"""The section `bias`: its checks, its cells, its table and its figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from claim_worlds import of_tones
from drawn import no_overlap
from plans import changed, study_of

from ldm_scaling.figures.bias_vs_cost import at_equal_cost, draw
from ldm_scaling.kinds.arms import BALANCED_TRAINING, BEST_OF_TWO, GUIDED, PLAIN
from ldm_scaling.study.fields import StudyError
from ldm_scaling.tables.bias import BIAS, DISCREPANCY, bias_table
from ldm_scaling.tables.values import Values
from ldm_scaling.workflow import stages
from ldm_scaling.workflow.specs.bias import BiasSweepSpec
from ldm_scaling.workflow.specs.data import PrepareSpec
from ldm_scaling.workflow.specs.models import PretrainSpec

SECTION = {
    "n": 128,
    "steps": [8, 4],
    "guidance": [6, 1],
    "removed_at": 6,
    "strengths": [10, 1],
    "noises": 1,
    "penalty": 1,
    "trees": 10,
}


def study(**keys):
    return changed(data={"skin_tones": {"share": 0.8}}, bias=SECTION | keys)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"removed_at": 3}, "bias.removed_at: 3 is not in guidance"),
        ({"group": 60}, "bias.group: 60 does not divide n"),
        ({"n": 64}, "bias.n: must be larger than the components"),
        ({"steps": [2000]}, "bias.steps: 2000 steps are more than"),
        ({"balanced": ["c13"]}, "bias.balanced: c13 is not in family.sizes"),
        ({"seeds": [1]}, "bias.seeds: 1 is not in training.seeds"),
    ],
)
def test_what_does_not_fit_is_one_line(keys, message):
    with pytest.raises(StudyError, match=r"^config key bias") as error:
        study(**keys)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_tones_are_needed():
    with pytest.raises(StudyError, match="config key bias: needs drawings whose tones"):
        changed(bias=SECTION)


def test_cells_are_the_grid_and_each_way_where_the_bias_is_removed():
    spec = BiasSweepSpec.of(study(), "bias", "ddim")
    names = [cell.name for cell in spec.cells]
    plain = [f"steps{steps}_guidance{scale}" for steps in (4, 8) for scale in (1, 6)]
    ways = ["strength1", "strength10", "candidates2"]
    assert names == plain + [f"steps{steps}_guidance6_{way}" for steps in (4, 8) for way in ways]
    assert {(cell.n, cell.seed) for cell in spec.cells} == {(128, 0)}
    balanced = BiasSweepSpec.of(study(), "bias_balanced", "ddim")
    assert [cell.name for cell in balanced.cells] == plain
    with pytest.raises(StudyError, match=r"bias.sampler: it is ddim, not ddpm"):
        BiasSweepSpec.of(study(), "bias", "ddpm")


def test_the_smallest_size_is_also_trained_with_balanced_tones():
    own = study()
    assert stages.balanced(own) == [("c12", 0)]
    assert stages.balanced(study(balanced=[])) == []
    assert stages.toned(own)[-1] == ("bias_balanced", "c12", 0) and len(stages.toned(own)) == 5
    ours = PretrainSpec.of(own, "c12", 0)
    assert PretrainSpec.of_balanced(own, "c12", 0) == ours.model_copy(
        update={"stage": "bias_balanced"}
    )


def test_studies_without_the_section_have_the_specs_that_they_had():
    spec = PrepareSpec.of(study_of()).model_dump_json()
    assert '"skin_tones":"drop"' in spec


FAMILY = pd.DataFrame(
    {"size": ["c8", "c16"], "channels": [8, 16], "params": [1e6, 4e6], "gflops": [1.0, 4.0]}
    | {"normalized_cost": [0.25, 1.0], "text_gflops": 0.1, "decoder_gflops": 2.0}
    | {"caption_gflops": 0.5}
)


def test_costs_count_both_candidates():
    rows = [
        ("bias", PLAIN, np.nan, 4, 8),
        ("bias", GUIDED, 3.0, 4, 8),
        ("bias", BEST_OF_TWO, np.nan, 4, 16),
        ("bias_balanced", PLAIN, np.nan, 4, 8),
    ]
    measured = pd.DataFrame(rows, columns=["stage", "arm", "strength", "steps", "nfe"]).assign(
        size="c16", seed=0, sampler="ddim", guidance=3.0, trained=1.0, metric=DISCREPANCY
    )
    measured = measured.assign(value=0.3, lo=0.2, hi=0.4, n=64, seconds=0.1, status="ok")
    table = bias_table(measured, FAMILY, 0.8, 0.5).set_index("arm")
    assert list(table.reset_index()[BIAS].columns) == BIAS
    assert table["sampling_cost"].to_dict() == {
        PLAIN: 4,
        GUIDED: 4,
        BEST_OF_TWO: 8,
        BALANCED_TRAINING: 4,
    }
    assert table.loc[BEST_OF_TWO, "guided_cost"] == 2 * table.loc[GUIDED, "guided_cost"] == 16
    texts_and_decoder = 2 * (0.1 + 0.5) + 2
    assert table.loc[PLAIN, "total_cost"] == pytest.approx((8 * 3.9 + texts_and_decoder) / 4)
    assert table.loc[GUIDED, "total_cost"] == table.loc[PLAIN, "total_cost"]
    again = 2 * 0.1  # the keys and values of both texts; the decoder sees one image
    assert table.loc[BEST_OF_TWO, "total_cost"] == pytest.approx(
        (16 * 3.9 + again + texts_and_decoder) / 4
    )
    assert table["training_share"].to_dict()[BALANCED_TRAINING] == 0.5


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_figure_compares_what_costs_the_same(seeds):
    generator = np.random.default_rng(0)
    found = of_tones(
        lambda r: 0.03 * r["z"] - 0.02 * r["strength"].fillna(0),
        lambda r: 0.01 * r["strength"].fillna(0),
        seeds,
        0.002,
        False,
        generator,
    )
    values = [found[DISCREPANCY], found["fid"]]
    values = [with_best_of_two(own) for own in values]
    figure = draw((values[0], values[1]), 0.95)
    no_overlap(figure)
    left, right = figure.axes[:2]
    sizes = values[0].rows["size"].unique()
    for size in sizes:
        for scale in (1, 3, 6):
            assert any(own.get_label() == f"{size}, {scale}" for own in left.containers)
        (path,) = (line for line in right.lines if line.get_label() == f"{size}, guided")
        assert len(path.get_xdata()) == 3, "as trained, and two strengths"
        assert (np.diff(path.get_xdata()) < 0).all() and (np.diff(path.get_ydata()) > 0).all()
    assert "Fairness discrepancy" in left.get_ylabel() and "FD" not in left.get_ylabel()


def with_best_of_two(values):
    """The cells, and two candidates of the plain ones with guidance, at twice the cost."""
    plain = values.where((values.rows["arm"] == PLAIN) & (values.rows["guidance"] == 3))
    rows = plain.rows.assign(arm=BEST_OF_TWO, guided_cost=2 * plain.rows["guided_cost"])
    both = pd.concat([values.rows, rows], ignore_index=True)
    return Values(both, np.concatenate([values.draws, plain.draws]))


def test_best_of_two_has_half_of_the_steps_at_equal_cost():
    generator = np.random.default_rng(0)
    found = of_tones(lambda r: 0 * r["z"], lambda r: 0 * r["z"], 1, 0.002, False, generator)
    both = [with_best_of_two(found[name]) for name in (DISCREPANCY, "fid")]
    tables = [own.rows.assign(value=own.draws[:, 0], lo=0.0, hi=1.0) for own in both]
    own, scale = at_equal_cost(*tables)
    assert scale == 3
    steps = own.groupby("arm")["steps"].unique().map(list).to_dict()
    assert steps == {PLAIN: [8], GUIDED: [8], BEST_OF_TWO: [4]}
