"""The registries of figures and tables: their words, their commands and their closures agree."""

import importlib
import re
from argparse import ArgumentParser

import pytest
from studies import put, whole

from ldm_scaling.jobs.command import add_options
from ldm_scaling.kinds.figures import FIGURES
from ldm_scaling.kinds.stages import SAMPLER_OF, is_student, section_of
from ldm_scaling.kinds.tables import TABLES
from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.study.study import Study
from ldm_scaling.workflow import files, stages, targets
from ldm_scaling.workflow.closure import PACKAGE, closure


@pytest.fixture
def study(pocket_config):
    """The pocket study with all figures and tables."""
    return load_study(whole(pocket_config))


def command_of(kind, study):
    """The command of a rule whose every file is named by its option."""
    made = targets.parts(kind, study)
    output = {name: name for name in ("pdf", "png")}
    if kind in TABLES:
        output = targets.tables_of(kind, study) | targets.draws_of(kind, study)
    return made.params["command"](None, made.inputs, output)


def flags(text):
    return re.findall(r"(?<!\S)--[a-z-]+", text)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_a_figure_is_given_what_its_command_takes(figure, study):
    module = importlib.import_module(f"ldm_scaling.figures.{figure.name}")
    command = ArgumentParser(add_help=False)
    add_options(command, module.draw)
    given = set(flags(command_of(figure, study))) - {"--pdf", "--png"}
    taken = {action.option_strings[0]: action.required for action in command._actions}
    assert {name for name, required in taken.items() if required} <= given <= set(taken)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_is_given_what_its_command_takes(table, study, command):
    options = command_of(table, study)
    main = importlib.import_module(f"ldm_scaling.{table.module}").main
    status, errors = command(main, *dict.fromkeys(flags(options)), "--no-such-option")
    # each of them lacks its value, but is known
    assert status == 2 and "unrecognized" not in errors[0]
    required = [
        name for name in flags(command(main)[1][0].partition("required:")[2]) if name != "--help"
    ]
    assert set(required) <= set(flags(options))


def test_the_sampler_of_students_is_written_once(study, monkeypatch):
    for stage in SAMPLER_OF:
        monkeypatch.setitem(SAMPLER_OF, stage, f"of{stage}")
    for stage, samplers in stages.samplers(study).items():
        if is_student(stage):
            assert samplers == [f"of{section_of(stage)}"]
    for word in ("student_cells", "student_images", "student_best", "guided_student_cells"):
        *_, last = files.named(study, word)
        assert "/ofdistill/" in last.paths[0] or "/ofguided_distill/" in last.paths[0]


@pytest.mark.parametrize("of_students", [[3, 6], [3]])
@pytest.mark.parametrize("method", ["grid", "adaptive"])
def test_searches_are_replayed_where_every_scale_is_sampled(pocket_config, of_students, method):
    put(pocket_config, "sampling.guidance", [3])
    put(pocket_config, "sampling.students.guidance", of_students)
    put(pocket_config, "search.method", method)
    for distill in (pocket_config["distill"], None):
        pocket_config |= {"distill": distill, "guided_distill": None}
        study = load_study(pocket_config)
        several = bool(files.searched_cells(study))
        assert study.chooses_guidance == several == bool(distill and of_students[1:])
        replayed = several and method == "grid"
        assert ("search_cost" in targets.tables(study)) == replayed
        assert ("search_cost" in targets.figures(study)) == replayed
        (replay,) = [table for table in TABLES if table.name == "replay_searches"]
        if not replayed:
            key = "search.method: an adaptive" if several else "sampling.guidance: has one scale"
            with pytest.raises(StudyError, match=key):
                targets.parts(replay, study).inputs["missing"](None)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_later_attempts_of_a_table_have_more_time_up_to_a_day(table):
    runtime = targets.runtime(table)
    assert [runtime(None, attempt) for attempt in (1, 2)] == [table.minutes, 2 * table.minutes]
    assert runtime(None, 100) == 1440


def test_names_are_different():
    names = [figure.name for figure in FIGURES] + [table.name for table in TABLES]
    assert len(set(names)) == len(names)


def test_a_study_lacks_what_it_has_no_section_for(pocket_config):
    whole = load_study(pocket_config)
    without = load_study(pocket_config | {"superres": None})
    lost = set(targets.figures(whole)) - set(targets.figures(without))
    assert lost == {"sr_compute", "sr_vs_cost", "sr_samples"}
    assert set(targets.tables(whole)) - set(targets.tables(without)) == {
        "superres",
        "superres_baselines",
    }
    assert "latency_vs_cost" not in targets.figures(whole)


KEYS = {"has_students": "distill", "arms": "distill.stochastic"}
"""those of what a figure or a table needs, where they are others"""
NEEDING = [
    pytest.param(kind, key, id=kind.name)
    for kind in (*FIGURES, *TABLES)
    if (key := KEYS.get(kind.needs, kind.needs or "")).partition(".")[0] in Study.model_fields
]


@pytest.mark.parametrize(("kind", "key"), NEEDING)
def test_what_a_study_has_no_section_for_names_it(kind, key, pocket_config):
    put(pocket_config, key, None)
    study = load_study(pocket_config)
    with pytest.raises(StudyError, match=f"config key {key}: is null"):
        targets.parts(kind, study).inputs["missing"](None)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_no_figure_depends_on_the_study_or_on_the_registries(figure):
    found = targets.sources(figure)
    assert not [path for path in found if "/workflow/" in path and "__init__" not in path]
    assert not [path for path in found if path.endswith(("study/study.py", "kinds/figures.py"))]
    others = [f"figures/{other.name}.py" for other in FIGURES if other.name != figure.name]
    shared = {
        "sr_compute": "figures/train_compute.py",
        "schedules_vs_cost": "figures/samplers_vs_cost.py",
    }.get(figure.name, "")
    assert not [p for p in found for other in others if p.endswith(other) and other != shared]


def test_a_tables_command_depends_on_no_registry():
    for table in TABLES:
        assert not [p for p in closure(f"{PACKAGE}.{table.module}") if "kinds/tables.py" in p]
