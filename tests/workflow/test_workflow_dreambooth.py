"""The workflow of DreamBooth, without running it."""

from project import counts


def test_a_study_without_subjects_teaches_none(project):
    overlay = project.folder / "untaught.yaml"
    overlay.write_text("dreambooth: null\n")
    jobs = project.jobs("all", "models", f"--configfile={overlay}")
    assert not [name for name in jobs if "dreambooth" in name or "subjects" in name]
    assert jobs["claims"] == 1


def test_subjects_of_a_folder_are_inputs_and_every_size_is_taught_each(project):
    folder = project.folder / "mine" / "dog6"
    folder.mkdir(parents=True)
    (folder / "0.png").touch()
    overlay = project.folder / "mine.yaml"
    overlay.write_text(
        "training: {seeds: [7, 1]}\nsearch: {method: grid}\n"
        "dreambooth: {path: mine, subjects: 1, sizes: [c32, c12]}\n"
    )
    printed = project.snakemake("-n", "-p", "models", f"--configfile={overlay}")
    assert counts(printed)["pretrain"] == 4 * 2, "and models without subjects"
    lines = [line for line in printed.splitlines() if "python -m ldm_scaling." in line]
    taught = [line for line in lines if "models.dreambooth " in line]
    assert len(taught) == 2 * 2
    model = "results/models/dreambooth/c32/seed1"
    (own,) = [line for line in taught if f"--out {model}/subject0" in line]
    assert "--model results/models/pretrain/c32/seed1 " in own
    assert f"--prior {model}/prior.safetensors" in own
    (chosen,) = [line for line in lines if "data.subjects" in line]
    assert "--folder mine" in chosen
    assert "input: mine/dog6/0.png" in printed
