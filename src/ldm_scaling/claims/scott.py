"""Claims on stochastic consistency distillation (SCott, arXiv 2403.01505), by size.

Students of the study's last arm, the whole method, are compared with plain ones of the same size,
seed, steps and noise, both at the best guidance that they are told.
"""

from __future__ import annotations

import numpy as np

from ..kinds.stages import DISTILL, SAMPLER_OF, arm_of
from ..tables.acceleration import at_steps
from ..tables.curves import sizes_of
from ..tables.values import Values
from .evidence import QUALITY, Evidence, NotRun, log, slope
from .statement import Claim, Every, Statistic

_TOPIC, _SOURCE, _FIGURE = "Stochastic distillation", "SCott (arXiv 2403.01505)", "scott_vs_cost"
_SAMPLER = SAMPLER_OF[DISTILL]
_FEW, _MANY = 2, 8
"""steps at which the paper shows its gain, and at which students are nearly undistilled"""


def _whole_method(evidence: Evidence) -> str:
    """The stage of the last arm. Raises NotRun if there is none."""
    arms = [stage for stage, _, _ in evidence.cells if arm_of(stage)]
    if not arms:
        raise NotRun("the study has no arms of stochastic distillation")
    return arms[-1]


def _at(values: Values, steps: int) -> np.ndarray:
    """The draws [S, 1 + R] of every size at these steps, smallest first."""
    if not (values.rows["steps"] == steps).any():
        raise NotRun(f"no student was sampled at {steps} steps")
    return np.stack([at_steps(values, size, steps) for size in sizes_of(values)])


def _gains(evidence: Evidence, steps: int) -> np.ndarray:
    """Log ratios [S, 1 + R] of the plain student's distance to the arm's."""
    stages = (DISTILL, _whole_method(evidence))
    plain, whole = (log(_at(evidence.best(_SAMPLER, stage), steps)) for stage in stages)
    return plain - whole


def _improves(evidence: Evidence) -> Statistic:
    return Every(_gains(evidence, _FEW))


def _covers(evidence: Evidence) -> Statistic:
    stages, metric = (DISTILL, _whole_method(evidence)), evidence.spec.coverage
    if metric is None:
        raise NotRun("the study has no metric of coverage")
    plain, whole = (
        log(
            _at(
                evidence.measured(metric, _SAMPLER, stage).at_best_guidance(
                    evidence.measured(QUALITY, _SAMPLER, stage)
                ),
                _FEW,
            )
        )
        for stage in stages
    )
    return (whole - plain).mean(axis=0)


def _shrinks(evidence: Evidence) -> Statistic:
    few, many = (_gains(evidence, steps).mean(axis=0) for steps in (_FEW, _MANY))
    return Every([few - many, few])


def _with_size(evidence: Evidence, sign: int) -> Statistic:
    gains = _gains(evidence, _FEW)
    if len(gains) < 2:
        raise NotRun("there is one size only")
    students = evidence.best(_SAMPLER, DISTILL).rows.drop_duplicates("size")
    along = slope(np.log(np.sort(students["params"].to_numpy(float))), gains)
    return Every([sign * along, gains[-1 if sign > 0 else 0]])


def _grows(evidence: Evidence) -> Statistic:
    return _with_size(evidence, 1)


def _falls(evidence: Evidence) -> Statistic:
    return _with_size(evidence, -1)


def _of_size(word: str, other: str, end: str, of) -> Claim:
    return Claim(
        f"scott-gain-{word}s-with-size",
        _TOPIC,
        "this project",
        f"At {_FEW} steps stochastic distillation gains {other} at larger sizes",
        f"slope of the log ratio of the plain student's metric to the whole method's at {_FEW}"
        f" steps along log parameters{', its sign reversed' if other == 'less' else ''}, and that"
        f" ratio at the {end} size, each of the two",
        _FIGURE,
        of,
    )


CLAIMS = [
    Claim(
        f"scott-improves-{_FEW}-steps-at-every-size",
        _TOPIC,
        _SOURCE,
        f"At {_FEW} steps stochastic distillation gives better students than plain distillation, at"
        " every size",
        f"log ratio of the plain student's metric to the whole method's at {_FEW} steps, every"
        " size",
        _FIGURE,
        _improves,
    ),
    Claim(
        "scott-covers-more",
        _TOPIC,
        _SOURCE,
        f"At {_FEW} steps students of stochastic distillation cover more of the real images than"
        " plain ones, on average over sizes",
        f"log ratio of the whole method's coverage to the plain student's at {_FEW} steps, each at"
        " its best guidance by the metric, mean over sizes; its interval is over real images, which"
        " samples were drawn is not in it",
        _FIGURE,
        _covers,
    ),
    Claim(
        "scott-gain-shrinks-with-steps",
        _TOPIC,
        _SOURCE,
        f"Stochastic distillation gains more at {_FEW} steps than at {_MANY}, on average over"
        " sizes",
        f"log ratio of the plain student's metric to the whole method's at {_FEW} steps, and that"
        f" ratio less the one at {_MANY} steps, each of the two; mean over sizes",
        _FIGURE,
        _shrinks,
    ),
    _of_size("grow", "more", "largest", _grows),
    _of_size("shrink", "less", "smallest", _falls),
]
