"""The workflow of super-resolution, without running it."""


def test_super_resolution_is_finetuned_measured_and_drawn_from_its_own_files(project):
    overlay = project.folder / "superres.yaml"
    overlay.write_text("superres: {scratch: [c20]}\ntraining: {seeds: [7]}\n")
    printed = project.snakemake("-n", "-p", "figures", "tables", f"--configfile={overlay}")
    lines = [line for line in printed.splitlines() if " -m ldm_scaling." in line]

    def command(name, *words):
        wanted = [f"-m ldm_scaling.{name} ", *words]
        (found,) = [line for line in lines if all(word in line for word in wanted)]
        return found

    pair = "--latents results/latents/train.safetensors"
    pair += " --text results/latents/text_test.safetensors"
    pair += " --condition results/latents/superres/train.safetensors"
    finetuned = command("models.superres", "--out results/models/superres/c48/seed7 ")
    assert pair in finetuned and "--base results/models/pretrain/c48/seed7 " in finetuned
    scratch = command("models.superres", "--out results/models/superres_scratch/")
    assert pair in scratch and "--base" not in scratch and "superres_scratch/c20/" in scratch
    beside = "--condition results/latents/superres/validation.safetensors"
    beside += " --originals results/data/test.safetensors"
    beside += " --perceptual resources/squeezenet1_1.safetensors"
    assert beside in command("cells.sweep", "models/superres/c12/seed7 ")
    pretrained = "--out results/cells/pretrain/c12/seed7/dpmpp "
    assert "--condition" not in command("cells.sweep", pretrained)
    tables = []
    for stage in ("superres", "superres_scratch"):
        folder = f"results/tables/{stage}/ddim"
        tables.append(f"--cells {folder}/cells.csv {folder}/draws.safetensors")
    for name in ("figures sr_compute", "tables.superres"):
        assert " ".join(tables) in command(name)
    assert "tables/distill/lcm" in command("tables.curves")
    assert "superres" not in command("tables.curves")  # its sampler is that of pretrained models


def test_photographs_take_the_place_of_the_splits(project):
    overlay = project.folder / "photos.yaml"
    overlay.write_text("superres: {validation: {path: photos, patches: 300}}\n")
    (project.folder / "photos").mkdir()
    (project.folder / "photos" / "a.png").touch()
    printed = project.snakemake(
        "-n", "-p", "results/figures/sr_compute.pdf", f"--configfile={overlay}"
    )
    lines = [line for line in printed.splitlines() if " -m ldm_scaling." in line]
    name = "superres/photos_validation"
    (degrading,) = [line for line in lines if ".degrade " in line and "/superres/valid" in line]
    assert f"--images results/data/{name}.safetensors" in degrading
    measuring = [line for line in lines if ".cells.measure " in line and "/superres" in line]
    assert len(measuring) == 5
    for line in measuring:
        assert f"--reference results/cells/reference/{name}.safetensors" in line
        assert f"--captions results/data/{name}.csv" in line


def test_a_study_without_super_resolution_has_nothing_of_it(project):
    overlay = project.folder / "without.yaml"
    overlay.write_text("superres: null\n")
    jobs = project.jobs("all", f"--configfile={overlay}")
    assert not {name for name in jobs if "superres" in name or name.startswith("sr_")}
    assert "degrade" not in jobs and jobs["claims"] == 1
    assert jobs["encode_images"] == 2  # of training, and of validation for losses by noise level
