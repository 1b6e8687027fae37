"""Learning rates that follow the size of a model."""

import pytest
from snakemake.utils import update_config

from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.specs.models import PretrainSpec


def study_with(config, **training):
    """The study with an overlay that has these keys of training."""
    update_config(config, {"training": training})
    return load_study(config)


def rates(config, **training):
    study = study_with(config, **training)
    return {size: PretrainSpec.of(study, size, 0).training.lr for size in study.family.sizes}


def test_all_sizes_share_one_rate(pocket_config):
    assert set(rates(pocket_config, lr_power=None).values()) == {0.001}
    spec = PretrainSpec.of(load_study(pocket_config), "c12", 0).model_dump_json()
    assert "lr_by_size" not in spec and "lr_power" not in spec


def test_a_rate_is_a_power_of_the_width(pocket_config):
    found = rates(pocket_config, lr_power=-1)
    assert found == pytest.approx({"c12": 0.004, "c20": 0.0024, "c32": 0.0015, "c48": 0.001})


def test_sizes_have_rates_of_their_own(pocket_config):
    found = rates(pocket_config, lr_power=-1, lr_by_size={"c12": 0.002, "c48": 0.0005})
    assert found == pytest.approx({"c12": 0.002, "c20": 0.0024, "c32": 0.0015, "c48": 0.0005})


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"lr_by_size": {"c64": 0.002}}, r"training\.lr_by_size: c64 is not in family\.sizes"),
        ({"lr_by_size": {"c12": 0}}, r"training\.lr_by_size\.c12: .*greater than 0"),
        ({"lr_power": -400}, r"training\.lr_power: .*greater than or equal to -4"),
    ],
)
def test_a_wrong_rate_is_one_line(pocket_config, training, message):
    with pytest.raises(StudyError, match=message):
        rates(pocket_config, **training)


def test_another_rate_of_one_size_trains_that_size_only(pocket_config):
    before = load_study(pocket_config)
    after = study_with(pocket_config, lr_by_size={"c12": 0.002})
    changed = [
        size
        for size in before.family.sizes
        if PretrainSpec.of(before, size, 0) != PretrainSpec.of(after, size, 0)
    ]
    assert changed == ["c12"]
