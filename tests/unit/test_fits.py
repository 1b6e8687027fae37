"""Power laws against training compute: exact ones, noise, the envelope by hand, bad checkpoints."""

import sys

import numpy as np
import pandas as pd
import pytest

from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.cli import InputError, run
from ldm_scaling.jobs.tables import CELLS, FLOOR_COLUMNS, to_csv
from ldm_scaling.jobs.workdir import file_hash
from ldm_scaling.tables import fits
from ldm_scaling.tables.at_setting import at_setting
from ldm_scaling.tables.fits import fits_table, floors_of, on_envelope, power_laws, training_flops
from ldm_scaling.tables.values import Values, with_intervals

IMAGES = 1000
GFLOPS = {"c8": 0.5, "c16": 2.0}
TRAINED = [0.125, 0.25, 0.5, 1.0]
RESAMPLES = 100


def checkpoints(law, noise=0.0, metric="fd_x", trained=TRAINED, seeds=(0,), sizes=GFLOPS):
    """Cells of sizes along their training; law(size, compute) gives values, noise is relative."""
    generator = np.random.default_rng(3)
    rows, draws = [], []
    for size in sizes:
        for seed in seeds:
            for part in trained:
                value = law(size, 3e9 * GFLOPS[size] * part * IMAGES)
                value *= np.exp(noise * generator.normal())
                own = value * np.exp(noise * generator.normal(size=RESAMPLES))
                row = {"stage": "pretrain", "size": size, "seed": seed, "sampler": "ddim"}
                row |= {"steps": 4, "guidance": 2.0, "trained": part, "metric": metric}
                row |= {"value": value, "lo": value, "hi": value, "n": 64, "nfe": 8}
                row |= {
                    "gflops": GFLOPS[size],
                    "seconds": 1.0,
                    "params": 1000,
                    "normalized_cost": 1.0,
                }
                rows.append(row | {"grid": part == 1, "status": "ok"})
                draws.append([value, *own])
    return Values(pd.DataFrame(rows), np.array(draws))


def power(size, compute):
    return {"c8": 3e5, "c16": 2e6}[size] * compute ** {"c8": -0.3, "c16": -0.4}[size]


def fit_of(values, images=IMAGES):
    return fits_table(at_setting(values, 4, 2.0, 0.95), images, 0.95).set_index("size")


def fail(values, *chosen):
    """The same with these rows diverged."""
    rows, draws = values.rows.copy(), values.draws.copy()
    rows.loc[list(chosen), "status"] = "diverged"
    draws[list(chosen)] = np.nan
    return Values(rows, draws)


def test_train_compute_is_three_forward_passes_of_every_image_seen():
    rows = pd.DataFrame({"gflops": [2.0, 2.0], "trained": [1.0, 0.25]})
    assert training_flops(rows, 1000).tolist() == [6e12, 1.5e12]


def test_exact_power_laws_are_found():
    table = fit_of(checkpoints(power))
    for size, (coefficient, exponent) in {"c8": (3e5, 0.3), "c16": (2e6, 0.4)}.items():
        fit = table.loc[size]
        assert fit["exponent"] == pytest.approx(exponent, rel=1e-9)
        assert fit["coefficient"] == pytest.approx(coefficient, rel=1e-9)
        assert fit["r2"] == pytest.approx(1)
        assert fit["lo"] == pytest.approx(exponent) and fit["hi"] == pytest.approx(exponent)
        assert (fit["points"], fit["n"], fit["status"]) == (4, 64, "ok")
    assert table.index.tolist() == ["c8", "c16", "envelope"]


def test_above_a_floor_the_exponent_is_right_and_without_it_too_small():
    floor = 40.0
    values = checkpoints(lambda size, compute: floor + power(size, compute))
    above, plain = (
        fits_table(at_setting(values, 4, 2.0, 0.95), IMAGES, 0.95, own).set_index("size")
        for own in (floor, 0.0)
    )
    assert above.loc["c8", ["exponent", "floor"]].tolist() == pytest.approx([0.3, floor])
    assert plain.loc["c8", "exponent"] < 0.28
    values.draws[0, 3] = floor - 1
    low = fits_table(at_setting(values, 4, 2.0, 0.95), IMAGES, 0.95, floor).set_index("size")
    assert low.loc["c8", "status"] == "values not above the floor"


