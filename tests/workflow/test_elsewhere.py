"""The workflow with a working directory elsewhere, as a module of another one, in odd folders."""

from __future__ import annotations

import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import ready
from project import Project

AUTOENCODER = "pretrained/autoencoder-emoji32"
FIGURE = "results/figures/fid_vs_cost.pdf"


def snakemake(folder: Path, *arguments: str, fails: bool = False) -> str:
    """Run in a folder; asserts the exit status."""
    status, printed = ready.snakemake(folder, "--cores", "1", *arguments)
    assert (status != 0) == fails, printed[-6000:]
    return printed


def commands(printed: str) -> set[str]:
    """The commands of a dry run, without those that fetch what one folder has and another lacks."""
    lines = {line.split("tee ")[-1] for line in printed.splitlines() if "-m ldm_scaling." in line}
    return {line for line in lines if ".data.fetch_" not in line}


@pytest.fixture(scope="module")
def odd(tmp_path_factory) -> Project:
    """A clone in a folder whose name shells, Python's formats and Snakemake read something into."""
    above = tmp_path_factory.mktemp("odd") / "Größe {x} $y %s"
    above.mkdir()
    return Project(above / "my clone")


@pytest.fixture
def elsewhere(tmp_path) -> Path:
    """An empty working directory."""
    (tmp_path / "else where").mkdir()
    return tmp_path / "else where"


def host(elsewhere: Path, clone: Path, statements: str = "") -> None:
    """Write a workflow that includes the clone as a module, and has a rule of its own."""
    elsewhere.joinpath("Snakefile").write_text(
        'shell.prefix("export HOST=1; ")\n\n'
        'rule own:\n    output: "own.txt"\n    shell: "env > {output}"\n\n'
        f"module ldm:\n    snakefile: {str(clone / 'Snakefile')!r}\n{statements}\n"
        "use rule * from ldm as ldm_*\n"
    )


def test_another_working_directory_runs_the_same_commands(project, elsewhere):
    snakefile = ("--snakefile", str(project.folder / "Snakefile"))
    there = snakemake(elsewhere, "-n", "-p", *snakefile, FIGURE)
    here = project.snakemake("--cores", "1", "-n", "-p", FIGURE)
    assert commands(there) == commands(here)
    assert f"--autoencoder {AUTOENCODER}" in there
    assert f"{project.folder}/{AUTOENCODER}/config.json" in there  # a changed one is noticed
    directory = ("--directory", str(elsewhere))
    assert commands(snakemake(project.folder, "-n", "-p", *directory, FIGURE)) == commands(here)


def test_a_folders_own_configuration_overlays_that_of_the_repository(project, elsewhere):
    snakefile = ("--snakefile", str(project.folder / "Snakefile"))
    (elsewhere / "config.yaml").write_text("name: mine\nfamily: {sizes: [c12, c48]}\n")
    (elsewhere / "over.yaml").write_text("name: others\n")
    target = FIGURE.replace("results", "results/mine")
    assert "models/pretrain/c12" in snakemake(elsewhere, "-n", *snakefile, target)
    overlay = ("--configfile", "over.yaml")
    printed = snakemake(elsewhere, "-n", *snakefile, "models", *overlay)
    assert "results/others/models/pretrain/c48" in printed and "c20" not in printed


def test_a_clone_whose_path_has_spaces_has_no_container_elsewhere_and_says_so(odd, elsewhere):
    run = ("-n", "--snakefile", str(odd.folder / "Snakefile"))
    warning = "warning: jobs run without a container, since the path of the repository has a space"
    assert snakemake(elsewhere, *run, "--sdm", "apptainer", "--", FIGURE).count(warning) == 1
    assert warning not in snakemake(elsewhere, *run, FIGURE)


def test_a_clone_in_an_odd_folder(odd, elsewhere):
    here = odd.snakemake("--cores", "1", "-n", "-p", FIGURE)
    there = snakemake(elsewhere, "-n", "-p", "--snakefile", str(odd.folder / "Snakefile"), FIGURE)
    assert commands(there) == commands(here)


