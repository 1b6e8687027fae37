"""The workflow without running it: dry runs, the Slurm profile, wrong input, a light parse."""

import os
import re
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import pytest
import yaml
from checkpoints import save_clip
from collections_on_disk import write_coco, write_shards
from project import FETCHED, counts
from servers import Hub, serving
from studies import WHOLE

from ldm_scaling.data.sources.emoji import ARCHIVE_BYTES, IMAGES, records
from ldm_scaling.jobs.arrays import map_array
from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.targets import FIGURES

REVISION = "3f2a9c51d07be648a1b3c95e7d2046f8e19ab7c4"
FIGURE = "results/figures/fid_vs_cost.pdf"


@pytest.fixture(scope="module")
def pocket_jobs(project):
    """Jobs of the pocket study's figure."""
    return project.jobs(FIGURE)


def test_the_pocket_figure_trains_and_measures_every_size(pocket_jobs, pocket_config):
    sizes = len(pocket_config["family"]["sizes"])
    assert {pocket_jobs[rule] for rule in ("pretrain", "sweep", "measure")} == {sizes}
    assert "distill" not in pocket_jobs and "fetch_emoji" not in pocket_jobs


def test_every_target_of_the_pocket_study(project, pocket_config):
    overlay = project.folder / "whole.yaml"
    overlay.write_text(yaml.safe_dump(WHOLE))
    whole = f"--configfile={overlay}"
    every = project.jobs(whole)
    assert {name: every.get(name) for name in FIGURES} == dict.fromkeys(FIGURES, 1)
    sizes, subjects = len(pocket_config["family"]["sizes"]), pocket_config["dreambooth"]["subjects"]
    assert every["pretrain"] == every["distill"] == every["illustrate"] == sizes
    assert every["dreambooth"] == sizes * subjects
    assert {*FIGURES, "figures"} <= set(project.jobs("figures", whole)) <= {*every, "figures"}
    # of images that are there, no more than they are made for
    samples = project.jobs("results/figures/guidance_samples.png", whole)
    assert samples["pretrain"] == sizes and "illustrate" not in samples
    # shapes are known from the study: no data are needed
    shapes = (f"results/figures/{name}.pdf" for name in ("model_family", "latency_vs_cost"))
    made = {"model_family", "latency_vs_cost", "latency", "count_family", "family"}
    assert project.jobs(*shapes) == dict.fromkeys(made, 1)


def test_samples_are_of_the_first_seed_and_at_a_step_count_of_the_grid(project):
    overlay = project.folder / "shown.yaml"
    overlay.write_text(
        "training: {seeds: [7, 1]}\n"
        "search: {method: grid}\n"
        "sampling: {fixed: {sampler: dpmpp, steps: 10, guidance: 2.5}}\n"
        "figures: {guidance_sizes: [c20]}\n"
    )
    printed = project.snakemake("-n", "-p", "figures", f"--configfile={overlay}")
    lines = [line for line in printed.splitlines() if "-m ldm_scaling.figures " in line]
    commands = {line.split(".figures ")[1].split()[0]: line for line in lines}
    cells = "results/cells/pretrain/c20/seed7"
    guidance = commands["guidance_samples"]
    assert f"--images c20 {cells}/dpmpp/images.safetensors" in guidance
    assert "--sampler dpmpp --seed 7 --steps 8 --guidance 1.0 3.0 6.0" in guidance
    assert "c48" not in guidance
    assert "--sampler dpmpp --steps 10 --guidance 2.5" in commands["size_samples"]
    for name in ("equal_cost_samples", "prompt_interpolation"):
        assert f"--images c20 {cells}/illustrations.safetensors" in commands[name]
    assert "seed1" not in "".join(commands[name] for name in commands if "samples" in name)


def test_slurm_as_typed(project, pocket_jobs):
    assert project.jobs("--profile", "slurm", FIGURE) == pocket_jobs


