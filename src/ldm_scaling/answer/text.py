"""The answer as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from ..jobs.cli import InputError
from ..jobs.tables import kept_of
from ..kinds.cells import cell_name
from ..kinds.metrics import LABELS, sign
from ..kinds.samplers import NATIVE, OF_STUDENTS
from ..kinds.schedules import EXPORTED
from ..kinds.stages import DISTILL, SAMPLER_OF, is_consistency, is_pretrained
from ..study.study import Study
from ..tables.choose import Choice, described
from .budget import Budget
from .question import Question
from .source import sampled_as

_MOST_TIES = 4
"""that are listed; others are counted"""
_WITHIN = 1 + 1e-6
_HOPELESS = 100
"""times as many images"""


def _exported_sampler(stage: str) -> str | None:
    """The sampler in the pipeline that a model of a stage is exported as, if it can be."""
    if is_consistency(stage):
        return SAMPLER_OF[DISTILL]
    return "ddim" if is_pretrained(stage) else None


def overview(question: Question, budgets: Sequence[Budget]) -> str:
    """The choice within each budget, a line each."""
    if not budgets:
        raise InputError("--budget: give one, such as --budget 2")
    rows = [("budget", "choice", "cost", "value", "tied with")]
    for budget in budgets:
        choice = question.choose(budget.axis, question.limit(budget))
        if choice is None:
            rows.append((budget.text, "nothing is so cheap", "", "", ""))
            continue
        row = question.row(choice.row)
        ties = _counted(len(choice.tied))
        rows.append((budget.text, *_line(question, row, budget, choice.luck), ties))
    units = dict.fromkeys(budget.unit(question.source.reference()[0]) for budget in budgets)
    lines = [*_head(question), f"Budgets are {'; '.join(units)}.", "", *_table(rows), ""]
    return "\n".join([*lines, *_doubts(question)])


def brief(question: Question, budgets: Sequence[Budget]) -> str:
    """The choice within three of the budgets that buy something: the first, a middle, the last."""
    found = [(budget, question.choose(budget.axis, question.limit(budget))) for budget in budgets]
    bought = [(budget, choice) for budget, choice in found if choice]
    if not bought:
        raise InputError("--budget: nothing is so cheap; give a larger one")
    places = {0, len(bought) // 2, len(bought) - 1}
    rows = []
    for budget, choice in (bought[place] for place in sorted(places)):
        words, _, value = _line(question, question.row(choice.row), budget, choice.luck)
        rows.append((f"budget {budget.text}:", words, f"{question.metric} {value}"))
    return "\n".join(line.strip() for line in _table(rows))


def answered(question: Question, budget: Budget) -> str:
    """The choice within a budget, what is tied with it, its neighbours, and how to have it."""
    limit, (reference, _) = question.limit(budget), question.source.reference()
    lines = [*_head(question), f"Budget {budget.text}: {budget.unit(reference)}.", ""]
    choice = question.choose(budget.axis, limit)
    if choice is None:
        if not question.allowed.sound.any():
            return "\n".join([*lines, "Every configuration has failed."])
        least = question.allowed.rows.loc[question.allowed.sound, budget.axis].min()
        shown = budget.shown(least, question.source.reference()[1])
        return "\n".join([*lines, f"Nothing is so cheap: the lowest cost is {shown}."])
    rows = [("", "", "cost", "value")]
    rows.append(("choice", *_line(question, question.row(choice.row), budget, choice.luck)))
    for other in choice.tied[:_MOST_TIES]:
        rows.append(("tied with it", *_line(question, question.row(other), budget)))
    if len(choice.tied) > _MOST_TIES:
        rows.append(("", f"and {len(choice.tied) - _MOST_TIES} more", "", ""))
    if choice.behind and not choice.tied:
        rows.append(("next best", *_line(question, question.row(choice.behind[0]), budget)))
    for name, step in zip(("for less", "for more"), _around(question, budget), strict=True):
        if step:
            rows.append((name, *_line(question, question.row(step.row), budget, step.luck)))
    said = [*_table(rows), "", *_told_apart(question, choice), *_doubts(question)]
    return "\n".join([*lines, *said, *_how(question, question.row(choice.row))])


def _around(question: Question, budget: Budget) -> tuple[Choice | None, Choice | None]:
    """What is chosen for less, and for more."""
    steps = list(question.allowed.envelope(budget.axis, question.confidence))
    limit = question.limit(budget) * _WITHIN
    below = [choice for cost, choice in steps if cost <= limit]
    above = [choice for cost, choice in steps if cost > limit]
    return (below[-2] if len(below) > 1 else None), (above[0] if above else None)


# ------------------------------------------------------------ parts


def _head(question: Question) -> Iterator[str]:
    source, rows = question.source, question.allowed.rows
    if source.note:
        yield source.note
    name = f"Study {source.study.name}" if source.study else f"Tables in {source.tables}"
    label = LABELS.get(question.metric, question.metric)
    better = "lower" if sign(question.metric) > 0 else "higher"
    n = ", ".join(map(str, sorted(rows["n"].dropna().unique())))
    yield f"{name}: {question.allowed.sound.sum()} configurations with n = {n} images each."
    yield f"Values are {label}: {better} is better. {100 * question.confidence:.3g} % intervals."
    if question.limits:
        yield f"Limits: {'; '.join(question.limits)}."


def _line(
    question: Question, row: pd.Series, budget: Budget, luck: float = 0.0
) -> tuple[str, str, str]:
    """A configuration, what an image of it costs, and its value with interval."""
    value, lo, hi = (f"{row[name] + luck:.4g}" for name in ("value", "lo", "hi"))
    cost = budget.shown(row[budget.axis], question.source.reference()[1])
    return described(row, question.allowed.rows), cost, f"{value} [{lo}, {hi}]"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows in columns that are as wide as they need to be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return [f"  {line.rstrip()}" for line in lines]


def _counted(others: int) -> str:
    return {0: "none", 1: "1 other"}.get(others, f"{others} others")


def _told_apart(question: Question, choice: Choice) -> Iterator[str]:
    if abs(choice.luck) > 0.001 * abs(question.row(choice.row)["value"]):
        yield (
            f"The value of a choice leaves out what it owes to luck: {abs(choice.luck):.3g} here."
        )
    if choice.tied:
        yield "Values of tied rows are as measured."
        times = question.allowed.images_to_tell(choice, choice.tied[0], question.confidence)
        many = len(choice.tied)
        yield f"The study does not tell the choice from {_counted(many)}."
        yield (
            f"About {times:.2g} times as many {_sources(question)} would tell it from the first of"
            " them."
            if times < _HOPELESS
            else "Without luck the first of them is as good: more would hardly decide."
        )


def _sources(question: Question) -> str:
    several = (question.allowed.rows["seeds"] > 1).any()
    return "images and training seeds" if several else "images"


def _doubts(question: Question) -> Iterator[str]:
    """What the intervals do not contain."""
    if (question.allowed.rows["seeds"] == 1).all():
        yield "Each model was trained once: what another training would change is not included."


def _how(question: Question, row: pd.Series) -> Iterator[str]:
    study = question.source.study
    if study is None:
        return
    yield ""
    snakemake = question.source.snakemake
    if kept := kept_of(row.to_dict()):
        folder = f"candidates/{row['stage']}/{row['size']}/seed{study.training_seeds[0]}"
        yield f"Its images:  {study.results}/cells/{folder}/images.safetensors"
        yield f"Each was kept, of {kept[1]}, by {study.metrics.alignment}."
        return
    yield f"Its images:  {snakemake} {_sheet(study, row)}"
    folder = _pipeline(study, row)
    if folder is None:
        return
    if study.trains:
        yield f"In diffusers:  {snakemake} {folder}/model_index.json"
    else:
        yield "In diffusers:"
    yield "  from diffusers import DiffusionPipeline"
    yield f'  pipeline = DiffusionPipeline.from_pretrained("{folder}")'
    yield (
        f'  pipeline("a red heart", num_inference_steps={row["steps"]},'
        f' guidance_scale={row["guidance"]:g}).images[0].save("heart.png")'
    )


def _sheet(study: Study, row: pd.Series) -> str:
    """The contact sheet of a configuration's cell."""
    sampler, allocation = sampled_as(study, row)
    noise = row.get("noise")
    made = None if pd.isna(noise) else str(noise)
    cell = cell_name(row["steps"], row["guidance"], allocation=allocation, noise=made)
    model = f"{row['stage']}/{row['size']}/seed{study.training_seeds[0]}"
    return f"{study.results}/cells/{model}/{sampler}/sheets/{cell}.png"


def _pipeline(study: Study, row: pd.Series) -> str | None:
    """The folder of a model as a pipeline of diffusers; None if that does not sample alike."""
    own = NATIVE if study.adopted else _exported_sampler(row["stage"])
    has_own = own in (*OF_STUDENTS, NATIVE)  # levels, whatever schedule the row has
    if row["sampler"] != own or not (has_own or row.get("schedule", EXPORTED) == EXPORTED):
        return None
    if study.adopted:
        known = {own.name: own for own in study.adopted.compared}
        model = (study.adopted.students if row["stage"] == DISTILL else known).get(row["size"])
        changed = model and (model.part or model.scheduler or model.prompt_prefix or model.variant)
        plain = model and not changed and not model.negative_prompt and model.dtype == "float32"
        return str(model.folder) if model and plain else None
    return f"{study.results}/pipelines/{row['stage']}/{row['size']}/seed{study.training_seeds[0]}"
