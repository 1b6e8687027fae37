"""The workflow without running it: dry runs, the Slurm profile, wrong input, a light parse."""

import subprocess
import sys

import pytest
from project import Project

FIGURE = "results/figures/fid_vs_cost.pdf"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("workflow") / "project")


POCKET_JOBS = {
    "prepare_data": 1,
    "encode_text": 2,
    "encode_images": 1,
    "pretrain": 4,
    "real_features": 2,
    "reconstruction_features": 1,
    "sweep": 4,
    "measure": 4,
    "floors": 1,
    "family": 1,
    "collect": 1,
    "fid_vs_cost": 1,
}


def test_the_pocket_figure(project):
    assert project.jobs(FIGURE) == POCKET_JOBS


def test_every_target_of_the_pocket_study(project):
    assert project.jobs() == POCKET_JOBS | {"guidance_sweep": 1, "all": 1}
    assert project.jobs("figures") == POCKET_JOBS | {"guidance_sweep": 1, "figures": 1}
    assert project.jobs("models")["pretrain"] == 4
    assert project.jobs("results/figures/guidance_sweep.png")["guidance_sweep"] == 1


def test_slurm_as_typed(project):
    assert project.jobs("--profile", "slurm", FIGURE) == POCKET_JOBS


def test_training_the_autoencoder_is_another_value_of_the_same_key(project):
    path = project.folder / "overlay.yaml"
    path.write_text("latents: {autoencoder: {pretrained: null}}\n")
    assert project.jobs(FIGURE, "--configfile", str(path)) == POCKET_JOBS | {"train_autoencoder": 1}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("trainning={lr: 1}", "config key trainning: unknown key"),
        ("sampling={guidance: [abc]}", "config key sampling.guidance.0"),
        ("sampling={n: 5000}", "config key sampling.n: 5000 is larger than data.splits.test"),
        ("family={sizes: [c8, k16]}", "config key family.sizes.1"),
        ("data={source: imagefolder}", "config key data.path"),
    ],
)
def test_wrong_configuration_is_one_clear_line(project, config, expected):
    output = project.snakemake("--dry-run", FIGURE, "--config", config, fails=True)
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert expected in errors[0]
    assert "Traceback" not in output


def test_a_missing_image_folder_is_named(project):
    config = "data={source: imagefolder, path: nowhere}"
    arguments = ("--cores", "1", "results/data/train.csv", "--config", config)
    output = project.snakemake(*arguments, fails=True)
    assert "error: data.path: nowhere is no folder" in output


def test_what_the_snakefile_imports_is_light():
    code = (
        "import sys; import ldm_scaling.study, ldm_scaling.specs; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'pandas', 'diffusers')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tables_and_figures_import_no_torch():
    code = (
        "import sys; import ldm_scaling.cells.measure, ldm_scaling.cells.floors, "
        "ldm_scaling.tables.collect, ldm_scaling.figures.fid_vs_cost, "
        "ldm_scaling.figures.guidance_sweep; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
