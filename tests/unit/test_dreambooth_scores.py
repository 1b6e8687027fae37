"""The table of subjects' scores and its figures, against closed forms."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from drawn import line, no_overlap, same_bytes, texts
from scipy.stats import t as student

from ldm_scaling.figures import dreambooth_samples, dreambooth_scores
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.tables import write_cells
from ldm_scaling.tables.dreambooth import (
    ALL,
    model_scores,
    of_all,
    read_scores,
    resampled_means,
    resamples,
    scores_table,
    widening,
)
from ldm_scaling.tables.values import Values

SUBJECTS = pd.DataFrame({"name": ["red cat", "old dog"], "noun": ["cat", "dog"]})
FAMILY = pd.DataFrame({"size": ["c8", "c16"], "params": [100_000, 4_000_000]})
METRICS = ["similarity_effnet_lite0", "clip_like", "drift_effnet_lite0"]

# ------------------------------------------------------------ resamples


def test_resamples_draw_whole_subjects_and_then_images():
    every, each = resamples(3, 5, 200, 0)
    assert every.shape == (200, 3, 5) and [own.shape for own in each] == [(200, 5)] * 3
    np.testing.assert_allclose(every.sum(axis=(1, 2)), 1)
    np.testing.assert_allclose(np.sum(each, axis=2), 1)
    of_subject = every.sum(axis=2) * 3
    np.testing.assert_allclose(of_subject, of_subject.round())  # as often as it was drawn
    assert (of_subject == 0).any() and (of_subject == 3).any()
    np.testing.assert_array_equal(resamples(3, 5, 200, 0)[0], every)
    assert (resamples(3, 5, 200, 1)[0] != every).any()


def test_the_interval_of_few_subjects_is_students():
    scores = np.array([0.1, 0.3, 0.35, 0.6])[:, None] + np.zeros((1, 8))  # images do not vary
    every, _ = resamples(4, 8, 20_000, 0)
    draws = resampled_means(scores, every, widening(4, 0.95))
    assert draws[0] == pytest.approx(scores.mean())
    spread = np.std(scores[:, 0], ddof=1) / 2
    ratio = student(3).ppf(0.975) / 1.96
    assert draws[1:].std() == pytest.approx(ratio * spread, rel=0.02)
    assert widening(1, 0.95) == 1


def test_sizes_share_the_resamples(tmp_path):
    generator = np.random.default_rng(0)
    scores = generator.random((2, 6)).astype(np.float32)
    draws = []
    for number, shift in enumerate((0, 0.25)):
        path = tmp_path / str(number)
        arrays = {"dreambooth/dino": scores + np.float32(shift), "dreambooth/seconds": np.ones(2)}
        write_arrays(path, arrays, "")
        draws.append(model_scores(path, SUBJECTS, 50, 0.95, 0)[1])
    for first, second in zip(*draws, strict=True):
        np.testing.assert_allclose(second - first, 0.25, atol=1e-6)


# ------------------------------------------------------------ the table


def write_scores(path, failed=False):
    generator = np.random.default_rng(1)
    arrays = {}
    for stage in ("pretrain", "dreambooth"):
        arrays[f"{stage}/seconds"] = np.array([0.5, 1.5], np.float32)
        arrays[f"{stage}/images"] = np.zeros((2, 1, 3, 4, 4), np.uint8)
        for metric in METRICS[: 2 if stage == "pretrain" else 3]:
            arrays[f"{stage}/{metric}"] = generator.random((2, 6)).astype(np.float32)
    if failed:
        arrays["dreambooth/clip_like"][1] = np.nan
    write_arrays(path, arrays, "")
    return arrays


def test_the_table_has_all_subjects_and_each(tmp_path):
    arrays = write_scores(tmp_path / "scores", failed=True)
    rows, draws = model_scores(tmp_path / "scores", SUBJECTS, 50, 0.95, 0)
    assert len(rows) == 5 * 3  # metrics of both stages; all subjects, and two
    table = scores_table(
        pd.DataFrame([{"size": "c16", "seed": 0, **row} for row in rows]),
        np.array(draws),
        FAMILY,
        0.95,
    )
    found = table.set_index(["stage", "metric", "subject"])
    whole = found.loc[("dreambooth", "similarity_effnet_lite0", ALL)]
    expected = arrays["dreambooth/similarity_effnet_lite0"]
    assert whole["value"] == pytest.approx(expected.mean()) and whole["n"] == 12
    assert whole["lo"] < whole["value"] < whole["hi"] and whole["seconds"] == 1
    one = found.loc[("dreambooth", "similarity_effnet_lite0", "1")]
    assert one["value"] == pytest.approx(expected[1].mean()) and one["n"] == 6
    assert (one["name"], one["class"], one["params"]) == ("old dog", "dog", 4_000_000)
    status = found["status"].xs("clip_like", level="metric").to_dict()
    assert status == {
        ("pretrain", ALL): "ok",
        ("pretrain", "0"): "ok",
        ("pretrain", "1"): "ok",
        ("dreambooth", ALL): "diverged",
        ("dreambooth", "0"): "ok",
        ("dreambooth", "1"): "diverged",
    }


def test_scores_that_do_not_fit_are_one_line(tmp_path):
    write_scores(tmp_path / "scores")
    with pytest.raises(InputError, match=r"has scores of 2 subjects, not of 1; delete it"):
        model_scores(tmp_path / "scores", SUBJECTS[:1], 50, 0.95, 0)
    rows, draws = model_scores(tmp_path / "scores", SUBJECTS, 50, 0.95, 0)
    other = pd.DataFrame([{"size": "c99", "seed": 0, **row} for row in rows])
    with pytest.raises(InputError, match="size c99 is not in the family table"):
        scores_table(other, np.array(draws), FAMILY, 0.95)


# ------------------------------------------------------------ figures


@cache
def scores(seeds=1, failed=False):
    """What `read_scores` gives of each metric, of two sizes and two subjects."""
    found = []
    for number, metric in enumerate(METRICS):
        rows = [
            (stage, size, params, seed, subject, 0.3 + 0.1 * number + 0.2 * (size == "c16"))
            for stage in ("pretrain", "dreambooth")[number == 2 :]
            for size, params in FAMILY.itertuples(index=False)
            for seed in range(seeds)
            for subject in (ALL, "0", "1")
        ]
        names = ["stage", "size", "params", "seed", "subject", "value"]
        table = pd.DataFrame(rows, columns=names).assign(metric=metric, status="ok")
        table["n"] = np.where(table["subject"] == ALL, 12, 6)
        table = table.assign(sampler="ddim", steps=4, guidance=2.0, trained=1.0, seconds=1.0)
        values = table["value"].to_numpy() + 0.01 * table["seed"].to_numpy()
        if failed:
            values = np.where((table["size"] == "c8") & (table["subject"] == ALL), np.nan, values)
        noise = 0.02 * np.random.default_rng(0).standard_normal(50)
        table["value"], table["status"] = values, np.where(np.isfinite(values), "ok", "diverged")
        draws = np.concatenate([values[:, None], values[:, None] + noise], axis=1)
        found.append(Values(table, draws))
    return found


def scores_figure(**options):
    return dreambooth_scores.draw(scores(**options), 0.95)


def test_a_panel_a_metric_after_beside_before_and_each_subject():
    figure = scores_figure()
    similarity, prompt, drift = figure.axes
    assert np.allclose(
        line(similarity, "taught, all subjects").get_xydata(), [[0.1, 0.3], [4, 0.5]]
    )
    assert np.allclose(line(similarity, "before").get_ydata(), [0.3, 0.5])
    assert np.allclose(line(prompt, "subject 1").get_ydata(), [0.4, 0.6])
    assert not [item for item in drift.containers if item.get_label() == "before"]
    wanted = "Similarity to the subject (EfficientNet-Lite0)\nn = 2 subjects, 6 images each"
    assert similarity.get_ylabel() == wanted
    assert drift.get_ylabel().startswith("Drift of the class (EfficientNet-Lite0)")
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["taught, all subjects", "before", "taught, one subject"]


def test_seeds_are_a_band_and_a_failure_is_a_cross():
    figure = scores_figure(seeds=2)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "interval over subjects, images and 2 training seeds" in legend
    assert np.allclose(line(figure.axes[0], "taught, all subjects").get_ydata(), [0.305, 0.505])
    failed = scores_figure(failed=True)
    assert [text.get_text() for text in failed.legends[0].get_texts()][-1] == "failed"
    assert line(failed.axes[2], "failed").get_xdata() == pytest.approx([0.1])


def test_metrics_stand_in_the_order_subject_prompt_class():
    names = ["drift_x", "clip_like", "similarity_x", "dino", "dino"]
    expected = ["dino", "similarity_x", "clip_like", "drift_x"]
    assert dreambooth_scores.in_order(pd.Series(names)) == expected


@cache
def samples_figure():
    generator = np.random.default_rng(0)
    images = {
        stage: {size: generator.integers(1, 255, (5, 2, 3, 8, 8)).astype("u1") for size in sizes}
        for stage in ("pretrain", "dreambooth")
        for sizes in [("c8", "c16")]
    }
    images["dreambooth"]["c8"][0, 1] = 0
    real = [[np.full((3, 8, 8), 9, np.uint8)] * 3 for _ in range(5)]
    prompts = ["a {subject}", "a {subject}, flat"]
    names = [f"subject {number}" for number in range(5)]
    return dreambooth_samples.draw(images, real, names, prompts, FAMILY, "ddim, 4 steps")


def test_a_block_a_prompt_after_one_before_a_row_a_subject_a_column_a_size():
    axes = samples_figure().axes[0]
    shown = texts(axes)
    titles = [text for text in shown if "[token]" in text]
    assert titles == [
        "a [token] [class] (before)",
        "a [token] [class]",
        "a [token] [class], flat",
    ]
    assert shown.count("subject 0") == 3 and "subject 3" not in shown
    assert shown.count("failed") == 1 and shown.count("c8\n(0.10 M)") == 3
    assert len(axes.get_images()) == 3 * 3 * 3 - 1


@pytest.mark.parametrize("make", [scores_figure, samples_figure])
def test_nothing_overlaps(make):
    no_overlap(make())


def test_nothing_overlaps_in_a_figure_of_few_metrics():
    several = scores(seeds=2, failed=True)
    no_overlap(dreambooth_scores.draw(several[:2], 0.95))


def test_equal_scores_give_equal_bytes(tmp_path):
    same_bytes(scores_figure, tmp_path)


def test_a_table_is_read_with_its_draws(tmp_path):
    write_scores(tmp_path / "scores")
    rows, draws = model_scores(tmp_path / "scores", SUBJECTS, 50, 0.95, 0)
    setting = {"size": "c8", "seed": 0, "sampler": "ddim", "steps": 4, "guidance": 2.0}
    table = pd.DataFrame([setting | row for row in rows])
    table = scores_table(table, np.array(draws), FAMILY, 0.95)
    paths = tmp_path / "dreambooth.csv", tmp_path / "draws"
    write_cells(table, np.array(draws)[:, 1:], *paths)
    found = of_all(read_scores(*paths, "clip_like"), "dreambooth")
    assert found.rows["subject"].tolist() == [ALL] and found.draws.shape == (1, 51)
    means = found.over_seeds(0.95)
    np.testing.assert_allclose(means.draws, found.draws, rtol=1e-5)
    with pytest.raises(InputError, match="metric dino is not in the table"):
        read_scores(*paths, "dino")
