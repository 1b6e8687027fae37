"""Tables that were never measured: cells with planted values, and what resamples would give."""

import numpy as np
import pandas as pd

from ldm_scaling.jobs.tables import FAMILY, FLOOR_COLUMNS, MEASURED, MODEL, PARTS
from ldm_scaling.tables.collect import cells_table
from ldm_scaling.tables.values import Values

METRIC = "fd_effnet_lite0"
STEPS = [2, 4, 8]
GUIDANCE = [1, 2, 4]
FACTORS = {2: [3, 2, 1], 4: [2, 1, 3], 8: [2, 1, 3]}  # at 2 steps the best is at the grid's end
BASE = {"c8": [100, 50, 40], "c16": [80, 30, 10]}  # lowest values at 2, 4, 8 steps
_FAMILY = [
    ("c8", 8, 105_000, 0.5, 0.25, 0.02, 0.1, 0.06),
    ("c16", 16, 4_100_000, 2.0, 1.0, 0.08, 0.1, 0.06),
]
PAPER = {
    "c64": (39, 0.07),
    "c96": (83, 0.13),
    "c128": (145, 0.20),
    "c160": (223, 0.30),
    "c192": (318, 0.40),
    "c224": (430, 0.53),
    "c256": (558, 0.67),
    "c288": (704, 0.83),
    "c320": (866, 1.00),
    "c512": (2192, 2.39),
    "c768": (4900, 5.17),
}
"""millions of parameters and normalized cost of the paper's sizes"""


def cells(seeds=(0,), n=64, failed=("c16", 2), sampler="ddim", base=BASE, stage="pretrain"):
    """Cells of two sizes; all those of `failed`, a size and step count, diverged."""
    rows = []
    for size, lowest in base.items():
        for seed in seeds:
            for (steps, factors), best in zip(FACTORS.items(), lowest, strict=True):
                for guidance, factor in zip(GUIDANCE, factors, strict=True):
                    value = best * factor + seed
                    numbers = [value, value * 0.9, value * 1.1]
                    ok = (size, steps) != failed
                    if not ok:
                        numbers = [np.nan] * 3
                    cell = (stage, size, seed, sampler, steps, guidance, 1.0, METRIC)
                    nfe = steps * (1 if guidance == 1 or stage != "pretrain" else 2)
                    status = "ok" if ok else "diverged"
                    rows.append((*cell, *numbers, n, nfe, 0.01 * steps, status))
    family = pd.DataFrame(_FAMILY, columns=[*FAMILY, *PARTS])
    table = pd.DataFrame(rows, columns=[*MODEL, *MEASURED]).astype({"n": "Int64", "nfe": "Int64"})
    return cells_table(table, family, (STEPS, GUIDANCE))


def values(table):
    """The cells with draws: all low in one half of the resamples, all high in the other."""
    table = table.reset_index(drop=True)
    draws = [[row.value] + [row.lo] * 20 + [row.hi] * 20 for row in table.itertuples()]
    return Values(table, np.array(draws, float))


def paper(sampler="ddim", noise=0.01):
    """Values of the paper's eleven sizes at its step counts: larger ones fall later and lower."""
    generator = np.random.default_rng(0)
    steps, scales = [4, 6, 8, 10, 20, 50], [1.5, 3, 7]
    penalty = {"ddim": 1.0, "ddpm": 1.6, "dpmpp": 0.7}[sampler]
    rows = []
    for size, (millions, _) in PAPER.items():
        for count in steps:
            for scale in scales:
                floor = 30 * millions**-0.1
                value = floor + penalty * 15 / count * millions**0.04 + abs(np.log(scale / 3))
                cell = ("pretrain", size, 0, sampler, count, scale, 1.0, METRIC)
                numbers = (value, value * (1 - 2 * noise), value * (1 + 2 * noise))
                seconds = 0.02 * count * millions**0.5 / 10
                rows.append((*cell, *numbers, 64, 2 * count, seconds, "ok"))
    shape = [
        (size, int(size[1:]), round(millions * 1e6), 800 * cost, cost, 2.0 * cost, 2500, 45)
        for size, (millions, cost) in PAPER.items()
    ]
    family = pd.DataFrame(shape, columns=[*FAMILY, *PARTS])
    table = pd.DataFrame(rows, columns=[*MODEL, *MEASURED]).astype({"n": "Int64", "nfe": "Int64"})
    table = cells_table(table, family, (steps, scales)).reset_index(drop=True)
    value = table["value"].to_numpy()[:, None]
    draws = value * (1 + noise * generator.standard_normal((len(table), 200)))
    return Values(table, np.hstack([value, draws]))


def floors(n=64):
    rows = [("real", METRIC, 4, 3.5, 4.5, n), ("reconstruction", METRIC, 6, 5.5, 6.5, n)]
    return pd.DataFrame(rows, columns=FLOOR_COLUMNS)
