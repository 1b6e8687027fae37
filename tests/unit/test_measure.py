"""Tables of cells and floors, by their commands on small arrays."""

import csv
import json

import numpy as np
import pytest
from cleanfid.fid import frechet_distance, kernel_distance
from commands import run_here
from resamples import resample_weights

from ldm_scaling.cells.measure import COLUMNS, read_features, read_records
from ldm_scaling.cells.metrics.bootstrap import centred_interval, mean_interval
from ldm_scaling.cells.metrics.clip_like import Map, scorer_arrays
from ldm_scaling.cells.metrics.divisions import Divisions
from ldm_scaling.jobs.arrays import map_array, write_arrays
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.kinds.metrics import of_features

pytestmark = pytest.mark.filterwarnings("ignore:The `disp` argument")  # of clean-fid

N, D, COMPONENTS = 32, 12, 4
DISTANCES = ["fd_effnet_lite0", "fd_infinity_effnet_lite0", "kid_effnet_lite0"]
OF_FEATURES = list(of_features("effnet_lite0").values())
SPEC = {
    "seed": 3,
    "n": N,
    "metrics": {
        "extractors": [{"name": "effnet_lite0", "components": COMPONENTS}],
        "bootstrap": 40,
        "confidence": 0.95,
    },
}


def features(seed, n=N, shift=0.0):
    generator = np.random.default_rng(seed)
    scales = np.geomspace(2, 0.1, D)
    return (generator.standard_normal((n, D)) * scales + shift).astype(np.float16)


def record(steps, guidance, **changes):
    return {
        "name": f"steps{steps}_guidance{guidance:g}",
        "steps": steps,
        "guidance": guidance,
        "n": N,
        "nfe": 2 * steps,
        "seconds": 0.0123456789,
        "trained": 1.0,
        "status": "ok",
        **changes,
    }


CLIP = {"name": "clip_score", "pretrained": "a folder"}
WITH_CLIP = SPEC | {"metrics": SPEC["metrics"] | {"scorers": [CLIP]}}
FITTED = {"width": 5, "epochs": 1, "batch": 8, "lr": 0.1, "dropout": 0}
WITH_CLIP_LIKE = SPEC | {"metrics": SPEC["metrics"] | {"clip_like": FITTED}}


def command(module, folder, spec=SPEC, **paths):
    images = len(map_array(folder / "reference", "features"))
    concepts = "".join(f"{row},concept {row},a caption,a file\n" for row in range(images))
    (folder / "captions.csv").write_text("index,concept,caption,name\n" + concepts)
    paths = {"out": "out.csv", "captions": "captions.csv", **paths}
    arguments = [f"--{name}={folder / path}" for name, path in paths.items()]
    return run_here(f"cells.{module}", "--spec", json.dumps(spec), *arguments)


def save(path, **arrays):
    write_arrays(path, arrays, "abc")


def expected_metrics(generated, reference):
    """FD, FD-infinity, KID by numpy's SVD and clean-fid; KID on equally many images of both."""
    generated, reference = generated.astype(np.float64), reference.astype(np.float64)
    mean = reference.mean(0)
    basis = np.linalg.svd(reference - mean)[2][:COMPONENTS].T
    first, second = ((x - mean) @ basis for x in (generated, reference))

    def fd(images):
        return frechet_distance(images.mean(0), np.cov(images.T), second.mean(0), np.cov(second.T))

    kid = kernel_distance(generated, reference, num_subsets=1)
    return fd(first), extrapolated(first, fd), kid


def extrapolated(images, fd):
    """The mean over divisions of the line through the distances of their parts, by numpy's fit."""
    found = []
    for parts in Divisions([f"concept {row}" for row in range(N)], SPEC["seed"]).of_sample(16):
        distances = [fd(images[part > 0]) for part in parts]
        levels = [np.mean(own) for own in np.split(np.array(distances), [1, 3, 6])]
        places = [np.mean([1 / own.sum() for own in rows]) for rows in np.split(parts, [1, 3, 6])]
        found.append(np.polyfit(places, levels, 1)[1])
    return np.mean(found)