def test_slurm_and_a_study_of_public_pipelines(project):
    figure, overlay = "results/sdxl/figures/fid_vs_cost.pdf", "--configfile=studies/sdxl.yaml"
    printed = project.snakemake("--profile", "slurm", "-n", figure, overlay)
    assert printed.count("warning: config key adopted.models:") == 6
    assert "sdxl has no revision; give it the full commit" in printed
    jobs = counts(printed)
    assert jobs == project.jobs(figure, overlay)
    assert jobs["sweep"] == jobs["measure"] == jobs["encode_prompts"] == 5
    assert not {"pretrain", "fetch_hub", "encode_images"} & set(jobs)
    every = project.jobs("--profile", "slurm", overlay)
    assert every["sweep"] == 5 * 2 + 1, "one model has a student"
    assert every["distill_samples"] == every["components"] == 1
    refused = project.snakemake("prefetch", "--cores", "1", overlay, fails=True)
    assert "sdxl has no revision; give it the full commit" in refused


def test_what_adopted_models_cost_needs_no_data(project):
    targets = [f"results/sana/figures/{name}.pdf" for name in ("components", "latency_vs_cost")]
    assert project.jobs(*targets, "--configfile=studies/sana.yaml") == {
        "count_components": 1,
        "time_components": 1,
        "components_table": 1,
        "components": 1,
        "count_adopted": 1,
        "family": 1,
        "latency": 1,
        "latency_vs_cost": 1,
    }


def test_training_the_autoencoder_is_another_value_of_the_same_key(project, pocket_jobs):
    path = project.folder / "overlay.yaml"
    path.write_text("latents: {autoencoder: {pretrained: null}}\n")
    assert project.jobs(FIGURE, "--configfile", str(path)) == pocket_jobs | {"train_autoencoder": 1}


def test_files_of_metrics_are_inputs_and_reach_the_jobs(project):
    overlay = project.folder / "metrics.yaml"
    overlay.write_text(
        "metrics:\n"
        "  extractors: [{name: inception_v3, input_size: 299, components: null}]\n"
        "  scorers: [{name: clip_score, pretrained: my-clip}]\n"
        "  clip_like: null\n"
    )
    weights = project.folder / "resources" / "inception-2015-12-05.pt"
    model = [f"my-clip/open_clip_{name}" for name in ("config.json", "model.safetensors")]
    files = [weights, *(project.folder / path for path in model)]
    (project.folder / "my-clip").mkdir()
    for path in files:
        path.touch()
    try:
        printed = project.snakemake("--dry-run", "-p", FIGURE, f"--configfile={overlay}")
        files[-1].unlink()
        missing = project.snakemake("-n", FIGURE, f"--configfile={overlay}", fails=True)
    finally:
        for path in files:
            path.unlink(missing_ok=True)
    assert "-m ldm_scaling.cells.fit_clip_like " not in printed
    measuring = "--weights resources/inception-2015-12-05.pt --captions results/data/test.csv"
    for command in ("cells.sweep", "cells.features"):
        lines = [line for line in printed.splitlines() if f"-m ldm_scaling.{command} " in line]
        assert lines and all("--weights resources/inception" in line for line in lines)
        scored = [line for line in lines if "data/validation" not in line]
        assert all(measuring in line for line in scored)
        assert all("--captions" not in line for line in lines if line not in scored)
    assert "--metric fid " in printed and "--select-by fid " in printed
    assert model[-1] in missing


def test_prefetch_is_all_that_a_study_downloads(project):
    assert project.jobs("prefetch", "--configfile=studies/paper.yaml") == {
        "fetch_hub": 10,
        "fetch_file": 4,
        "prefetch": 1,
    }
    assert project.jobs("prefetch") == {}
    resources, elsewhere = project.folder / "resources", project.folder / "elsewhere"
    resources.rename(elsewhere)
    coco = [f"resources/coco/{name}2014.zip" for name in ("annotations_trainval", "train", "val")]
    asked = project.jobs("prefetch", *coco, "resources/inception-2015-12-05.pt")
    elsewhere.rename(resources)
    assert asked == dict.fromkeys(FETCHED.values(), 1) | {"prefetch": 1, "fetch_file": 4}


