"""The workflow of stitched trajectories, without running it."""


def test_a_trajectory_is_sampled_from_its_models_in_their_order(project):
    overlay = project.folder / "stitch.yaml"
    overlay.write_text(
        "training: {seeds: [7]}\n"
        "stitch: {sizes: [[c12, c32, c48], [c48, c12]], steps: [8], sampler: dpmpp}\n"
    )
    target = ("results/figures/stitch_vs_cost.pdf", "results/claims.md")
    printed = project.snakemake("-n", "-p", *target, f"--configfile={overlay}")
    lines = [line for line in printed.splitlines() if " -m ldm_scaling." in line]

    def command(name, *words):
        wanted = [f"-m ldm_scaling.{name} ", *words]
        (found,) = [line for line in lines if all(word in line for word in wanted)]
        return found

    models = "results/models/pretrain"
    folder = "results/cells/stitch/c12-c32-c48/seed7/dpmpp"
    sampling = command("cells.sweep", f"--out {folder} ")
    taken = f"--model {models}/c12/seed7 --then {models}/c32/seed7 --then {models}/c48/seed7 "
    assert taken in sampling and "--work-dir results/work/sample_stitched/c12-c32-c48" in sampling
    reverse = command("cells.sweep", "--out results/cells/stitch/c48-c12/seed7/dpmpp ")
    assert f"--model {models}/c48/seed7 --then {models}/c12/seed7 --auto" in reverse
    measuring = command("cells.measure", f"--out {folder}/metrics.csv ")
    assert f"--cells {folder}/features.safetensors" in measuring
    listed = f"--metrics c12-c32-c48 7 dpmpp {folder}/metrics.csv {folder}/draws.safetensors"
    assert f"{listed} --metrics c48-c12 7 dpmpp " in command("tables.stitch")
    beside = "--cells results/tables/pretrain/dpmpp/cells.csv"
    assert beside in command("figures stitch_vs_cost")
    drawn = "--stitch results/tables/stitch.csv results/tables/stitch/draws.safetensors"
    assert drawn in command("figures stitch_vs_cost") and drawn in command("claims.decide")


def test_a_contact_sheet_of_a_stitched_cell_is_made_on_request(project):
    sheet = "results/cells/stitch/c20-c48/seed0/ddim/sheets/steps8_guidance6_stitched2-6.png"
    jobs = project.jobs(sheet)
    assert jobs["contact_sheet"] == jobs["sample_stitched"] == 1 and jobs["pretrain"] == 2


def test_a_study_without_trajectories_has_nothing_of_them(project):
    overlay = project.folder / "unstitched.yaml"
    overlay.write_text("stitch: null\n")
    jobs = project.jobs("all", f"--configfile={overlay}")
    assert not [name for name in jobs if "stitch" in name]
    assert jobs["claims"] == 1 and jobs["measure"] == jobs["sweep"]
