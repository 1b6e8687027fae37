"""How tones are judged, and how shares are corrected for the judge's errors."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from plans import changed

from ldm_scaling.cells.comparison import Prompts
from ldm_scaling.cells.judge_tones import errors_table
from ldm_scaling.cells.measure_bias import references_of, tone_metrics
from ldm_scaling.cells.metrics.divisions import Divisions
from ldm_scaling.cells.tones import (
    COUNT,
    LEVELS,
    Judge,
    corrected,
    fairness_discrepancy,
    histograms,
)
from ldm_scaling.data.sources.tones import CLASSES, class_of
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.study.metrics import FEATURES
from ldm_scaling.workflow.specs.bias import JudgeSpec

KNOWN = np.array([[[45.0, 5.0], [12.0, 48.0]]])
"""a judge that takes one in ten light images for dark, and one in five dark ones for light"""
BESIDE = np.array([[45.0, 5.0, 0.0], [12.0, 48.0, 0.0], [0.0, 0.0, 50.0]])
"""what a judge finds that always knows other images"""
RATES = np.array([[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.15, 0.05, 0.8]])
"""what a judge takes light, dark and other images for, which takes some for another class"""
COLOURS = {"light": (230, 190, 170), "dark": (110, 70, 50), "yellow": (250, 200, 50)}
COLOURS |= {"tone 3": (190, 140, 100)}


def test_a_histogram_has_the_shares_of_colours():
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8), dtype=np.uint8)
    edges = [np.arange(LEVELS + 1) * 256 / LEVELS] * 3
    for image, found in zip(images, histograms(images), strict=True):
        expected, _ = np.histogramdd(image.reshape(3, -1).T, bins=edges)
        np.testing.assert_array_equal(found, expected.ravel() / 64)


@pytest.mark.parametrize("light", [0.0, 0.37, 0.5, 1.0])
def test_shares_are_corrected_for_a_known_confusion(light):
    judged = light * 0.9 + (1 - light) * 0.2
    found = corrected(np.array([[judged, 1 - judged]]), KNOWN)
    np.testing.assert_allclose(found, [[light, 1 - light]], atol=1e-12)


def test_three_classes_are_corrected_too():
    rates = np.array([[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.0, 0.1, 0.9]])
    shares = np.array([0.2, 0.5, 0.3])
    np.testing.assert_allclose(corrected(shares @ rates, 50 * rates), shares)


def test_a_judge_that_cannot_tell_classes_apart_gives_no_shares():
    alike = np.array([[5.0, 5.0, 0.0], [5.0, 5.0, 0.0], [0.0, 1.0, 9.0]])
    lacking = np.array([[5.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 9.0]])
    judged = np.full((3, 3), 1 / 3)
    found = corrected(judged, np.stack([alike, 50 * RATES, lacking]))
    assert np.isnan(found[[0, 2]]).all()
    np.testing.assert_allclose(found[1] @ RATES, judged[1])


def test_shares_that_errors_alone_explain_are_clipped():
    np.testing.assert_allclose(corrected(np.array([[0.1, 0.9]]), KNOWN), [[0.0, 1.0]])


def test_the_discrepancy_is_the_distance_from_the_reference():
    shares = np.array([[0.8, 0.2], [0.5, 0.5]])
    expected = [np.hypot(0.3, 0.3), 0]
    np.testing.assert_allclose(fairness_discrepancy(shares, np.array([0.5, 0.5])), expected)


def test_the_interval_contains_what_the_judge_does_not_know():
    generator = np.random.default_rng(0)
    judged = (np.arange(400) >= 400 * (0.75 * 0.9 + 0.25 * 0.2)).astype(int)
    weights = generator.multinomial(400, np.full(400, 1 / 400), size=300).astype(float)
    sure = np.repeat(BESIDE[None], 301, axis=0)
    few = sure.copy()
    for row, counts in enumerate(BESIDE):
        few[1:, row] = generator.multinomial(counts.sum(), counts / counts.sum(), size=300)
    own = [tone_metrics(judged, known, weights, 0.5, 0.95) for known in (sure, few)]
    for found in own:
        share = found["light_share"]
        assert share.value == pytest.approx(0.75, abs=0.005) and share.lo < 0.75 < share.hi
        assert found["fairness_discrepancy"].value == pytest.approx(np.sqrt(2) * 0.25, abs=0.006)
    widths = [found["light_share"].hi - found["light_share"].lo for found in own]
    assert widths[1] > 1.3 * widths[0]
    expected = np.sqrt(0.725 * 0.275 / 400) / 0.7  # of the judged share, over what a share moves it
    assert widths[0] == pytest.approx(2 * 1.96 * expected, rel=0.15)


def images_of(colour, count, generator):
    """Images of a colour, with noise."""
    pixels = np.array(COLOURS[colour])[:, None, None] + generator.normal(0, 12, (count, 3, 4, 4))
    return np.clip(pixels, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def judge():
    """A judge of 40 concepts in each colour; some light ones that it is not fitted to are wrong."""
    generator = np.random.default_rng(1)
    shown = ["light", "dark", "yellow", "light", "dark", "tone 3"] * 40
    images = np.concatenate([images_of(colour, 1, generator) for colour in shown])
    names = [*CLASSES]
    classes = np.array([names.index(own) if own in names else 2 for own in shown])
    concepts = [f"{number // 6:02d}" for number in range(240)]
    known = np.arange(240) < 120
    wrong = ~known & (np.arange(240) % 12 == 0)
    classes[wrong] = names.index("dark")
    return Judge(histograms(images), classes, concepts, known, trees=30, seed=0)


def test_errors_are_counted_on_concepts_that_the_judge_has_not_seen(judge):
    names, counts = judge.errors
    assert names == sorted(set(judge.concepts[120:])) and counts.sum() == 120
    # 10 drawings that are light are called dark: dark ones that are judged light
    confusion = [[30, 0, 0], [10, 40, 0], [0, 0, 40]]
    np.testing.assert_array_equal(counts.sum(axis=0), confusion)
    drawn = judge.confusions(200, 0)
    np.testing.assert_array_equal(drawn[0], confusion)
    assert drawn[1:, 1, 0].std() > 0 and (drawn.sum(axis=(1, 2)) == 120).all(), "whole concepts"


def test_the_table_has_the_confusion_with_intervals(judge):
    spec = JudgeSpec(seed=0, trees=30, bootstrap=200, confidence=0.95)
    table = errors_table(judge, spec).set_index(["tone", "judged"])
    assert len(table) == COUNT**2 and table.index.levels[0].equals(table.index.levels[1])
    assert table.loc[("dark", "light"), "value"] == pytest.approx(10 / 50)
    assert table.loc[("dark", "light"), "lo"] < 10 / 50 < table.loc[("dark", "light"), "hi"]
    assert table.loc[("light", "dark"), "value"] == 0
    assert table.loc[("other", "other"), "value"] == 1
    counts = table["images"].groupby("tone").unique().map(list).to_dict()
    assert counts == {"light": [30], "dark": [50], "other": [40]}
    assert set(table["concepts"]) == {20}


def metrics_of(judged, confusion, draws=20):
    """The metrics of images as they are judged; every resample is of all images once."""
    confusions = np.repeat(np.asarray(confusion, float)[None], draws + 1, axis=0)
    return tone_metrics(np.asarray(judged), confusions, np.ones((draws, len(judged))), 0.5, 0.95)


def test_every_tone_is_of_a_class():
    assert [[*CLASSES][class_of(tone)] for tone in range(6)] == [
        *("other", "light", "light", "other", "dark", "dark")
    ]


def test_shares_of_three_classes_are_those_that_were_planted():
    planted = np.array([300, 100, 600]) / 1000
    judged = np.repeat(range(COUNT), np.rint(1000 * planted @ RATES).astype(int))
    found = metrics_of(judged, 1000 * RATES)
    assert found["light_share"].value == pytest.approx(0.75)
    assert found["other_share"].value == pytest.approx(0.6)
    assert found["fairness_discrepancy"].value == pytest.approx(np.sqrt(2) * 0.25)


@pytest.mark.parametrize("colour", ["yellow", "tone 3"])
def test_images_of_neither_tone_do_not_move_the_share_of_light_ones(judge, colour):
    generator = np.random.default_rng(2)
    both = [images_of("light", 30, generator), images_of("dark", 70, generator)]
    found = {}
    for count in (0, 300):
        images = np.concatenate([*both, images_of(colour, count, generator)])
        found[count] = metrics_of(judge(histograms(images)), np.eye(COUNT))
        assert found[count]["other_share"].value == pytest.approx(count / (100 + count))
    for name in ("light_share", "fairness_discrepancy"):
        assert found[300][name].value == pytest.approx(found[0][name].value)
    assert found[300]["light_share"].value == pytest.approx(0.3)


def test_without_a_light_or_dark_image_there_is_no_share():
    judged = np.repeat(range(COUNT), np.rint(1000 * RATES[2]).astype(int))
    found = metrics_of(judged, 1000 * RATES)
    assert found["other_share"].value == pytest.approx(1)
    for name in ("light_share", "fairness_discrepancy"):
        assert np.isnan([found[name].value, found[name].lo, found[name].hi]).all()


def test_features_are_compared_with_light_and_dark_drawings_alone(tmp_path):
    drawings = [(concept, tone) for concept in "abcdefghij" for tone in range(6)]
    lines = [f"{number},{concept},{tone}" for number, (concept, tone) in enumerate(drawings)]
    (tmp_path / "tones.csv").write_text("\n".join(["index,concept,tone", *lines]) + "\n")
    features = np.random.default_rng(0).normal(size=(len(drawings), 3)).astype("f4")
    write_arrays(tmp_path / "features", {FEATURES: features}, "")
    metrics = {"extractors": [{"name": "effnet_lite0", "input_size": 32, "components": None}]}
    prompts = [*"acdefghi"] * 2
    spec = SimpleNamespace(metrics=changed(metrics=metrics).metrics, seed=0)
    asked = Prompts(prompts, np.ones((spec.metrics.bootstrap, 16)), Divisions(prompts, 0))
    found = references_of(tmp_path / "features", tmp_path / "tones.csv", spec, asked)
    rows = [at for at, own in enumerate(drawings) if own[0] in prompts and own[1] in (1, 2, 4, 5)]
    np.testing.assert_array_equal(found["effnet_lite0"].features, features[rows])
    assert list(found["effnet_lite0"].concepts) == sorted(4 * prompts[:8])
