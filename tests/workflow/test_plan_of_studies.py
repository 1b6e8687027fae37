"""The plan beside Snakemake's own dry runs, and its command line."""

from collections import Counter

import pandas as pd
import pytest
import yaml
from plans import of_package, study_of
from project import ROOT, SMOKE
from ready import jobs_in

from ldm_scaling.plan.ahead import from_json
from ldm_scaling.plan.dag import reruns


def plan(project, *arguments, fails=False):
    """What `python -m ldm_scaling.plan` prints."""
    done = of_package(project.folder, "-m", "ldm_scaling.plan", *arguments)
    assert (done.returncode != 0) == fails, done.stderr.decode()[-3000:]
    return (done.stderr if fails else done.stdout).decode()


def test_the_plan_has_the_jobs_that_would_run(project):
    printed = plan(project, "--configfile", "studies/smoke.yaml", "--device", "h100")
    table = pd.read_csv(project.folder / "results/smoke/plan.csv").set_index("rule")
    assert table.loc[table["jobs"] > 0, "jobs"].to_dict() | {"all": 1} == project.jobs(*SMOKE)
    fetched = [rule for rule in table.index if rule.startswith("fetch_")]
    assert table["done"].to_dict() == {rule: int(rule in fetched) for rule in table.index}
    assert f"{len(fetched)} of {table[['jobs', 'done']].sum().sum()} jobs are done" in printed
    assert "hours of one h100 at 30 % of its 989 TFLOP/s" in printed
    assert table.loc["pretrain", ["flops", "gpu_memory_gb", "host_memory_gb", "epochs"]].min() > 0
    assert not (project.folder / "results/smoke/data").exists()


def test_what_is_ahead_has_the_jobs_of_its_target_and_the_flops_of_the_plan(project):
    target = "results/smoke/figures/fid_vs_cost.pdf"
    command = ("-m", "ldm_scaling.plan.ahead", target, "--configfile", "studies/smoke.yaml")
    jobs = from_json(of_package(project.folder, *command).stdout.decode())
    due = Counter(job.rule for job in jobs if job.due)
    assert due == project.jobs(*SMOKE, target)
    plan(project, "--configfile", "studies/smoke.yaml")
    table = pd.read_csv(project.folder / "results/smoke/plan.csv").set_index("rule")
    assert due["pretrain"] == table.loc["pretrain", "jobs"]
    flops = sum(job.flops for job in jobs if job.rule == "pretrain")
    assert flops == pytest.approx(table.loc["pretrain", "flops"], rel=1e-3)


def test_a_study_that_cannot_be_planned_is_one_line(project):
    for change in ("training.lrr=1", "training.lr"):
        message = plan(project, "--change", change, fails=True)
        assert len(message.splitlines()) == 1 and "lr" in message
    (project.folder / "prose.yaml").write_text("a study\n")
    assert "prose.yaml" in plan(project, "--configfile", "prose.yaml", fails=True)
    study = yaml.safe_load((project.folder / "studies/adopted.yaml").read_text())
    study["adopted"]["models"][0]["pretrained"] = "results/pipelines/pretrain/c13/seed0"
    (project.folder / "mistyped.yaml").write_text(yaml.safe_dump(study))
    message = plan(project, "--configfile", "mistyped.yaml", fails=True)
    assert len(message.splitlines()) == 1 and "results/models/pretrain/c13" in message


REVISION = "3f2a9c51d07be648a1b3c95e7d2046f8e19ab7c4"
SANA = {
    "sana-600m": (1122e9, 591.7e6),
    "sana-1600m": (2967e9, 1604.5e6),
    "sana-4800m": (8887e9, 4721.8e6),
}
"""FLOPs of a forward pass at 1024 px and parameters, as counted elsewhere"""
SPRINT = {"sprint-600m": SANA["sana-600m"], "sprint-1600m": SANA["sana-1600m"]}
"""students, which are told the scale"""
DECODER, CAPTION, GEMMA, AUTOENCODER = 8369e9, 1234e9, 2614e6, 312e6


