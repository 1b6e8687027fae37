"""The study and the helpers of all rules.

Needs: the merged configuration. Gives: STUDY, SPECS, and functions that rules name.
"""

from ldm_scaling.specs import Specs
from ldm_scaling.study import StudyError, channels, load_study

try:
    STUDY = load_study(config)
except StudyError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)
SPECS = Specs(STUDY)

ENVIRONMENT = "../envs/ldm-scaling.yaml"
SELECT_BY = f"{STUDY.metrics.select_by}_{STUDY.metrics.extractor}"
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
FIGURES = ["fid_vs_cost", "guidance_sweep", "model_family"]
TABLES = ["cells", "best", "family", "floors"]
MODELS = [
    ("pretrain", size, seed)
    for size in STUDY.family.sizes
    for seed in STUDY.training.seeds
]


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
        return [f"{source.folder}/prefetched.json"]
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
    """The autoencoder's files: trained here, or in a folder; nothing for a hub id."""
    if STUDY.latents.autoencoder.pretrained and not Path(AUTOENCODER).is_dir():
        return []
    return [
        f"{AUTOENCODER}/config.json",
        f"{AUTOENCODER}/diffusion_pytorch_model.safetensors",
    ]


def cells_of_models(name):
    """A file's path for each (model, sampler) of the study."""
    return [
        f"<results>/cells/{stage}/{size}/seed{seed}/{sampler}/{name}"
        for stage, size, seed in MODELS
        for sampler in STUDY.sampling.samplers
    ]


# ------------------------------------------------------------ params


def archive_option(wildcards, input):
    """The option that names the emoji archive, if the source is emoji."""
    return f"--archive {input[0]}" if STUDY.data.source == "emoji" else ""


def autoencoder_revision(wildcards):
    """The option that names the autoencoder's revision on the hub, if it has one."""
    revision = STUDY.latents.autoencoder.revision
    return f"--autoencoder-revision {revision}" if revision else ""


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


def work_dir(rule):
    """A function of wildcards: where a rule's jobs keep their state between interruptions."""

    def of_job(wildcards):
        return str(Path(STUDY.results, "work", rule, *wildcards))

    return of_job


def metrics_arguments(wildcards, input):
    """`--metrics STAGE SIZE SEED SAMPLER FILE` for each (model, sampler)."""
    identities = [
        (*model, sampler) for model in MODELS for sampler in STUDY.sampling.samplers
    ]
    return [
        f"--metrics {stage} {size} {seed} {sampler} {path}"
        for (stage, size, seed, sampler), path in zip(
            identities, input.metrics, strict=True
        )
    ]


# ------------------------------------------------------------ resources


def large_first(wildcards):
    """Priority: the longest jobs first, so that none is left alone at the end."""
    return channels(wildcards.size)


def model_memory(wildcards, attempt):
    """MB for weights, optimiser and average of a size (about 24 bytes a parameter) and the rest."""
    return attempt * (4000 + channels(wildcards.size) ** 2 // 5)


def model_gpus(wildcards):
    """GPUs that train one model: the paper's two largest sizes do not fit on one."""
    return 1 if channels(wildcards.size) < 512 else 8


def training_threads(wildcards):
    """Threads of a training: one, or those that read and decode images for each GPU."""
    return 1 if STUDY.latents.cache else 8 * model_gpus(wildcards)


def family_memory(wildcards, attempt):
    """MB for the weights of the largest size (about 40,000 bytes times c squared) and the rest."""
    largest = max(map(channels, STUDY.family.sizes))
    return attempt * (4000 + largest**2 // 25)


def model_runtime(wildcards, attempt):
    """Minutes of one walltime slice; jobs continue in the next one."""
    return min(240 * attempt, 1440)


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
