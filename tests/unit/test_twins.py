"""Near twins of training images among held-out ones, by hand."""

import numpy as np
import pandas as pd
import pytest

from ldm_scaling.data.twins import THRESHOLD, twins
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.cli import run
from ldm_scaling.tables import leakage


@pytest.mark.parametrize("side", [16, 64])
def test_images_that_are_almost_a_training_image_are_counted(side):
    draw = np.random.default_rng(0)
    coarse = draw.integers(40, 215, (1300, 3, 4, 4))
    images = coarse.repeat(side // 4, axis=2).repeat(side // 4, axis=3).astype(np.uint8)
    training, held_out = images[:700], images[700:].copy()
    assert twins(held_out, training) == 0
    held_out[3] = training[5]
    held_out[590] = training[600] + THRESHOLD - 2
    held_out[10] = training[11] + THRESHOLD + 2
    assert twins(held_out, training) == 2


def test_the_table_has_a_row_for_each_held_out_split(tmp_path, monkeypatch):
    draw = np.random.default_rng(1)
    images = draw.integers(0, 255, (30, 3, 8, 8), dtype=np.uint8)
    splits = {"train": images[:20], "validation": images[20:], "test": images[15:25]}
    for name, own in splits.items():
        write_arrays(tmp_path / name, {"images": own}, "abc")
    words = [word for name in splits for word in (f"--{name}", str(tmp_path / name))]
    monkeypatch.setattr("sys.argv", ["leakage", *words, "--out", str(tmp_path / "out.csv")])
    run(leakage.main)
    table = pd.read_csv(tmp_path / "out.csv").set_index("split")
    assert table["twins"].to_dict() == {"validation": 0, "test": 5}
    assert table.loc["test", "leakage"] == 0.5