def test_jobs_have_the_downloads_that_they_read_as_inputs(project):
    printed = project.snakemake("--dry-run", "--configfile=studies/paper.yaml")
    jobs = re.findall(r"(?:local)?rule (\w+):\n    input: (.*)\n", printed)
    reads = {}
    for rule, text in jobs:
        found = re.findall(r"hub/\w+/([\w-]+)[.\w]*/\w{40}/prefetched", text)
        reads[rule] = max(found, reads.get(rule, []), key=len)  # over the jobs of a rule
    autoencoder = ["stabilityai--sd-vae-ft-mse"]
    text_encoder = ["laion--CLIP-ViT-H-14-laion2B-s32B-b79K"]
    clip = ["timm--vit_large_patch14_clip_224"]
    encoders = {f"google-t5--t5-{size}" for size in ("small", "base", "large", "3b", "11b")}
    encoders |= {"openai--clip-vit-large-patch14", *text_encoder}
    assert set(reads.pop("count_pairs")) == encoders
    assert set(reads.pop("encode_text_of")) < encoders
    assert set(reads.pop("pretrain_pair")) - set(autoencoder) < encoders
    assert {rule: names for rule, names in reads.items() if names} == {
        "index_shards": ["pixparse--cc12m-wds"],
        "encode_part": [*autoencoder, *text_encoder],
        "encode_text": text_encoder,
        "real_features": clip,
        "reconstruction_features": autoencoder + clip,
        "sweep": autoencoder + clip,
        "sample_stitched": autoencoder + clip,
        "illustrate": autoencoder,
        "encode_images": autoencoder,  # of super-resolution
        "superres_baselines": autoencoder,
        "encode_subjects": [*autoencoder, *text_encoder],
        "score_subjects": autoencoder + clip,
    }