@pytest.fixture
def no_network(monkeypatch):
    """Whoever asks the network gets no answer."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def test_public_pipelines_are_priced_before_they_are_downloaded(project, no_network):
    (project.folder / "grid.yaml").write_text("search: {method: grid}\n")
    printed = plan(project, "--configfile", "studies/sana.yaml", "grid.yaml")
    table = pd.read_csv(project.folder / "results/sana/plan.csv").set_index("rule")
    # by hand: 5,000 images, 2 to 32 steps, four of five scales with two evaluations, two samplers
    evaluations, images = 5000 * (2 + 4 + 8 + 16 + 32) * 9, 5000 * 5 * 5
    swept = sum(2 * (evaluations * own + images * DECODER) for own, _ in SANA.values())
    # 1, 2 and 4 steps at three scales
    swept += sum(5000 * 3 * (7 * own + 3 * DECODER) for own, _ in SPRINT.values())
    assert table.loc["sweep", "flops"] == pytest.approx(swept, rel=0.01)
    assert table.loc["sweep", "hours"] == pytest.approx(swept / 0.3 / 312e12 / 3600, rel=0.01)
    encoded = 2 * 5 * 5000 * CAPTION
    assert table.loc["encode_prompts", "flops"] == pytest.approx(encoded, rel=0.01)
    # bfloat16; a sampling GPU has no text encoder, but activations of 16 guided images
    assert table.loc["encode_prompts", "gpu_memory_gb"] == pytest.approx(2 * GEMMA / 1e9, rel=0.01)
    weights = 2 * (SANA["sana-4800m"][1] + AUTOENCODER) / 1e9
    assert weights < table.loc["sweep", "gpu_memory_gb"] < weights + 20
    lines = {line.split()[0]: line.split() for line in printed.splitlines() if line}
    for name, (flops, params) in (SANA | SPRINT).items():
        total = params + AUTOENCODER + GEMMA
        _, millions, _, gflops, gigabytes, _, *download, _ = lines[name]
        # those of Sprint that embed the scale are a few more
        assert int(millions.replace(",", "")) == pytest.approx(params / 1e6, rel=4e-3)
        assert int(gflops.replace(",", "")) == pytest.approx(flops / 1e9, rel=0.01)
        assert float(gigabytes) == pytest.approx(2 * total / 1e9, rel=0.01)
        assert download[:2] == ["up", "to"]
        assert float(download[2]) == pytest.approx(4 * total / 1e9, rel=0.01)
    assert "No commit is named of sana-600m, sana-1600m, sana-4800m" in printed
    inception, *coco = 0.0955, 0.253, 6.645, 13.511
    assert table.loc["fetch_file", "gigabytes"] == pytest.approx(inception + sum(coco), rel=1e-3)
    assert not (project.folder / "resources/hub").exists()


def test_a_pipeline_that_nobody_knows_is_named_and_left_out(project, no_network):
    known = "{name: known, pretrained: CompVis/stable-diffusion-v1-4, side: 512}"
    other = f"{{name: other, pretrained: someone/else, revision: {REVISION}, side: 512}}"
    lora = f"{{name: lora, pretrained: someone/lora, revision: {REVISION}, side: 512, "
    lora += "part: lora, few_step_of: known}"
    (project.folder / "unknown.yaml").write_text(
        "name: unknown\n"
        f"adopted: {{models: [{known}, {other}, {lora}], reference: known}}\n"
        "sampling: {samplers: [native], other_schedules: null, fixed: {sampler: native}}\n"
    )
    printed = plan(project, "--configfile", "unknown.yaml")
    lines = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line}
    assert lines["other"] == ["unknown"] * 4
    assert lines["known"][:2] == ["860", "M"] and lines["lora"][-1] == "unknown"
    table = pd.read_csv(project.folder / "results/unknown/plan.csv").set_index("rule")
    assert {*table.loc["sweep", "uncounted"].split(", ")} >= {"decoding"}
    assert table.loc["sweep", "flops"] > 0, "of the model that is known"
    assert table.loc["fetch_hub", "uncounted"] == "disk"


@pytest.fixture(scope="module")
def touched(project):
    """A project with every output of the smoke study, as Snakemake leaves them, and its jobs."""
    for job in jobs_in(project.folder, "studies/smoke.yaml"):
        for path in job.outputs:
            file = project.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    project.snakemake("--touch", "--forceall", *SMOKE)
    jobs = jobs_in(project.folder, "studies/smoke.yaml")
    assert not [job for job in jobs if job.due]
    return project, jobs


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"lr": 0.0002}},  # everything after the models
        {"sampling": {"steps": [2, 4, 8]}},  # also the size of a table, not the models
        {"metrics": {"bootstrap": 60}},
        {"figures": {"prompts": [3, 1]}},  # what a figure shows
        {"family": {"reference_size": "c8"}},
    ],
)
def test_a_changed_key_reruns_what_snakemake_reruns(touched, change):
    project, before = touched
    found = reruns(before, jobs_in(project.folder, "studies/smoke.yaml", config=change))
    (project.folder / "change.yaml").write_text(yaml.safe_dump(change))
    dry = project.jobs("--cores", "2", "--configfile", "studies/smoke.yaml", "change.yaml")
    assert found and Counter(job.rule for job in found) | {"all": 1} == dry


def test_every_job_that_loads_a_large_text_encoder_has_the_memory():
    own = study_of("paper").param_budget.text_encoders[-1]
    large = {"latents": {"text_encoder": own.model_dump() | {"max_tokens": 20}}}
    jobs = [*jobs_in(ROOT, config=large), *jobs_in(ROOT, "studies/paper.yaml", config=large)]
    folder = own.pretrained.replace("/", "--")
    loading = [job for job in jobs if folder in " ".join(job.inputs) and job.gpus]
    rules = {"encode_text", "encode_part", "encode_subjects", "fit_clip_like"}
    assert rules < {job.rule for job in loading}
    few = {job.rule: job.host_bytes for job in loading if job.host_bytes < 4 * 4.86e9}
    assert few == {}
