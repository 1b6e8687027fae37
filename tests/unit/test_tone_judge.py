"""How tones are judged, and how shares are corrected for the judge's errors."""

from __future__ import annotations

import numpy as np
import pytest

from ldm_scaling.cells.judge_tones import errors_table
from ldm_scaling.cells.measure_bias import tone_metrics
from ldm_scaling.cells.tones import (
    LEVELS,
    Judge,
    corrected,
    fairness_discrepancy,
    histograms,
)
from ldm_scaling.workflow.specs.bias import JudgeSpec

KNOWN = np.array([[[45.0, 5.0], [12.0, 48.0]]])
"""a judge that takes one in ten light images for dark, and one in five dark ones for light"""


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


def test_shares_that_errors_alone_explain_are_clipped():
    np.testing.assert_allclose(corrected(np.array([[0.1, 0.9]]), KNOWN), [[0.0, 1.0]])


def test_the_discrepancy_is_the_distance_from_the_reference():
    shares = np.array([[0.8, 0.2], [0.5, 0.5]])
    expected = [np.hypot(0.3, 0.3), 0]
    np.testing.assert_allclose(fairness_discrepancy(shares, np.array([0.5, 0.5])), expected)


def test_the_interval_contains_what_the_judge_does_not_know():
    generator = np.random.default_rng(0)
    judged = np.arange(400) < 400 * (0.75 * 0.9 + 0.25 * 0.2)
    weights = generator.multinomial(400, np.full(400, 1 / 400), size=300).astype(float)
    sure = np.repeat(KNOWN, 301, axis=0)
    few = sure.copy()
    for row, counts in enumerate(KNOWN[0]):
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


@pytest.fixture(scope="module")
def judge():
    """A judge of images that are bright or dark, in 40 concepts; one in eight is mislabelled."""
    generator = np.random.default_rng(1)
    light = np.arange(320) % 2 == 0
    levels = np.where(light, 200, 60)[:, None, None, None]
    images = np.clip(levels + generator.normal(0, 12, (320, 3, 4, 4)), 0, 255).astype(np.uint8)
    concepts = [f"{number // 8:02d}" for number in range(320)]
    known = np.arange(320) < 160
    wrong = ~known & (np.arange(320) % 16 == 0)  # of the light ones that it was not fitted to
    return Judge(histograms(images), light ^ wrong, concepts, known, trees=30, seed=0)


def test_errors_are_counted_on_concepts_that_the_judge_has_not_seen(judge):
    names, counts = judge.errors
    assert names == sorted(set(judge.concepts[160:])) and counts.sum() == 160
    # 10 drawings that are bright are called dark: dark ones that are judged light
    np.testing.assert_array_equal(counts.sum(axis=0), [[70, 0], [10, 80]])
    drawn = judge.confusions(200, 0)
    np.testing.assert_array_equal(drawn[0], counts.sum(axis=0))
    assert drawn[1:, 1, 0].std() > 0 and (drawn.sum(axis=(1, 2)) == 160).all(), "whole concepts"


def test_the_table_has_the_confusion_with_intervals(judge):
    spec = JudgeSpec(seed=0, trees=30, bootstrap=200, confidence=0.95)
    table = errors_table(judge, spec).set_index(["tone", "judged"])
    assert table.loc[("dark", "light"), "value"] == pytest.approx(10 / 90)
    assert table.loc[("dark", "light"), "lo"] < 10 / 90 < table.loc[("dark", "light"), "hi"]
    assert table.loc[("light", "dark"), "value"] == 0
    assert set(table["images"]) == {70, 90} and set(table["concepts"]) == {20}
