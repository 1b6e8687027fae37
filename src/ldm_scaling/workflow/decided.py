"""Find the rules whose jobs each key of a study decides, by changing one key after another.

The docstring of a spec's classmethod must say "of rule NAME", as in "Spec of rule NAME", and its
parameters must have the names of wildcards. Tables and figures are in their registries.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache, reduce
from importlib import import_module
from itertools import islice, product
from operator import getitem
from typing import Any

from ..kinds.figures import FIGURES
from ..kinds.noises import FITTED
from ..kinds.stages import SAMPLER_OF, is_pretrained
from ..kinds.tables import TABLES
from ..study.fields import Strict, StudyError
from ..study.load import load_study, schema_text
from ..study.study import Study
from . import searches, settings, specs, stages, targets

Config = dict[str, Any]
Key = tuple[str, ...]


def decided_by(config: Config, sections: Iterable[str] | None = None) -> dict[Key, set[str]]:
    """For each key, of these sections or of all, the rules whose jobs another value changes.

    The study is taken with each method of search, since neither has all jobs. A key that cannot be
    changed by itself, since others must fit it, is left out.
    """
    found: dict[Key, set[str]] = {}
    for method in ("adaptive", "grid"):
        base = config | {"search": config["search"] | {"method": method}}
        before = jobs_of(load_study(base))
        for key in _keys({name: base[name] for name in sections or base}):
            for study in islice(_changed(base, key), 1):
                after = jobs_of(study)
                rules = {rule for rule, jobs in after.items() if _has_others(jobs, before[rule])}
                found[key] = found.get(key, set()) | rules
    return found


def _has_others(jobs: dict, before: dict) -> bool:
    """Whether there is a job that was not there before, or was another one."""
    return any(before.get(name) != job for name, job in jobs.items())


def jobs_of(study: Study) -> dict[str, dict]:
    """What decides the jobs of each rule, by what tells them apart."""
    jobs: dict[str, dict] = {"collect": {}}
    wildcards = _values(study)
    for rule, make in makers():
        own = {(make.__qualname__, *one): text for one, text in _specs(study, make, wildcards)}
        jobs[rule] = jobs.get(rule, {}) | own
    for stage in stages.samplers(study):
        jobs["collect"][stage] = (
            stages.grid(study, stage),
            study.sampling.most_steps if is_pretrained(stage) else None,
            settings.metric(study),
            study.metrics.training_sd,
        )
    for kind in (*TABLES, *FIGURES):
        made = targets.parts(kind, study)
        values = {
            name: value(None) if callable(value) else value
            for name, value in made.params.items()
            if name != "command"
        }
        inputs = {name: files for name, files in made.inputs.items() if name != "sources"}
        jobs[kind.name] = {} if "missing" in inputs else {kind.name: (inputs, values)}
    return jobs


@cache
def makers() -> list[tuple[str, Callable[..., Strict]]]:
    """Rules, and what makes the specs of their jobs."""
    found = []
    for info in pkgutil.iter_modules(specs.__path__, f"{specs.__name__}."):
        module = import_module(info.name)
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == info.name and issubclass(kind, Strict):
                for _, make in inspect.getmembers(kind, inspect.ismethod):
                    if make.__qualname__.startswith(kind.__name__):
                        found += [(rule, make) for rule in rules_of(make.__doc__ or "")]
    return found


def rules_of(doc: str) -> list[str]:
    """The rules that a spec's docstring names: "of rule a", "of rules b and c"."""
    named = re.findall(r"\b[Oo]f rules? (\w+(?: and \w+)*)", doc)
    return [rule for names in named for rule in names.split(" and ")]


def _specs(
    study: Study, make: Callable[..., Strict], values: dict[str, list]
) -> Iterator[tuple[tuple, str]]:
    """The specs that a study has, by the values of wildcards."""
    names = list(inspect.signature(make).parameters)[1:]
    for chosen in product(*(values[name] for name in names)):
        try:
            yield chosen, make(study, *chosen).model_dump_json()
        except (StudyError, KeyError, ValueError, AttributeError):
            continue  # the study has no such job


def _values(study: Study) -> dict[str, list]:
    """The values of each wildcard."""
    named = [*stages.pairs(study), *stages.toned(study)]
    samplers = [*study.sampling.samplers, *SAMPLER_OF.values(), *searches.on_other_schedules(study)]
    return {
        "stage": [*stages.samplers(study), *dict.fromkeys(stage for stage, _, _ in named)],
        "size": [study.sizes[0], study.sizes[-1]],
        "seed": study.training_seeds[:1],
        "split": ["train", "validation", "test"],
        "part": [0],
        "subject": [0],
        "noise": list(FITTED),
        "steps": study.guided_distill.steps if study.guided_distill else [],
        "sizes": list(dict.fromkeys(sizes for sizes, _ in stages.trajectories(study))),
        "name": list(dict.fromkeys(samplers)),
    }


def _keys(config: Config, above: Key = ()) -> Iterator[Key]:
    for name, value in config.items():
        if isinstance(value, dict):
            yield from _keys(value, (*above, name))
        yield (*above, name)


def _changed(config: Config, key: Key) -> Iterator[Study]:
    """The study with other values of a key."""
    value = reduce(getitem, key, config)
    for other in _others(value):
        with suppress(StudyError, ValueError, TypeError):
            yield load_study(_replaced(config, key, other))


def _replaced(config: Config, key: Key, value: Any) -> Config:
    name, *rest = key
    return config | {name: _replaced(config[name], tuple(rest), value) if rest else value}


def _others(value: Any) -> Iterator[Any]:
    """Other values of the same kind, and words that some keys know."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1, 2 * value, value // 2)
    elif isinstance(value, float):
        yield from (value * 0.9, value * 1.1, value + 0.5)
    elif isinstance(value, list) and value:
        yield from ([*value[:-1], other] for other in _others(value[-1]))
        yield value[:-1]
    elif isinstance(value, dict):
        yield None
    elif value is None:
        yield from (1, 2, 0.5, "other", ["c20"], {"path": "other"}, {"c48": 2})
    else:
        yield from (word for word in (*_words(), "other") if word != value)


@cache
def _words() -> list[str]:
    """All words that some key is restricted to."""
    found = re.findall(r'"(?:enum|const)": (\[[^]]*\]|"[^"]*")', schema_text())
    return sorted({word for text in found for word in re.findall(r'"([^"]*)"', text)})
