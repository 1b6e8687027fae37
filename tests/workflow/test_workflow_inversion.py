"""The workflow of noise that is made for a score, without running it."""

OVERLAY = """
training: {seeds: [7]}
metrics: {judge: {extractor: {name: squeezenet, input_size: 64}}}
inversion:
  {sizes: [c20], guidance: 6, images: 640, batch: 32, lr: 0.01, warmup_images: 0, decay: cosine,
   weight_decay: 0, clip_norm: 1, ema_images: 64, width: 8, kl_weight: 0.001,
   ascent: {iterations: [2, 4], lr: 5, clip_norm: 0.1, norm_weight: 0.01}}
"""


def test_noise_is_fitted_to_training_captions_and_sampled_with_test_captions(project):
    overlay = project.folder / "inversion.yaml"
    overlay.write_text(OVERLAY)
    target = ("results/figures/inversion.pdf", "results/claims.md", "results/tables/frontier.csv")
    printed = project.snakemake("-n", "-p", *target, f"--configfile={overlay}")
    lines = [line for line in printed.splitlines() if " -m ldm_scaling." in line]

    def command(name, *words):
        wanted = [f"-m ldm_scaling.{name} ", *words]
        (found,) = [line for line in lines if all(word in line for word in wanted)]
        return found

    folder, model = "results/cells/inversion/c20/seed7", "--model results/models/distill/c20/seed7"
    maps = "--clip-like results/cells/reference/clip_like.safetensors"
    for noise in ("global", "caption"):
        fitting = command("cells.invert", f"--out {folder}/{noise} ")
        assert model in fitting and maps in fitting
        assert "--text results/latents/text_train.safetensors" in fitting
        assert "--captions results/data/train.csv" in fitting
        assert f"--work-dir results/work/invert/c20/7/{noise}" in fitting
    sampling = command("cells.sweep", f"--out {folder}/lcm ")
    assert model in sampling and maps in sampling
    assert "--text results/latents/text_test.safetensors" in sampling
    assert "--captions results/data/test.csv" in sampling
    assert "--judge-maps results/cells/reference/judge.safetensors" in sampling
    for noise in ("global", "caption"):
        assert f"--noise {folder}/{noise}/noise.safetensors" in sampling
    assert f"--cells {folder}/lcm/features.safetensors" in command(
        "cells.measure", f"--out {folder}/lcm/metrics.csv "
    )
    listed = f"--metrics c20 7 lcm {folder}/lcm/metrics.csv {folder}/lcm/draws.safetensors"
    assert listed in command("tables.inversion")
    drawn = "--inversion results/tables/inversion.csv results/tables/inversion/draws.safetensors"
    for name in ("figures inversion", "claims.decide", "tables.frontier"):
        assert drawn in command(name)


def test_a_study_without_made_noise_has_nothing_of_it(project):
    jobs = project.jobs("all")
    assert not [name for name in jobs if "inver" in name]
    for name in ("figures/inversion.pdf", "tables/inversion.csv"):
        printed = project.snakemake("-n", f"results/{name}", fails=True)
        assert "config key inversion: is null; no noise is made for a score" in printed


def test_several_steps_are_refused_with_the_reason(project):
    overlay = project.folder / "steps.yaml"
    overlay.write_text(OVERLAY.replace("guidance: 6,", "guidance: 6, steps: 4,"))
    printed = project.snakemake("-n", "all", f"--configfile={overlay}", fails=True)
    assert "config key inversion.steps: over 4 steps inversion is known to fail" in printed