def test_only_distances_have_a_floor_beside_0():
    rows = [("real", "fd_x", 90.0), ("reconstruction", "fd_x", 80.0), ("real", "clip_score", 0.3)]
    floors = pd.DataFrame([*rows, ("real", "kid_x", -1e-4)], columns=["kind", "metric", "value"])
    assert floors_of("fd_x", floors) == [0, 90]
    assert floors_of("clip_score", floors) == [0] == floors_of("kid_x", floors)


def test_fits_are_those_of_polyfit():
    generator = np.random.default_rng(0)
    compute = generator.uniform(1e12, 1e14, 7)
    values = generator.uniform(1, 9, (7, 5))
    used = generator.random((7, 5)) < 0.8
    laws = power_laws(compute, values, used)
    for draw in range(5):
        x, y = np.log(compute[used[:, draw]]), np.log(values[used[:, draw], draw])
        slope, intercept = np.polyfit(x, y, 1)
        assert laws.exponent[draw] == pytest.approx(-slope)
        assert laws.coefficient[draw] == pytest.approx(np.exp(intercept))
        assert laws.r2[draw] == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    generator = np.random.default_rng(1)
    compute = np.array([1e12, 2e12, 4e12, 8e12])
    truth = 1e4 * compute**-0.3
    covered = 0
    for _ in range(200):
        value = truth * np.exp(0.05 * generator.normal(size=4))
        drawn = value[:, None] * np.exp(0.05 * generator.normal(size=(4, 200)))
        values = np.hstack([value[:, None], drawn])
        law = power_laws(compute, values, np.isfinite(values))
        lo, hi = np.quantile(law.exponent[1:], [0.025, 0.975])
        covered += lo <= 0.3 <= hi
    assert 0.88 <= covered / 200 <= 0.99


def test_noise_widens_the_interval():
    narrow, wide = (fit_of(checkpoints(power, noise)).loc["c16"] for noise in (0.01, 0.1))
    assert narrow["hi"] - narrow["lo"] < 0.3 * (wide["hi"] - wide["lo"])
    assert wide["lo"] <= 0.4 <= wide["hi"] and wide["r2"] < 1


def test_the_envelope_is_what_no_cheaper_checkpoint_beats():
    compute = np.array([1, 2, 4, 2, 4, 8])
    values = np.array([[9, 7, 6, 8, 5, 5.5]]).T
    lowest = on_envelope(compute, values)[:, 0]
    assert lowest.tolist() == [True, True, False, False, True, False]
    highest = on_envelope(compute, -values, higher=True)[:, 0]
    assert highest.tolist() == lowest.tolist()
    with_failed = on_envelope(compute, np.where(values == 5, np.nan, values))[:, 0]
    assert with_failed.tolist() == [True, True, True, False, False, True]


def test_the_envelope_is_chosen_anew_in_every_draw():
    compute = np.array([1, 2, 4])
    values = np.array([[9, 8, 7], [8, 9, 7]], dtype=float).T
    assert on_envelope(compute, values).T.tolist() == [[True, True, True], [True, False, True]]


def test_the_envelope_of_two_sizes_on_one_law_is_that_law():
    table = fit_of(checkpoints(lambda size, compute: 100 * compute**-0.2))
    envelope = table.loc["envelope"]
    assert envelope["exponent"] == pytest.approx(0.2) and envelope["r2"] == pytest.approx(1)
    assert envelope["points"] == 8  # of 8, two pairs of equal compute


