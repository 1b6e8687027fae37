"""The judge: a score of images against captions that chose none of them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..data.captions import read_column
from ..jobs.arrays import fingerprint_of
from ..jobs.cli import InputError
from ..jobs.workdir import file_hash
from ..study.metrics import JUDGE, Judge
from .candidates.attempt import Score
from .features import Measuring, load_extractor
from .metrics.clip_like import read_scorer
from .scores import CaptionScorer


def add_judge(to: argparse.ArgumentParser) -> None:
    """Add the arguments that name what `load_judge` loads."""
    to.add_argument("--judge-weights", type=Path, help="file of the judge's extractor")
    to.add_argument("--judge-maps", type=Path, help="maps of the judge, if it is fitted")


def load_judge(
    judge: Judge, n: int, options: argparse.Namespace, device: torch.device | str
) -> tuple[Score, list[str]]:
    """The judge of n images, and hashes of its files. Raises InputError if these are unusable."""
    files = [*(judge.scorer.files if judge.scorer else []), options.judge_weights]
    hashes = [file_hash(path) for path in (*files, options.captions) if path]
    if own := judge.scorer:
        if options.captions is None:
            raise InputError("metrics.judge: --captions FILE is needed")
        captions = read_column(options.captions, "caption")[:n]
        return Score(
            JUDGE, CaptionScorer(own, captions, device), lambda scores, rows: scores
        ), hashes
    assert judge.extractor
    extract = load_extractor(judge.extractor, device, options.judge_weights)
    width = extract(np.zeros((1, 3, 32, 32), np.uint8)).shape[1]
    fitted = read_scorer(options.judge_maps, n, width)
    hashes += [fingerprint_of(options.judge_maps)]
    return Score(JUDGE, lambda images, rows: extract(images), fitted), hashes


def judged(
    measuring: Measuring,
    judge: Judge | None,
    n: int,
    options: argparse.Namespace,
    device: torch.device | str,
) -> Measuring:
    """What measures n images, and judges them too if there is a judge."""
    if judge is None:
        return measuring
    score, hashes = load_judge(judge, n, options, device)

    def of(images: np.ndarray, rows: slice) -> np.ndarray:
        return score(images, np.arange(n)[rows]).astype(np.float32)

    scorers = {**measuring.scorers, JUDGE: of}
    return replace(measuring, scorers=scorers, files=(*measuring.files, *hashes))