@pytest.fixture
def cells(tmp_path):
    """A reference, three cells (the last diverged, without features) and their records."""
    save(tmp_path / "reference", features=features(0))
    save(tmp_path / "cells", steps2_guidance1=features(1), **{"steps4_guidance2.5": features(2)})
    records = [
        record(2, 1.0),
        record(4, 2.5),
        record(8, 4.0, status="diverged"),
    ]
    (tmp_path / "records").write_text(json.dumps(records))
    return tmp_path


def measure(folder, spec=SPEC, **more):
    paths = {"reference": "reference", "cells": "cells", "records": "records", "draws": "draws"}
    return command("measure", folder, spec, **paths, **more)


def write_maps(path, captions=N + 4, width=D):
    """Maps and mapped captions as rule fit_clip_like writes them; the scores of features."""
    generator = np.random.default_rng(9)
    mean, scale = generator.standard_normal(width), generator.uniform(1, 2, width)
    weight = generator.standard_normal((width, 5))
    places = generator.standard_normal((captions, 5)) + 1
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    own = Map(mean, scale, weight)
    save(path, **scorer_arrays(own, own, 0.07, places))

    def mean_score(features):
        mapped = [(row - mean) / scale @ weight for row in features[:N].astype(float)]
        cosines = [x @ y / np.linalg.norm(x) for x, y in zip(mapped, places, strict=False)]
        return sum(cosines) / N

    return mean_score


def cosines(seed, n=N):
    return np.random.default_rng(seed).uniform(0.1, 0.4, n).astype(np.float32)


def read(path):
    return list(csv.DictReader(path.open()))


def test_measure_writes_a_row_for_each_cell_and_metric(cells):
    result = measure(cells)
    assert result.returncode == 0, result.stderr
    text = (cells / "out.csv").read_text()
    assert text.startswith(",".join(COLUMNS) + "\n")
    rows = read(cells / "out.csv")
    assert [(r["steps"], r["guidance"], r["metric"], r["status"]) for r in rows] == [
        (steps, guidance, metric, status)
        for steps, guidance, status in (
            ("2", "1", "ok"),
            ("4", "2.5", "ok"),
            ("8", "4", "diverged"),
        )
        for metric in OF_FEATURES
    ]
    for cell, generated in enumerate((features(1), features(2))):
        own = rows[len(OF_FEATURES) * cell :][: len(DISTANCES)]
        for row, expected in zip(own, expected_metrics(generated, features(0)), strict=True):
            assert float(row["value"]) == pytest.approx(expected, rel=1e-4)
            assert float(row["lo"]) < float(row["value"]) < float(row["hi"])
            name = f"steps{row['steps']}_guidance{row['guidance']}/{row['metric']}"
            draws = map_array(cells / "draws", name)
            assert draws.shape == (40,) and draws.mean() == pytest.approx(expected, rel=1e-4)
    for row in rows:
        assert (row["n"], row["seconds"]) == (str(N), "0.0123457")
        assert row["nfe"] == str(2 * int(row["steps"]))
    for row in rows[2 * len(OF_FEATURES) :]:
        assert (row["value"], row["lo"], row["hi"]) == ("", "", "")


def test_memory_is_a_column_only_if_a_cell_was_sampled_on_a_gpu(cells):
    measure(cells)
    without = read(cells / "out.csv")
    records = json.loads((cells / "records").read_text())
    records[1] |= {"memory_gb": 3.5, "batch": 16}
    (cells / "records").write_text(json.dumps(records))
    measure(cells)
    rows = read(cells / "out.csv")
    found = {(row["steps"], row.pop("memory_gb"), row.pop("batch")) for row in rows}
    assert found == {("2", "", ""), ("4", "3.5", "16"), ("8", "", "")}
    assert rows == without


def test_measure_is_reproducible(cells):
    measure(cells)
    first = (cells / "out.csv").read_bytes()
    measure(cells)
    assert (cells / "out.csv").read_bytes() == first


def test_a_worse_cell_is_worse(cells):
    save(
        cells / "cells",
        steps2_guidance1=features(1, shift=1),
        **{"steps4_guidance2.5": features(1)},
    )
    measure(cells)
    values = [float(row["value"]) for row in read(cells / "out.csv")[:6]]
    assert all(np.array(values[:3]) > values[3:])


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record(2, 1.0, n=16)], "different n are never compared"),
        ([record(2, 1.0, status="lost")], "status"),
        ([record(3, 1.0)], "no array steps3_guidance1"),
    ],
)
def test_measure_refuses_in_one_line(cells, records, message):
    (cells / "records").write_text(json.dumps(records))
    result = measure(cells)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (cells / "out.csv").exists()


