"""The study and the helpers of all rules.

Needs: the merged configuration. Gives: STUDY, SPECS, and functions that rules name.
"""

import shlex
import sys
from pathlib import Path

SOURCE = Path(workflow.basedir) / "src"
sys.path.insert(0, str(SOURCE))
# Jobs in environments of their own import from it too. Braces are doubled: Snakemake formats this.
QUOTED = shlex.quote(str(SOURCE)).replace("{", "{{").replace("}", "}}")
# A job that was submitted to a cluster must see the GPUs that it asked for.
SUBMITTED = "LDM_SCALING_SUBMITTED=1" if workflow.remote_exec else ""
# No job but the fetching ones looks for anything in the network: what is missing is an error.
shell.prefix(
    f"export PYTHONPATH={QUOTED} HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 {SUBMITTED}; "
)

from ldm_scaling import hub
from ldm_scaling.data.archives import (
    ARCHIVES,
    COCO,
    COCO_FOLDER,
    downloads,
    hub_downloads,
)
from ldm_scaling.specs import Specs
from ldm_scaling.study import StudyError, channels, load_study
from ldm_scaling.targets import FIGURES, TABLES

try:
    STUDY = load_study(config)
except StudyError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)
SPECS = Specs(STUDY)

ENVIRONMENT = "../envs/ldm-scaling.yaml"
SELECT_BY = STUDY.metrics.names[STUDY.metrics.select_by]
ALIGNMENT = STUDY.metrics.alignment
SHARDS = str(STUDY.data.folder) if STUDY.data.source == "webdataset" else ""
PARTS = [
    f"<results>/latents/train/part{part}.safetensors"
    for part in range(STUDY.latents.parts)
]
PREPARED = {
    f"{split}{name}": f"<results>/data/{split}.{kind}"
    for split in ("train", "validation", "test")
    if (split, STUDY.data.source) != ("train", "webdataset")
    for name, kind in (("", "safetensors"), ("_captions", "csv"))
}
AUTOENCODER = (
    STUDY.latents.autoencoder.pretrained or f"{STUDY.results}/latents/autoencoder"
)
TABLES = [*TABLES, "retrieval"] if STUDY.metrics.clip_like else TABLES
CLAIM_MODULES = [
    f"src/ldm_scaling/claims/{path.name}"
    for path in sorted(Path(SOURCE, "ldm_scaling", "claims").glob("*.py"))
]
# one process a GPU, of a command that is given after `$launch -m`
LAUNCH = (
    "launch=python; [ {resources.gpu} -le 1 ] || launch='accelerate launch --multi_gpu"
    " --num_processes {resources.gpu} --num_machines 1 --mixed_precision no"
    " --dynamo_backend no --main_process_port 0'; "
)
MODELS = [
    ("pretrain", size, seed)
    for size in STUDY.family.sizes
    for seed in STUDY.training.seeds
]
SAMPLER = STUDY.sampling.samplers[0]
FIXED = STUDY.sampling.fixed
FIXED_SETTING = (
    f"--steps {FIXED.steps} --guidance {FIXED.guidance:g}"
    f" --confidence {STUDY.metrics.confidence:g}"
)
STAGES_AND_SAMPLERS = [("pretrain", sampler) for sampler in STUDY.sampling.samplers]


# ------------------------------------------------------------ inputs


def source_files(wildcards):
    """What the packed images are made from: the training source's files first."""
    data, files = STUDY.data, []
    if data.source == "emoji":
        files.append("<resources>/emoji.zip")
    elif data.source != "webdataset":
        files += folder_files(data)
    return files + (folder_files(data.evaluation) if data.evaluation else [])


def folder_files(source):
    """The files that stand for a folder of images: its lists, or the marker of a hub's data set.

    Of a folder that is not there yet, none: the job says what is missing.
    """
    if getattr(source, "revision", None):
        return [str(hub.marker(source.path, source.revision, "datasets"))]
    if source.source == "coco" and source.folder == COCO_FOLDER:
        return [str(hub.RESOURCES / name) for name in COCO]
    pattern = {"imagefolder": "metadata.*", "coco": "*.zip", "webdataset": "**/*.tar"}
    files = sorted(source.folder.glob(pattern[source.source]))
    if source.source == "coco":
        files += sorted(source.folder.glob("annotations/captions_*2014.json"))
    return [str(path) for path in files]


def shard_files(wildcards):
    """The tar shards, or the marker of the hub's data set that they are."""
    return folder_files(STUDY.data)