@pytest.mark.parametrize(
    ("module", "set_by_user", "offline"),
    [
        ("latents.encode_text", "0", "True"),
        ("data.fetch_hub", "0", "False"),
        ("data.fetch_hub", None, "False"),
    ],
)
def test_only_jobs_that_fetch_use_the_network(tmp_path, module, set_by_user, offline):
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, sys\n"
        "atexit.register(lambda: print(sys.modules['huggingface_hub'].constants.HF_HUB_OFFLINE))\n"
    )
    clean = {name: os.environ[name] for name in os.environ if not name.endswith("_OFFLINE")}
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    given = {"HF_HUB_OFFLINE": set_by_user} if set_by_user else {}
    done = subprocess.run(
        [sys.executable, "-m", f"ldm_scaling.{module}", "--help"],
        env=clean | given | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == offline


def test_a_study_runs_offline_once_its_downloads_are_there(project, tmp_path, monkeypatch):
    save_clip(tmp_path / "remote")
    hub = Hub("models", "org/tiny", REVISION, tmp_path / "remote")
    overlay = project.folder / "hub.yaml"
    encoder = f"{{pretrained: org/tiny, revision: '{REVISION}', max_tokens: 8, width: 16}}"
    overlay.write_text(f"name: hub\nlatents: {{text_encoder: {encoder}}}\n")
    arguments = ("--cores", "2", "--configfile", "studies/smoke.yaml", "hub.yaml")
    with serving(hub.get, hub.file) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        project.snakemake("prefetch", *arguments)
    asked = list(hub.asked)
    project.snakemake("results/hub/latents/text_test.safetensors", *arguments)
    assert hub.asked == asked
    text = map_array(project.folder / "results/hub/latents/text_test.safetensors", "text")
    assert text.shape[1:] == (8, 16)


def test_the_emoji_are_as_many_as_the_plan_says(project):
    path = project.folder / "resources/emoji.zip"
    for tones, images in IMAGES.items():
        data = SimpleNamespace(styles=list(images), skin_tones=tones, tones=None)
        assert Counter(own.name.partition("/")[0] for own in records(data, path)) == images
    size = path.stat().st_size
    assert size == pytest.approx(ARCHIVE_BYTES, rel=0.01)


@pytest.mark.parametrize("study", ["gpu", "paper"])
def test_large_studies_parse_and_plan_without_their_data(project, study):
    target = f"results/{study}/figures/fid_vs_cost.pdf"
    jobs = project.jobs(target, f"--configfile=studies/{study}.yaml")
    sizes = {"gpu": 6, "paper": 11}[study]
    assert jobs["pretrain"] == jobs["sweep"] == jobs["measure"] == sizes  # of one sampler
    assert jobs.get("encode_part", 0) == {"gpu": 0, "paper": 64}[study]


SHARDS = """
data:
  source: webdataset
  path: resources/shards
  evaluation: {source: coco, path: resources/held_out}
metrics: {clip_like: null}
superres: null
"""


@pytest.mark.parametrize(
    ("latents", "parts"), [("{parts: 3}", 3), ("{}", 1), ("{cache: false}", 0)]
)
def test_tar_shards_are_indexed_and_encoded_by_several_jobs(project, pocket_jobs, latents, parts):
    path = project.folder / "shards.yaml"
    path.write_text(f"name: shards\n{SHARDS}\nlatents: {latents}\n")
    figure, overlay = "results/shards/figures/fid_vs_cost.pdf", f"--configfile={path}"
    jobs = project.jobs(figure, overlay)
    assert jobs["index_shards"] == 1 and jobs.get("encode_part", 0) == parts
    assert jobs["pretrain"] == pocket_jobs["pretrain"] and "encode_images" not in jobs


def test_only_the_index_and_the_held_out_images_are_made_from_files(project):
    write_shards(project.folder / "resources/shards", [2, 2])
    write_coco(project.folder / "resources/held_out")
    path = project.folder / "shards.yaml"
    path.write_text(f"name: shards\n{SHARDS}\nlatents: {{parts: 2}}\n")
    model, test = "models/pretrain/c12/seed0/summary.json", "data/test.csv"
    targets = (f"results/shards/{model}", f"results/shards/{test}")
    output = project.snakemake("-n", *targets, f"--configfile={path}")
    inputs = re.findall(r"rule (\w+):\n    input: (.*)", output)
    assert {rule for rule, files in inputs if ".tar" in files} == {"index_shards"}
    assert "resources/held_out/annotations/captions_val2014.json" in output


def test_a_study_of_shards_says_where_its_images_belong(project):
    path = project.folder / "nowhere.yaml"
    path.write_text(f"name: nowhere\n{SHARDS.replace('resources/', 'resources/no_')}")
    made = [f"results/nowhere/data/{name}" for name in ("index.safetensors", "test.csv")]
    options = ("--cores", "1", "--keep-going", f"--configfile={path}")
    output = project.snakemake(*made, *options, fails=True)
    assert "error: data.path: resources/no_shards is not a folder" in output
    assert "error: data.evaluation.path: resources/no_held_out is not a folder" in output


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("trainning={lr: 1}", "config key trainning: unknown key"),
        ("family={sizes: [c8, k16]}", "config key family.sizes.1"),
    ],
)
def test_wrong_configuration_is_one_clear_line(project, config, expected):
    output = project.snakemake("--dry-run", FIGURE, "--config", config, fails=True)
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert expected in errors[0]
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("section", "changed", "expected"),
    [
        ("sampling", {"guidance": ["abc"]}, "config key sampling.guidance.0"),
        ("sampling", {"n": 5000}, "config key sampling.n: 5000 is larger than data.splits.test"),
        ("data", {"source": "imagefolder"}, "config key data.path"),
    ],
)
def test_wrong_values_name_their_key_in_one_line(pocket_config, section, changed, expected):
    pocket_config[section] |= changed
    with pytest.raises(StudyError) as refused:
        load_study(pocket_config)
    assert str(refused.value).startswith(expected) and "\n" not in str(refused.value)


def test_a_missing_image_folder_is_named(project):
    config = "data={source: imagefolder, path: nowhere}"
    arguments = ("--cores", "1", "results/data/train.csv", "--config", config)
    output = project.snakemake(*arguments, fails=True)
    assert "error: data.path: nowhere is not a folder" in output


def test_what_the_snakefile_imports_is_light():
    code = (
        "import sys; import ldm_scaling.workflow.targets, ldm_scaling.workflow.collecting; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'pandas', 'diffusers')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tables_and_figures_import_no_torch():
    code = (
        "import sys; import ldm_scaling.cells.measure, ldm_scaling.cells.floors, "
        "ldm_scaling.tables.collect, ldm_scaling.tables.curves, ldm_scaling.claims.decide, "
        f"{', '.join(f'ldm_scaling.figures.{name}' for name in [*FIGURES, 'latency_vs_cost'])}; "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