def test_a_cell_with_fewer_features_than_recorded_is_refused(cells):
    save(cells / "cells", steps2_guidance1=features(1, n=16))
    result = measure(cells)
    assert result.returncode == 2
    assert "steps2_guidance1 has 16 images, its record 32" in result.stderr


def test_features_must_be_finite(tmp_path):
    broken = features(0)
    broken[3, 4] = np.inf
    save(tmp_path / "broken", features=broken)
    with pytest.raises(InputError, match="features is not finite"):
        read_features(tmp_path / "broken")


def test_missing_records_are_named(tmp_path):
    with pytest.raises(InputError, match=r"cells\.json is missing"):
        read_records(tmp_path / "cells.json", N)


@pytest.mark.parametrize("outlier", [1000, -1000])
def test_an_interval_holds_its_value_though_outliers_drag_the_mean(outlier):
    interval = centred_interval(10, np.array([0] * 99 + [outlier]), confidence=0.1)
    assert interval.lo <= interval.value <= interval.hi


def test_the_interval_of_a_mean_is_as_wide_as_its_closed_form():
    values = cosines(0, 200)
    weights = resample_weights(range(200), 3000, 0)
    value, lo, hi, _ = mean_interval(values, weights, confidence=0.9)
    assert value == pytest.approx(values.mean(dtype=np.float64))
    half = 1.645 * float(values.std()) / 200**0.5
    assert (lo, hi) == pytest.approx((value - half, value + half), abs=0.1 * half)


def test_floors_take_the_first_n(tmp_path):
    reference, real, through = features(0), features(1, n=N + 9), features(2, n=N + 5)
    for name, array in (("reference", reference), ("real", real), ("through", through)):
        save(tmp_path / name, features=array)
    paths = {"reference": "reference", "real": "real", "reconstruction": "through"}
    paths["real-captions"] = "captions.csv"
    result = command("floors", tmp_path, **paths)
    assert result.returncode == 0, result.stderr
    rows = read(tmp_path / "out.csv")
    assert list(rows[0]) == ["kind", "metric", "value", "lo", "hi", "n"]
    assert [(r["kind"], r["metric"], r["n"]) for r in rows] == [
        (kind, metric, str(N)) for kind in ("real", "reconstruction") for metric in OF_FEATURES
    ]
    expected = expected_metrics(real[:N], reference) + expected_metrics(through[:N], reference)
    found = [float(r["value"]) for r in rows if r["metric"] in DISTANCES]
    assert found == pytest.approx(expected, rel=1e-4)

    save(tmp_path / "real", features=features(1, n=N - 1))
    result = command("floors", tmp_path, **paths)
    assert result.returncode == 2
    assert f"has {N - 1} images, fewer than sampling.n = {N}" in result.stderr


def test_clip_score_is_the_mean_of_the_cosines(cells):
    arrays = {"steps2_guidance1": features(1), "steps4_guidance2.5": features(2)}
    scores = {f"{name}/clip_score": cosines(seed) for seed, name in enumerate(arrays)}
    save(cells / "cells", **arrays, **scores)
    result = measure(cells, WITH_CLIP)
    assert result.returncode == 0, result.stderr
    rows = read(cells / "out.csv")
    names = [*OF_FEATURES, "clip_score"]
    assert [row["metric"] for row in rows[: len(names)]] == names
    scored = [row for row in rows if row["metric"] == "clip_score"]
    assert [row["status"] for row in scored] == ["ok", "ok", "diverged"]
    for row, own in zip(scored, scores.values(), strict=False):
        assert float(row["value"]) == pytest.approx(own.mean(dtype=np.float64), rel=1e-5)
        assert float(row["lo"]) < float(row["value"]) < float(row["hi"])
    save(cells / "cells", **arrays, **{name: own[:9] for name, own in scores.items()})
    result = measure(cells, WITH_CLIP)
    assert result.returncode == 2
    assert "steps2_guidance1/clip_score is not 32 finite numbers" in result.stderr