def training_files(wildcards):
    """What every model reads, by name: cached latents and text, or the index of tar shards."""
    if STUDY.data.source != "webdataset":
        return {
            "latents": "<results>/latents/train.safetensors",
            "text": "<results>/latents/text_train.safetensors",
        }
    index = {"index": "<results>/data/index.safetensors"}
    if STUDY.latents.cache:
        return index | {"latents": PARTS, "text": PARTS}
    return index | {"autoencoder": autoencoder_files(wildcards)}


def autoencoder_files(wildcards):
    """The autoencoder's files: trained here, downloaded, or in a folder."""
    settings = STUDY.latents.autoencoder
    if settings.pretrained and settings.revision:
        return [str(hub.marker(settings.pretrained, settings.revision))]
    if settings.pretrained and not Path(AUTOENCODER).is_dir():
        return []  # the job says so
    return [
        f"{AUTOENCODER}/config.json",
        f"{AUTOENCODER}/diffusion_pytorch_model.safetensors",
    ]


def extractor_files(wildcards):
    """The file of an extractor whose weights no package brings."""
    return [str(STUDY.metrics.weights)] if STUDY.metrics.weights else []


def clip_files(wildcards):
    """The CLIP model's files, and the captions of the images that it scores."""
    if STUDY.metrics.clip is None or wildcards.get("split", "test") != "test":
        return []
    captions = f"{STUDY.results}/data/test.csv"
    return [captions, *map(str, STUDY.metrics.clip.inputs)]


def clip_like_files(wildcards):
    """The maps of the CLIP-like score, if there is one."""
    fitted = STUDY.metrics.clip_like is not None
    return ["<results>/cells/reference/clip_like.safetensors"] if fitted else []


def text_encoder_files(wildcards):
    """The text encoder's download, if it is a hub id."""
    settings = STUDY.latents.text_encoder
    if settings.revision:
        return [str(hub.marker(settings.pretrained, settings.revision))]
    return []


def cells_of_models(name):
    """A function of wildcards: a file's path for each model of a stage, with a sampler."""

    def of_sampler(wildcards):
        return [
            f"<results>/cells/{stage}/{size}/seed{seed}/{wildcards.sampler}/{name}"
            for stage, size, seed in MODELS
            if stage == wildcards.stage
        ]

    return of_sampler


def tables_of_samplers(name):
    """A table's path for each stage and sampler."""
    return [
        f"<results>/tables/{stage}/{sampler}/{name}"
        for stage, sampler in STAGES_AND_SAMPLERS
    ]


def best_table(sampler):
    """The table of the best guidance of each pretrained model and step count, with a sampler."""
    return f"<results>/tables/pretrain/{sampler}/best.csv"


def cells_table(sampler):
    """The table of all cells of the pretrained models, with a sampler."""
    return f"<results>/tables/pretrain/{sampler}/cells.csv"


def draws_of_cells(sampler):
    """What resamples give instead of the values of `cells_table`."""
    return f"<results>/tables/pretrain/{sampler}/draws.safetensors"


def shown_models(sizes, name):
    """A file of the cells of each size, of the first training seed: the one that figures show."""
    seed = STUDY.training.seeds[0]
    return [f"<results>/cells/pretrain/{size}/seed{seed}/{name}" for size in sizes]


# ------------------------------------------------------------ params


def archive_option(wildcards, input):
    """The option that names the emoji archive, if the source is emoji."""
    return f"--archive {input[0]}" if STUDY.data.source == "emoji" else ""


def autoencoder_revision(wildcards):
    """The option that names the autoencoder's revision on the hub, if it has one."""
    revision = STUDY.latents.autoencoder.revision
    return f"--autoencoder-revision {revision}" if revision else ""


def measuring_options(wildcards, input):
    """The options that name the extractor's file and the captions, where they are needed."""
    weights = [f"--weights {path}" for path in input.extractor]
    captions = [f"--captions {path}" for path in input.clip[:1]]
    return [*weights, *captions]


def features_spec(wildcards):
    """What decides the features of a split."""
    return SPECS.features(wildcards.split).model_dump_json()


def clip_like_spec(wildcards):
    """What decides the CLIP-like score."""
    return SPECS.clip_like().model_dump_json()


def clip_like_option(wildcards, input):
    """The option that names the maps of the CLIP-like score, if there is one."""
    return [f"--clip-like {path}" for path in input.clip_like]


def hub_id_of(wildcards):
    """The hub id that a folder of resources/hub is named after."""
    return hub.hub_id(wildcards.name)


def hub_include(wildcards):
    """The option that names the files of a hub id, where the study needs other than the usual."""
    patterns = [
        pattern
        for download in hub_downloads(STUDY)
        if (download.id, download.kind) == (hub_id_of(wildcards), wildcards.kind)
        for pattern in download.include
    ]
    return f"--include {shlex.join(patterns)}" if patterns else ""


