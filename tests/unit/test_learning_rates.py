"""Learning rates that follow the size of a model."""

import pytest
from studies import put

from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.specs.models import PretrainSpec


def study_with(config, by_size):
    put(config, "training.lr_by_size", by_size)
    return load_study(config)


def rates(config, by_size):
    study = study_with(config, by_size)
    return {size: PretrainSpec.of(study, size, 0).training.lr for size in study.family.sizes}


def test_all_sizes_share_one_rate(pocket_config):
    assert set(rates(pocket_config, None).values()) == {0.001}
    spec = PretrainSpec.of(load_study(pocket_config), "c12", 0).model_dump_json()
    assert "lr_by_size" not in spec


def test_sizes_have_rates_of_their_own(pocket_config):
    found = rates(pocket_config, {"c12": 0.002, "c48": 0.0005})
    assert found == {"c12": 0.002, "c20": 0.001, "c32": 0.001, "c48": 0.0005}


def test_a_rate_is_a_power_of_the_width(pocket_config):
    found = rates(pocket_config, {"power": -1})
    assert found == pytest.approx({"c12": 0.004, "c20": 0.0024, "c32": 0.0015, "c48": 0.001})


def test_a_rate_of_a_size_that_the_family_lacks_is_one_line(pocket_config):
    with pytest.raises(StudyError, match=r"training\.lr_by_size: c64 is not in family\.sizes"):
        rates(pocket_config, {"c64": 0.002})


def test_another_rate_of_one_size_trains_that_size_only(pocket_config):
    before, after = (study_with(pocket_config, own) for own in (None, {"c12": 0.002}))
    changed = [
        size
        for size in before.family.sizes
        if PretrainSpec.of(before, size, 0) != PretrainSpec.of(after, size, 0)
    ]
    assert changed == ["c12"]