def test_floors_of_the_clip_score_are_those_of_the_prompts_own_images(tmp_path):
    save(tmp_path / "reference", features=features(0, n=N + 4), clip_score=cosines(0, N + 4))
    save(tmp_path / "real", features=features(1))
    save(tmp_path / "through", features=features(2), clip_score=cosines(2))
    paths = {"reference": "reference", "real": "real", "reconstruction": "through"}
    result = command("floors", tmp_path, WITH_CLIP, **paths, **{"real-captions": "captions.csv"})
    assert result.returncode == 0, result.stderr
    rows = [row for row in read(tmp_path / "out.csv") if row["metric"] == "clip_score"]
    assert [row["kind"] for row in rows] == ["real", "reconstruction"]
    expected = [own[:N].mean(dtype=np.float64) for own in (cosines(0, N + 4), cosines(2))]
    assert [float(row["value"]) for row in rows] == pytest.approx(expected, rel=1e-5)


def test_clip_like_is_the_mean_cosine_of_mapped_features(cells):
    mean_score = write_maps(cells / "maps")
    result = measure(cells, WITH_CLIP_LIKE, **{"clip-like": "maps"})
    assert result.returncode == 0, result.stderr
    rows = read(cells / "out.csv")
    names = [*OF_FEATURES, "clip_like"]
    assert [row["metric"] for row in rows[: len(names)]] == names
    scored = [row for row in rows if row["metric"] == "clip_like"]
    assert [row["status"] for row in scored] == ["ok", "ok", "diverged"]
    for row, own in zip(scored, (features(1), features(2)), strict=False):
        assert float(row["value"]) == pytest.approx(mean_score(own), rel=1e-4)
        assert float(row["lo"]) < float(row["value"]) < float(row["hi"])
    assert scored[2]["value"] == ""


@pytest.mark.parametrize(
    ("maps", "says"),
    [
        (None, "metrics.clip_like: --clip-like FILE is needed"),
        ({"captions": N - 1}, f"maps has {N - 1} captions, fewer than sampling.n = {N}"),
        ({"width": D + 1}, f"maps features of width {D + 1}, not {D}"),
    ],
)
def test_maps_that_do_not_fit_are_one_line(cells, maps, says):
    more = {}
    if maps is not None:
        write_maps(cells / "maps", **maps)
        more = {"clip-like": "maps"}
    result = measure(cells, WITH_CLIP_LIKE, **more)
    assert result.returncode == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (cells / "out.csv").exists()


def test_floors_of_clip_like_are_those_of_the_prompts_own_images(tmp_path):
    mean_score = write_maps(tmp_path / "maps")
    save(tmp_path / "reference", features=features(0, n=N + 4))
    save(tmp_path / "real", features=features(1))
    save(tmp_path / "through", features=features(2))
    paths = {"reference": "reference", "real": "real", "reconstruction": "through"}
    paths |= {"real-captions": "captions.csv", "clip-like": "maps"}
    result = command("floors", tmp_path, WITH_CLIP_LIKE, **paths)
    assert result.returncode == 0, result.stderr
    rows = [row for row in read(tmp_path / "out.csv") if row["metric"] == "clip_like"]
    assert [row["kind"] for row in rows] == ["real", "reconstruction"]
    expected = [mean_score(own) for own in (features(0, n=N + 4), features(2))]
    assert [float(row["value"]) for row in rows] == pytest.approx(expected, rel=1e-4)


def test_fid_is_taken_on_all_dimensions(cells):
    metrics = {"extractors": [{"name": "inception_v3", "components": None}]}
    result = measure(cells, SPEC | {"metrics": SPEC["metrics"] | metrics})
    assert result.returncode == 0, result.stderr
    rows = read(cells / "out.csv")
    assert [row["metric"] for row in rows[:3]] == ["fid", "fid_infinity", "kid_inception_v3"]
    first, second = (features(seed).astype(np.float64) for seed in (1, 0))
    fid = frechet_distance(first.mean(0), np.cov(first.T), second.mean(0), np.cov(second.T))
    assert float(rows[0]["value"]) == pytest.approx(fid, rel=1e-4)
    assert float(rows[0]["lo"]) < fid < float(rows[0]["hi"])