def archive_url(wildcards):
    """The address of a file below resources/."""
    return ARCHIVES[wildcards.archive].url


def archive_sha256(wildcards):
    """The hash of a file below resources/."""
    return ARCHIVES[wildcards.archive].sha256


def training_options(wildcards, input):
    """The options that name what a model reads."""
    files = {name: input.get(name, []) for name in ("latents", "text", "index")}
    lists = {
        name: [found] if isinstance(found, str) else found
        for name, found in files.items()
    }
    options = [
        f"--{name} {shlex.join(found)}" for name, found in lists.items() if found
    ]
    return options + (
        [] if STUDY.latents.cache else [f"--shards {shlex.quote(SHARDS)}"]
    )


def encode_part_spec(wildcards):
    """What decides the latents and embeddings of one part of the tar shards."""
    return SPECS.encode_part(AUTOENCODER, int(wildcards.part)).model_dump_json()


def pretrain_spec(wildcards):
    """What decides a trained model."""
    spec = SPECS.pretrain(wildcards.size, int(wildcards.seed), AUTOENCODER)
    return spec.model_dump_json()


def sweep_spec(wildcards):
    """What decides the cells of one (model, sampler)."""
    return SPECS.sweep(wildcards.sampler).model_dump_json()


def illustrate_spec(wildcards):
    """What decides the images of one model that figures show and no cell has."""
    return SPECS.illustrate(wildcards.size, int(wildcards.seed)).model_dump_json()


def guidance_steps():
    """Steps at which guidance scales are compared: the fixed setting's, else fewer of the grid."""
    grid, fixed = STUDY.sampling.steps, FIXED.steps
    return max((steps for steps in grid if steps <= fixed), default=min(grid))


def images_arguments(sizes):
    """A function of a job's inputs: `--images SIZE FILE` for each size."""

    def of_job(wildcards, input):
        pairs = zip(sizes, input.images, strict=True)
        return [f"--images {size} {path}" for size, path in pairs]

    return of_job


def work_dir(rule):
    """A function of wildcards: where a rule's jobs keep their state between interruptions."""

    def of_job(wildcards):
        return str(Path(STUDY.results, "work", rule, *wildcards))

    return of_job


def metrics_arguments(wildcards, input):
    """`--metrics STAGE SIZE SEED SAMPLER METRICS DRAWS` for each model."""
    models = [model for model in MODELS if model[0] == wildcards.stage]
    return [
        f"--metrics {stage} {size} {seed} {wildcards.sampler} {metrics} {draws}"
        for (stage, size, seed), metrics, draws in zip(
            models, input.metrics, input.draws, strict=True
        )
    ]


def claims_arguments(wildcards, input):
    """`--cells STAGE SAMPLER CELLS DRAWS` for each stage and sampler."""
    return [
        f"--cells {stage} {sampler} {cells} {draws}"
        for (stage, sampler), cells, draws in zip(
            STAGES_AND_SAMPLERS, input.cells, input.draws, strict=True
        )
    ]


# ------------------------------------------------------------ outputs that the report shows


def figure(name, category):
    """The files of a figure; the report shows the png with report/figures/{name}.rst."""
    pdf, png = multiext(f"<results>/figures/{name}", pdf=".pdf", png=".png")
    caption = f"../report/figures/{name}.rst"
    return [pdf, report(png, caption=caption, category=category, labels=figure_labels)]


def figure_labels(wildcards, output, params):
    """What the report lists a figure as. One label: it may make a switch of a second one."""
    name, sampler = Path(output.png).stem, params.get("sampler")
    return {"figure": f"{name} ({sampler})" if sampler else name}


def table(path):
    """A table or text; the report offers it with report/tables/{stem of its name}.rst."""
    caption = f"../report/tables/{Path(path).stem}.rst"
    labels = {"table": Path(path).name}
    return report(path, caption=caption, category="Tables", labels=labels)


def cells_arguments(wildcards, input):
    """`--cells CELLS DRAWS` for each sampler."""
    return [
        f"--cells {cells} {draws}"
        for cells, draws in zip(input.cells, input.draws, strict=True)
    ]


# ------------------------------------------------------------ cluster


def unfilled():
    """Resources of the jobs to run that profiles/slurm still leaves open."""
    return {
        name
        for job in workflow.dag.needrun_jobs()
        for name, value in job.resources.items()
        if value == "FILL_IN"
    }


onstart:
    # not while parsing: a dry run, which skips this, needs no account
    if names := unfilled():
        print(
            "error: profiles/slurm/config.yaml, default-resources: fill in"
            f" {' and '.join(sorted(names))}, or delete what your cluster does without",
            file=sys.stderr,
        )
        sys.exit(2)
