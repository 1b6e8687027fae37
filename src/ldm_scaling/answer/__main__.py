"""Which model, steps and guidance to take for a budget, as a finished study has measured it.

It reads tables and trains nothing. Without a budget it answers for those of figures.budgets. In a
clone without results of the pocket study it answers from the published ones, and says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ..jobs.cli import InputError, fraction
from ..jobs.command import Option, Read, command
from ..jobs.workdir import write_text
from .budget import GUIDED, Budget, budget, gigabytes, passes
from .question import Question
from .source import Source, read_source
from .text import answered, brief, overview


@command
def main(
    source: Annotated[Source, Read(read_source)],
    budget: Annotated[
        list[Budget] | None,
        Option(
            "of an image: 2 (forward passes of the reference model), 0.05s or 1.5TFLOP",
            budget,
            nargs="+",
        ),
    ] = None,
    quality: Annotated[
        float | None, Option("in place of a budget: the value that is to be reached", float)
    ] = None,
    metric: Annotated[str | None, "that decides; by default the study's own"] = None,
    require: Annotated[
        list[list[str]] | None,
        Option(
            "a value of another metric that is to be reached; repeat for more",
            nargs=2,
            names=("METRIC", "VALUE"),
            repeated=True,
        ),
    ] = None,
    memory: Annotated[
        float | None, Option("most memory of the GPU, such as 8GB", gigabytes)
    ] = None,
    confidence: Annotated[
        float | None, Option("of the intervals in the tables, if not 0.95", fraction)
    ] = None,
    style: Annotated[
        str | None, Option("a line for each of three budgets", choices=("brief",))
    ] = None,
    out: Annotated[Path | None, "a file to write the answer to, too"] = None,
) -> None:
    """Print the answer."""
    known = source.confidence or confidence or 0.95
    if confidence not in (None, known):
        raise InputError(f"--confidence: the study's intervals have {known:g}")
    question = Question.of(source, metric, require or [], memory, known)
    if quality is not None and budget:
        raise InputError("--quality and --budget: give one of them")
    if quality is not None:
        cost = question.cheapest(quality)
        if cost is None:
            raise InputError(f"--quality {quality:g}: no configuration reaches it without luck")
        text = answered(question, Budget(f"that reaches {quality:g}", GUIDED, cost))
    elif budget and len(budget) == 1:
        text = answered(question, budget[0])
    else:
        whole = brief if style == "brief" else overview
        text = whole(question, budget or [passes(own) for own in source.budgets])
    print(text)
    if out:
        write_text(out, text + "\n")
