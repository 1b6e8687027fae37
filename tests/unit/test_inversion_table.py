"""The table of noise that was made for a score: costs by hand, draws, the frontier, the figure."""

import numpy as np
import pandas as pd
import pytest
from drawn import line, no_overlap, same_bytes
from studies import put
from synthetic import METRIC, cells

from ldm_scaling.figures import inversion
from ldm_scaling.jobs.cli import InputError
from ldm_scaling.jobs.tables import FAMILY, MEASURED, PARTS, write_cells
from ldm_scaling.kinds.noises import LABELS, iterations, kind
from ldm_scaling.study.load import load_study
from ldm_scaling.tables.candidates import CANDIDATES
from ldm_scaling.tables.frontier import Beside, frontier_of
from ldm_scaling.tables.inversion import inversion_table
from ldm_scaling.tables.inverted import INVERSION, read_inverted
from ldm_scaling.workflow.specs.inversion import InversionCosts

SHAPE = [
    ("c8", 8, 105_000, 0.5, 0.25, 0.02, 0.1, 0.06),
    ("c16", 16, 4_100_000, 2.0, 1.0, 0.08, 0.1, 0.06),
]
FAMILY_TABLE = pd.DataFrame(SHAPE, columns=[*FAMILY, *PARTS])
NOISES = ["none", "global", "caption", "ascent2", "ascent10"]
COSTS = InversionCosts(images=1000, network_gflops=0.004)
VERIFIER = pd.DataFrame({"verifier": ["own"], "image_gflops": [0.3], "caption_gflops": [0.05]})


def measured(metric=METRIC, failed=(), seeds=(0,)):
    """Cells of both sizes with each noise, as rule measure and its readers have them."""
    rows = []
    for size in ("c8", "c16"):
        for seed in seeds:
            for place, noise in enumerate(NOISES):
                value = (100 if size == "c8" else 60) - 5 * place + seed
                numbers = [value, 0.95 * value, 1.05 * value]
                ok = (size, noise) not in failed
                cell = (size, seed, "lcm", noise, 1, 3.0, 1.0, metric)
                tail = (64, 1 + 2 * iterations(noise), 0.01, "ok" if ok else "diverged")
                rows.append((*cell, *(numbers if ok else [np.nan] * 3), *tail))
    columns = ["size", "seed", "sampler", "noise", *MEASURED]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64", "nfe": "Int64"})


def table(*metrics, **changed):
    own = [measured(metric, **changed) for metric in metrics or [METRIC]]
    return inversion_table(
        pd.concat(own, ignore_index=True), FAMILY_TABLE, COSTS, VERIFIER
    ).reset_index(drop=True)


def written(folder, **changed):
    """inversion.csv and its draws, as `write_cells` leaves them."""
    own = table(METRIC, "clip_like", "judge", **changed)
    files = folder / "inversion.csv", folder / "draws.safetensors"
    half = np.ones(20)
    draws = [np.concatenate([row.lo * half, row.hi * half]) for row in own.itertuples()]
    write_cells(own, np.array(draws), *files)
    return files


def test_costs_by_hand():
    found = table()
    assert list(found) == INVERSION
    own = found[found["size"] == "c8"].set_index("noise")
    once = 0.5 + 0.1 + 0.06  # student, decoder, text encoder
    assert own.loc["none", "total_cost"] == pytest.approx(once / 2)
    assert own.loc["global", "total_cost"] == pytest.approx(once / 2)
    assert own.loc["caption", "total_cost"] == pytest.approx((once + 0.004) / 2)
    # two steps: three passes forward and two back, each with decoder and verifier; on the way back
    # there are no keys and values of the text
    climbed = 3 * (0.5 + 0.1 + 0.3) + 2 * (0.48 + 0.1 + 0.3) + 0.06 + 0.05
    assert own.loc["ascent2", "total_cost"] == pytest.approx(climbed / 2)
    assert own.loc["ascent2", "guided_cost"] == pytest.approx(0.25 * 5)
    passes = {"none": 1, "global": 1, "caption": 1, "ascent2": 5, "ascent10": 21}
    assert own["sampling_cost"].to_dict() == {noise: 0.25 * n for noise, n in passes.items()}
    fitted = 1000 * (0.9 + 0.88) / 2
    assert own["fit_cost"].to_dict() == pytest.approx(
        {noise: fitted * (noise in ("global", "caption")) for noise in NOISES}
    )


def test_what_cannot_be_a_table_is_said():
    with pytest.raises(InputError, match="size c8 is not in the family table"):
        inversion_table(measured(), FAMILY_TABLE[1:], COSTS, VERIFIER)


