"""Tables and images of a made-up study, as the explorer reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import synthetic

from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.tables import to_csv
from ldm_scaling.kinds.cells import cell_name
from ldm_scaling.tables.choose import Configurations
from ldm_scaling.tables.frontier import (
    ENVELOPE,
    LEVERS,
    envelope_table,
    frontier_table,
    joined,
    lever_table,
)
from ldm_scaling.tables.values import Values

SCORE = "clip_like"
METRICS = [synthetic.METRIC, SCORE]
CONFIDENCE = 0.95
SIDE = 16
CAPTIONS = [f"thing {number}, <b>bold</b> & {number}" for number in range(10)]
GUIDE = "guide"
"""a setting that no code of the explorer knows"""
CLAIMS = """\
id,topic,source,sentence,statistic,estimate,lo,hi,p,n,verdict,reason,note,figure,cells
quality-improves-with-size,Size,Table 1,Larger is better,an exponent,0.16491,0.13,0.19,0.001,64,\
holds for this training,,,train_compute,pretrain/ddim
made-up,Size,nobody,Smaller is better,another,-0.5,-0.6,-0.4,0.001,64,does not hold,\
,,fid_vs_cost,distill/lcm pretrain/ddim
never,Size,nobody,Nobody knows,a third,,,,,,not run,there are no cells,,fid_vs_cost,
"""


def _values(metric: str) -> list[Values]:
    """Cells of pretrained models, with and without a guide, and of students."""
    generator = np.random.default_rng(len(metric))
    own = synthetic.cells()
    guided = own.assign(**{GUIDE: "c8"}, value=own["value"] * 0.9, nfe=own["nfe"] + 1)
    guided = guided[guided["size"] == "c16"]
    students = synthetic.cells(sampler="lcm", stage="distill", failed=None)
    found = []
    for table in (pd.concat([own.assign(**{GUIDE: "itself"}), guided]), students):
        rows = table.assign(metric=metric, schedule="trailing").reset_index(drop=True)
        if metric == SCORE:
            rows["value"] = 1 / rows["value"]
        value = rows["value"].to_numpy(float)[:, None]
        noise = 0.2 * generator.standard_normal((len(rows), 64)) + generator.standard_normal(64)
        found.append(Values(rows, np.hstack([value, value * (1 + 0.08 * noise)])))
    return found


def write_tables(results: Path) -> pd.DataFrame:
    """Write the tables of a study, and the time of a job; returns frontier.csv."""
    numbers: dict[tuple, int] = {}
    cells = {metric: joined(_values(metric), CONFIDENCE) for metric in METRICS}
    frontier = pd.concat([frontier_table(own, numbers) for own in cells.values()])
    folder = results / "tables"
    folder.mkdir(parents=True)
    (folder / "frontier.csv").write_text(to_csv(frontier))
    table = pd.read_csv(folder / "frontier.csv")
    chosen = [
        row
        for metric in METRICS
        for row in envelope_table(Configurations.of(table, metric), CONFIDENCE)
    ]
    (folder / "envelope.csv").write_text(to_csv(pd.DataFrame(chosen, columns=ENVELOPE)))
    levers = pd.DataFrame(lever_table(cells[METRICS[0]], CONFIDENCE), columns=LEVERS)
    (folder / "levers.csv").write_text(to_csv(levers))
    (folder / "floors.csv").write_text(to_csv(synthetic.floors()))
    (folder / "claims.csv").write_text(CLAIMS)
    times = results / "benchmarks" / "sweep" / "c8.tsv"
    times.parent.mkdir(parents=True)
    times.write_text("s\th:m:s\tmax_rss\tcpu_time\n10\t0:00:10\t512.2\t1234.5\n")
    return table


def write_images(results: Path) -> list[str]:
    """Write images of the pretrained models, and captions; returns the command's options."""
    captions = results / "captions.csv"
    captions.write_text("caption\n" + "".join(f'"{caption}"\n' for caption in CAPTIONS))
    options = ["--captions", str(captions)]
    for number, size in enumerate(synthetic.BASE):
        file = results / f"{size}.safetensors"
        names = [cell_name(steps, scale) for steps in synthetic.STEPS for scale in (1, 2, 4)]
        write_arrays(file, {name: shades(name, number) for name in names}, "")
        options += ["--images", "distill", size, "lcm", "trailing", str(file)]
    return options


def shades(name: str, shift: int = 0) -> np.ndarray:
    """Images of one colour each, uint8 [9, 3, S, S], other ones for other names."""
    colors = np.random.default_rng(sum(name.encode()) + shift).integers(0, 256, (9, 3, 1, 1))
    return np.broadcast_to(colors, (9, 3, SIDE, SIDE)).astype(np.uint8)