def test_a_score_that_rises_has_a_negative_exponent_and_the_highest_envelope():
    values = checkpoints(
        lambda size, compute: compute**0.1 * GFLOPS[size] ** 0.2, metric="clip_score"
    )
    table = fit_of(values)
    assert table.loc["c8", "exponent"] == pytest.approx(-0.1)
    # c16 beats c8 at equal compute: of c8 only what is cheaper than any of c16 is left
    assert table.loc["envelope", "points"] == 4 + 2


@pytest.mark.parametrize("bad", ["value", "draw"])
def test_what_is_not_above_0_has_no_power_law(bad):
    values = checkpoints(power, noise=0.01)
    values.draws[1, 0 if bad == "value" else 5] = -0.5
    table = fit_of(values)
    for size in ("c8", "envelope"):
        assert table.loc[size, "status"] == "values not above 0"
        assert table.loc[size, ["exponent", "lo", "hi", "coefficient", "r2"]].isna().all()
    assert table.loc["c16", "status"] == "ok"


def test_a_failed_checkpoint_is_left_out():
    table = fit_of(fail(checkpoints(power), 2))
    assert table.loc["c8", "points"] == 3
    assert table.loc["c8", "exponent"] == pytest.approx(0.3)
    short = fit_of(fail(checkpoints(power), 0, 1, 2))
    assert short.loc["c8", "status"] == "fewer than 2 points"
    assert short.loc["c16", "status"] == "ok"


def test_no_kept_checkpoints_no_power_law():
    table = fit_of(checkpoints(power, trained=[1.0], sizes=["c8"]))
    assert table["status"].tolist() == ["fewer than 2 points"] * 2


def test_seeds_are_averaged_and_one_that_failed_takes_the_mean_with_it():
    values = checkpoints(power, seeds=(0, 1))
    table = fit_of(values)
    assert table.loc["c8", "points"] == 4 and table.loc["c8", "exponent"] == pytest.approx(0.3)
    assert fit_of(fail(values, 5)).loc["c8", "points"] == 3
    rows = with_intervals(at_setting(fail(values, 5), 4, 2.0, 0.95), 0.95)
    assert rows["status"].tolist() == ["ok", "diverged", *["ok"] * 6]


def test_only_the_fixed_setting_counts():
    values = checkpoints(power)
    others = Values(values.rows.assign(guidance=5.0), values.draws * 7)
    both = Values(
        pd.concat([values.rows, others.rows], ignore_index=True),
        np.concatenate([values.draws, others.draws]),
    )
    assert fit_of(both).equals(fit_of(values))
    with pytest.raises(InputError, match="no cell of 4 steps at guidance 3 was measured"):
        at_setting(both, 4, 3.0, 0.95)


def test_the_command_says_in_one_line_what_is_not_fitted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    good, bad = (checkpoints(power, metric=metric) for metric in ("fd_x", "kid_x"))
    draws = np.concatenate([good.draws, -bad.draws])[:, 1:]
    bad = bad.rows.assign(value=-bad.rows["value"])
    rows = pd.concat([good.rows, bad], ignore_index=True)
    (tmp_path / "cells.csv").write_text(to_csv(rows.reindex(columns=CELLS)))
    write_arrays(tmp_path / "draws", {"draws": draws}, file_hash(tmp_path / "cells.csv"))
    floors = pd.DataFrame([["real", "fd_x", 1, 1, 1, 64]], columns=FLOOR_COLUMNS)
    (tmp_path / "floors.csv").write_text(to_csv(floors))
    words = "--cells cells.csv draws --steps 4 --guidance 2 --confidence 0.95 --images 1000"
    words += " --floors floors.csv"
    monkeypatch.setattr(sys, "argv", ["fits", *words.split(), "--out", "fits.csv"])
    run(fits.main)
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["kid_x: no power law of c8, c16, envelope: values not above 0"]
    table = pd.read_csv("fits.csv")
    assert table.columns.tolist() == fits.FITS and len(table) == 9
    assert table["exponent"][:2].tolist() == pytest.approx([0.3, 0.4], rel=1e-4)