def test_the_network_from_a_caption_is_counted_by_hand(pocket_config):
    put(pocket_config, "metrics.judge", {"extractor": {"name": "squeezenet", "input_size": 64}})
    pocket_config["inversion"] = {
        **{"images": 1000, "batch": 32, "lr": 0.01, "warmup_images": 0, "decay": "cosine"},
        **{"weight_decay": 0, "clip_norm": 1, "ema_images": 100, "guidance": 6, "width": 10},
        **{"kl_weight": 0.1, "ascent": None},
    }
    costs = InversionCosts.of(load_study(pocket_config))
    assert costs.images == 1024  # 32 whole batches
    # a multiply-add is two FLOPs; 384 numbers of a caption, 8 x 8 x 8 of noise, twice
    assert costs.network_gflops == pytest.approx(2e-9 * (384 * 10 + 10 * 2 * 512))


def test_the_frontier_has_each_noise_but_that_of_the_student_itself(tmp_path):
    files = written(tmp_path)
    student = cells(stage="distill", sampler="lcm", failed=None).reset_index(drop=True)
    (tmp_path / "lcm").mkdir()
    beside = tmp_path / "lcm/cells.csv", tmp_path / "lcm/draws.safetensors"
    write_cells(student, np.ones((len(student), 40)), *beside)
    found = frontier_of([("trailing", *beside)], Beside(inversion=files), [METRIC], 0.95)
    made = found[found["stage"] == "inversion"]
    assert set(made["noise"]) == set(NOISES[1:]) and len(made) == 2 * len(NOISES[1:])
    assert found.loc[found["stage"] == "distill", "noise"].isna().all()
    assert found["cell"].is_unique
    costs = table().query("noise != 'none'")["total_cost"]
    np.testing.assert_allclose(sorted(made["total_cost"]), sorted(costs), rtol=1e-5)


@pytest.mark.parametrize("failed", [(), {("c8", "ascent2"), ("c16", "global")}])
def test_the_figure_shows_each_noise_of_each_size_at_its_cost(tmp_path, failed):
    files = written(tmp_path, failed=failed)
    own = inversion.read_panels(files, ["judge", "clip_like", METRIC])
    figure = inversion.draw(own, 0.95)
    for axes, (values, _) in zip(figure.axes, own, strict=True):
        drawn = {}
        for container in axes.containers:
            points = container.lines[0]
            size, noise = container.get_label().split()
            for x, y in zip(points.get_xdata(), points.get_ydata(), strict=True):
                drawn[size, noise, round(float(x), 9)] = float(y)
        assert len(drawn) == len(values.rows)
        for row in values.rows.itertuples():
            place = drawn[row.size, kind(row.noise), round(row.total_cost, 9)]
            assert place == pytest.approx(row.value, nan_ok=True)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["c8", "c16", *LABELS.values()]
    no_overlap(figure)
    same_bytes(lambda: inversion.draw(own, 0.95), tmp_path)


def test_the_best_of_several_images_of_the_same_student_stands_beside(tmp_path):
    files, folder = written(tmp_path), tmp_path / "candidates"
    folder.mkdir()
    rows = []
    for stage, method, steps in (
        ("distill", "best_of", 1),
        ("distill", "best_of", 2),
        ("distill", "zero_order", 1),
        ("pretrain", "best_of", 1),
    ):
        for count in (1, 2, 4):
            named = {"stage": stage, "size": "c8", "seed": 0, "sampler": "lcm", "steps": steps}
            cost = {"total_cost": count + steps / 2, "value": 90.0 - 7 * count, "n": 64}
            kept = {"method": method, "candidates": count, "metric": METRIC}
            numbers = dict.fromkeys(CANDIDATES, 1.0) | {"status": "ok", "guidance": 3.0}
            rows.append(numbers | named | cost | kept)
    table = pd.DataFrame(rows)[CANDIDATES]
    beside = folder / "candidates.csv", folder / "draws.safetensors"
    write_cells(table, np.tile(table["value"].to_numpy(float)[:, None], 20), *beside)
    (panel,) = inversion.draw(inversion.read_panels(files, [METRIC], beside), 0.95).axes
    drawn = line(panel, "c8 candidates")
    np.testing.assert_allclose(drawn.get_xdata(), [1.5, 2.5, 4.5])
    np.testing.assert_allclose(drawn.get_ydata(), [83, 76, 62])


def test_several_trainings_are_one_mark_with_a_wider_interval(tmp_path):
    one = inversion.draw(inversion.read_panels(written(tmp_path), [METRIC]), 0.95)
    several = inversion.draw(
        inversion.read_panels(written(tmp_path, seeds=(0, 9, 18)), [METRIC]), 0.95
    )
    assert len(one.axes[0].containers) == len(several.axes[0].containers) == 2 * len(LABELS)


def test_reading_keeps_the_rows_of_one_metric(tmp_path):
    own = read_inverted(*written(tmp_path), "clip_like")
    assert own.metric == "clip_like" and len(own.rows) == 2 * len(NOISES)
    assert np.array_equal(own.draws[:, 0], own.rows["value"])
