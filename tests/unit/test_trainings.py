"""The chance of a training: seeds of each stage, students and teachers, a given deviation."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from claim_cells import ALIGNMENT, QUALITY
from claim_effects import WORLDS, larger_is_better
from claim_worlds import world
from studies import put
from synthetic import METRIC, cells, values

from ldm_scaling.claims.registry import CLAIMS
from ldm_scaling.claims.render import page
from ldm_scaling.claims.statement import GIVEN, HERE, HOLDS, find
from ldm_scaling.jobs.tables import write_cells
from ldm_scaling.kinds.tables import TABLES
from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.tables.arguments import read_beside_students
from ldm_scaling.tables.values import Values, interval, of_other_trainings, with_deviation
from ldm_scaling.workflow import collecting, files, stages, targets
from ldm_scaling.workflow.specs.dreambooth import DreamBoothSpec
from ldm_scaling.workflow.specs.models import DistillSpec, GuidedDistillSpec, PretrainSpec
from ldm_scaling.workflow.specs.superres import SuperResSpec

BY_ID = {claim.id: claim for claim in CLAIMS}
SECTIONS = ("distill", "guided_distill", "superres", "dreambooth", "stitch", "param_budget")
SD = 0.012


def verdict(id_, evidence):
    return find(BY_ID[id_], evidence).verdict


def with_cells(evidence, change, **others):
    """The evidence with other cells: what `change` makes of the key and the values of each."""
    cells_ = {key: change(key, own) for key, own in evidence.cells.items()}
    return replace(evidence, cells=cells_, asked=set(), _means={}, _best={}, **others)


# ------------------------------------------------------------ seeds of each stage


@pytest.fixture
def mixed(pocket_config):
    """Three seeds of pretraining, one of every other stage."""
    put(pocket_config, "training.seeds", [4, 0, 2])
    put(pocket_config, "search.method", "grid")
    for name in SECTIONS:
        put(pocket_config, f"{name}.seeds", [4])
    return pocket_config


def test_each_stage_has_its_own_seeds(mixed):
    study = load_study(mixed)
    of = {stage: [] for stage, _, _ in stages.models(study)}
    for stage, _, seed in stages.models(study):
        of[stage].append(seed)
    sizes = study.family.sizes
    assert of.pop("pretrain") == [4, 0, 2] * len(sizes)
    assert {"distill", "guided_distill4", "superres", "superres_scratch"} < set(of)
    assert {seed for seeds in of.values() for seed in seeds} == {4}
    for models in (stages.pairs(study), stages.taught(study), stages.trajectories(study)):
        assert {model[-1] for model in models} == {4}
    # what figures show images of, and what is measured of subjects
    (path,) = {given.paths[0].split("/seed")[1][0] for given in files.subject_scores(study)}
    assert path == "4" and len(files.every_subject_scores(study)) == len(sizes)
    put(mixed, "distill.seeds", [2, 4])
    assert stages.seeds(load_study(mixed), "distill") == [4, 2]
    put(mixed, "distill.seeds", None)
    assert stages.seeds(load_study(mixed), "distill") == [4, 0, 2]


def test_seeds_change_no_model(mixed):
    def specs():
        study = load_study(mixed)
        found = [
            PretrainSpec.of(study, "c12", 4),
            DistillSpec.of(study, "c12", 4),
            GuidedDistillSpec.of(study, 8, "c12", 4),
            SuperResSpec.of(study, "superres", "c12", 4),
            DreamBoothSpec.of(study, "c12", 4, 0),
            PretrainSpec.of_pair(study, "budget_minilm-l3", "c12", 4),
        ]
        return [spec.model_dump_json() for spec in found]

    before = specs()
    for name in SECTIONS:
        del mixed[name]["seeds"]
    put(mixed, "training.seeds", [4])
    assert specs() == before


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("distill.seeds", [4, 3], "distill.seeds: 3 is not in training.seeds; add it there"),
        ("stitch.seeds", [0], "stitch.seeds: lacks 4, the first of training.seeds, .*; add it"),
        ("superres.seeds", [], "superres.seeds: needs at least 1"),
        ("dreambooth.seeds", [4, 4], "dreambooth.seeds: 4 is listed twice"),
        ("metrics.training_sd", SD, "metrics.training_sd: several training.seeds .*; set null"),
    ],
)
def test_seeds_that_do_not_fit_are_one_line(mixed, key, value, message):
    put(mixed, key, value)
    with pytest.raises(StudyError, match=f"^config key {message}"):
        load_study(mixed)


# ------------------------------------------------------------ verdicts of mixed studies


def trained_once(key, own):
    """Cells of the first seed, but of pretrained models all."""
    return own if key[0] == "pretrain" else own.of_seeds([0])


def test_a_verdict_holds_where_all_that_it_compares_has_several_trainings():
    whole = world(larger_is_better, noise=(0.002, 0.0001), seeds=3)
    mixed = with_cells(whole, trained_once, searches=whole.searches.query("seed == 0"))
    assert verdict("quality-improves-with-size", mixed) == HOLDS
    assert verdict("adaptive-search-reaches-its-aim", mixed).endswith((HERE, "undecided"))
    effects, _ = WORLDS["distill-improves-every-size"]
    students = with_cells(world(**effects, noise=(0.002, 0.0001), seeds=3), trained_once)
    assert verdict("distill-improves-every-size", students) == HOLDS + HERE
    text = page([find(claim, mixed) for claim in CLAIMS], mixed)
    assert (
        "3 training seeds (1 of curriculum, 1 of distill, 1 of guided_distill, 1 of superres)"
        in text
    )


def test_a_student_is_compared_with_its_own_teacher():
    # teachers differ by a fifth; each student is a tenth better than its own
    whole = world(noise=(0.0005, 0.0001), seeds=3, values_vary=True)
    luck = {0: 0.8, 1: 1.0, 2: 1.2}

    def lucky(key, own):
        better = 0.9 if key[0] == "distill" else 1.0
        factor = own.rows["seed"].map(luck).to_numpy(float)[:, None] * better
        return Values(own.rows, own.draws * factor) if key[2] == QUALITY else own

    several = with_cells(whole, lucky)
    once = with_cells(several, trained_once)
    for evidence, expected in ((several, HOLDS), (once, HOLDS + HERE)):
        found = find(BY_ID["distill-improves-every-size"], evidence)
        assert found.estimate == pytest.approx(-np.log(0.9), abs=0.01)
        assert found.verdict == expected


def test_tables_and_figures_of_students_have_the_teachers_of_their_seeds(tmp_path):
    given = []
    for stage, seeds in (("pretrain", (0, 1, 2)), ("distill", (0, 2))):
        made = values(cells(seeds=seeds, stage=stage, failed=None))
        table, file = tmp_path / f"{stage}.csv", tmp_path / f"{stage}.safetensors"
        write_cells(made.rows, made.draws[:, 1:], table, file)
        given.append((table, file))
    for own in read_beside_students(given, METRIC):
        assert set(own.rows["seed"]) == {0, 2} and len(own.draws) == len(own.rows)


# ------------------------------------------------------------ a deviation that is given


def models(count, sizes=1):
    """One cell of each of so many models."""
    rows = pd.DataFrame({"size": [f"c{i}" for i in range(count * sizes)]})
    return rows.assign(stage="pretrain", trained=1.0, metric=QUALITY)


@pytest.mark.parametrize("sizes", [2, 5])
def test_intervals_cover_what_another_training_would_give(sizes):
    # many studies of sizes of one quality; a study has one training of each, and its images' noise
    studies, of_images, draws = 400, 0.006, 1000
    generator = np.random.default_rng(0)
    rows = models(studies, sizes)
    level = SD * generator.standard_normal(len(rows)) + of_images * generator.standard_normal(
        len(rows)
    )
    drawn = level[:, None] + of_images * generator.standard_normal((len(rows), draws))
    weights = np.arange(sizes) - (sizes - 1) / 2  # a difference of two, a slope over five

    def coverage(deviation):
        varied = with_deviation(rows, np.exp(drawn), QUALITY, deviation)
        logs = np.log(np.hstack([np.exp(level)[:, None], varied])).reshape(studies, sizes, -1)
        ends = np.array([interval(own, 0.95)[1:] for own in np.einsum("s,ksr->kr", weights, logs)])
        return ((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).mean()

    assert coverage(SD) >= 0.93
    assert coverage(None) < 0.75  # 0.62 by the normal distribution


def test_a_deviation_moves_all_cells_of_a_model_alike_and_no_other_metric():
    cell = {"size": ["c8", "c8", "c8", "c16", "c8", "c8"], "trained": [1.0, 1, 0.5, 1, 1, 1]}
    rows = pd.DataFrame(cell).assign(metric=[QUALITY] * 4 + [ALIGNMENT, QUALITY])
    rows["stage"] = ["pretrain"] * 5 + ["distill"]
    draws = np.full((6, 4000), 5.0)
    factors = with_deviation(rows, draws, QUALITY, SD) / draws
    logs = np.log(factors)
    assert np.array_equal(factors[0], factors[1]) and (factors[4] == 1).all()
    apart = np.corrcoef(logs[[0, 2, 3, 5]])  # model, checkpoint, size, student
    assert np.abs(apart - np.eye(4)).max() < 0.06
    assert logs[0].std() == pytest.approx(SD, rel=0.05) and abs(logs[0].mean()) < SD / 20
    assert with_deviation(rows, draws, QUALITY, None) is draws
    undone = of_other_trainings(rows[:4], factors[:4], -SD)
    assert np.allclose(undone, 1, rtol=1e-12)


def given(evidence):
    """The evidence of a study that gives the deviation."""

    def varied(key, own):
        return own.of_other_trainings(SD) if key[2] == QUALITY else own

    others = {"stitched": evidence.stitched.of_other_trainings(SD)}
    others |= {"pairs": evidence.pairs.of_other_trainings(SD)}
    others["spec"] = evidence.spec.model_copy(update={"training_sd": SD})
    return with_cells(evidence, varied, **others)


def holding(id_):
    effects, _ = WORLDS[id_]
    return world(**effects)


@pytest.mark.parametrize(
    ("id_", "expected"),
    [
        ("quality-improves-with-size", GIVEN),
        ("quality-improves-with-training", GIVEN),  # a checkpoint is a model
        ("distill-improves-every-size", GIVEN),
        ("stitch-beats-every-size-at-some-budget", GIVEN),
        ("bigger-text-encoder-wins-at-equal-parameters", GIVEN),
        ("few-steps-want-weaker-guidance", HERE),  # within each model, where one factor cancels
        ("dpmpp-is-better-up-to-20-steps", HERE),
        ("stitch-wants-the-small-size-first", HERE),
        ("alignment-improves-with-size", HERE),  # another metric
        ("guidance-moves-quality-more-than-alignment", HERE),
        ("distances-rank-sizes-alike", HERE),
        ("dreambooth-larger-is-better", HERE),
    ],
)
def test_a_verdict_says_whether_it_rests_on_the_given_deviation(id_, expected):
    evidence = holding(id_)
    assert verdict(id_, evidence) == HOLDS + HERE
    assert verdict(id_, given(evidence)) == HOLDS + expected


def test_a_given_deviation_widens_a_claim_by_its_own_amount():
    claim, evidence = BY_ID["quality-improves-with-size"], world(larger_is_better, noise=(1e-6, 1))
    found = find(claim, given(evidence))
    x = np.log(evidence.family["params"])
    expected = 2 * 1.96 * SD / np.sqrt(((x - x.mean()) ** 2).sum())
    assert found.hi - found.lo == pytest.approx(expected, rel=0.3)  # of 100 resamples
    text = page([found], given(evidence))
    assert "a training deviation of 0.012, given, not measured" in text
    assert f"**1 {HOLDS}{GIVEN}**" in text


def test_commands_are_given_a_deviation_only_where_there_is_one(pocket_config):
    (stitch,) = [table for table in TABLES if table.name == "stitch"]
    study = load_study(pocket_config)
    assert collecting.deviation_of(study) == ""
    assert "training_sd" not in targets.parts(stitch, study).params
    put(pocket_config, "metrics.training_sd", SD)
    study = load_study(pocket_config)
    assert collecting.deviation_of(study) == "--training-sd 0.012"
    assert targets.parts(stitch, study).params["training_sd"] == SD
