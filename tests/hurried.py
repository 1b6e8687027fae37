"""Pretrain while each look at its clock takes every process but the first five seconds further."""

import itertools
import os
import types

from ldm_scaling.jobs.cli import run
from ldm_scaling.models.pretrain import main
from ldm_scaling.training import loop

if __name__ == "__main__":
    if os.environ["RANK"] != "0":
        seconds = itertools.count(step=5)
        loop.time = types.SimpleNamespace(monotonic=lambda: float(next(seconds)))
    run(main)
