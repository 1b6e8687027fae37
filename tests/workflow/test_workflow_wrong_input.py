"""What Snakemake is given that is not as it should be: one line, or the job that says it."""

from __future__ import annotations

import pytest

TARGET = "results/mine/latents/test.safetensors"
OVERLAY = (
    "name: mine\nlatents: {autoencoder: {pretrained: vae, downsampling: 4, latent_channels: 8}}\n"
)


@pytest.mark.parametrize(
    ("names", "inputs"),
    [
        (["config.json", "diffusion_pytorch_model.safetensors"], 2),
        (["config.json", "diffusion_pytorch_model.bin"], 2),
        (["model_index.json"], 0),
    ],
)
def test_an_autoencoders_inputs_are_what_its_folder_has(project, names, inputs):
    overlay = project.folder / "mine.yaml"
    overlay.write_text(OVERLAY)
    (project.folder / "vae").mkdir(exist_ok=True)
    for path in (project.folder / "vae").iterdir():
        path.unlink()
    for name in names:
        (project.folder / "vae" / name).touch()
    printed = project.snakemake("-n", TARGET, f"--configfile={overlay}")
    (line,) = [line for line in printed.splitlines() if "input:" in line and "/test.safe" in line]
    assert line.count("vae/") == inputs


def test_a_section_twice_in_an_overlay_is_one_line(project):
    overlay = project.folder / "twice.yaml"
    overlay.write_text("name: twice\ntraining: {lr: 1}\ntraining: {images: 60000}\n")
    printed = project.snakemake("-n", f"--configfile={overlay}", fails=True)
    assert "twice.yaml: config key training is in line 2 and again in line 3" in printed