def test_a_job_of_a_clone_that_cannot_be_written_to(odd, elsewhere):
    def files() -> list[Path]:
        paths = odd.folder.rglob("*")
        return sorted(path for path in paths if "__pycache__" not in path.parts)

    before = files()
    for path in (odd.folder, *before):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        snakefile = str(odd.folder / "Snakefile")
        snakemake(elsewhere, "--snakefile", snakefile, "results/models/family.csv")
        assert files() == before
    finally:
        for path in (odd.folder, *before):
            path.chmod(path.stat().st_mode | 0o200)
    table = pd.read_csv(elsewhere / "results/models/family.csv")
    assert table["decoder_gflops"].gt(0).all()  # of pretrained/, which the job found in the clone


def test_a_module_of_another_workflow(odd, elsewhere):
    statements = '    config: {"family": {"sizes": ["c12", "c48"]}}\n'
    statements += '    pathvars: results="some where"\n'
    host(elsewhere, odd.folder, statements)
    (elsewhere / "config.yaml").write_text("key: of the host\n")
    printed = snakemake(elsewhere, "-n", "-p", "ldm_all")
    assert "rule ldm_pretrain:" in printed and "c20" not in printed
    words = [word for line in commands(printed) for word in shlex.split(line)]
    assert "some where/work/pretrain/c12/0" in words
    assert not [word for word in words if word.startswith(("results/", "where/"))]


def test_jobs_of_a_module_run_and_its_report_quotes_its_study(odd, elsewhere):
    statements = '    config: {"family": {"sizes": ["c12", "c48"]}, "name": "mine"}\n'
    statements += '    pathvars: results="my results"\n'
    host(elsewhere, odd.folder, statements)
    target = "my results/tables/components.csv"
    snakemake(elsewhere, target)
    assert set(pd.read_csv(elsewhere / target)["size"].dropna()) == {"c12", "c48"}
    snakemake(elsewhere, "--report", "report.zip", target)
    with zipfile.ZipFile(elsewhere / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
    assert "Study mine: " in " ".join(page.replace("\\n", " ").split())
    assert "Given a sampling budget" not in page  # what a report is about, the host says


def test_the_rules_of_the_host_are_as_without_the_module(odd, elsewhere):
    host(elsewhere, odd.folder)
    snakemake(elsewhere)  # its default target
    lines = (elsewhere / "own.txt").read_text().splitlines()
    assert "HOST=1" in lines
    assert not [line for line in lines if line.startswith(("HF_HUB", "TRANSFORMERS", "LDM"))]
    paths = [line for line in lines if line.startswith("PYTHONPATH")]
    assert paths == [f"PYTHONPATH={odd.folder / 'src'}"]  # as docs/guide.md says, and nothing else


def test_what_fetches_runs_where_snakemake_runs_also_in_a_module(odd, elsewhere):
    host(elsewhere, odd.folder)
    script = (
        "from pathlib import Path\n"
        "from snakemake.api import SnakemakeApi\n"
        "from snakemake.settings.types import ResourceSettings\n"
        "with SnakemakeApi() as api:\n"
        "    workflow = api.workflow(ResourceSettings(), snakefile=Path('Snakefile'))\n"
        "    print(*workflow._workflow._localrules)\n"
    )
    run = [sys.executable, "-c", script]
    local = subprocess.run(run, cwd=elsewhere, capture_output=True, text=True, check=True).stdout
    fetching = {f"ldm_fetch_{name}" for name in ("hub", "file", "emoji", "word_vectors")}
    assert fetching | {"ldm_all", "ldm_models"} < set(local.split())


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ('config: {"sede": 1}', "error: config key sede: unknown key"),
        ('prefix: "below/"', "error: module: prefix is not supported"),
    ],
)
def test_a_wrong_module_is_one_line(odd, elsewhere, statement, says):
    host(elsewhere, odd.folder, f"    {statement}\n")
    printed = snakemake(elsewhere, "-n", "own", fails=True)
    errors = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and errors[0].startswith(says)
    assert "Traceback" not in printed
