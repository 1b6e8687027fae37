"""The study and the helpers of all rules.

Needs: the merged configuration. Gives: STUDY, SPECS, and functions that rules name.
"""

import shlex
import sys
from functools import partial
from types import SimpleNamespace
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

from ldm_scaling.study import hub
from ldm_scaling.workflow import needed, pairs, stages, targets
from ldm_scaling.workflow.specs.cells import (
    CellSpec,
    IllustrateSpec,
    SearchSpec,
    SweepSpec,
)
from ldm_scaling.workflow.specs.claims import ClaimsSpec
from ldm_scaling.workflow.specs.costs import (
    CostSpec,
    CountComponentsSpec,
    FamilySpec,
    LatencySpec,
    TimeComponentsSpec,
)
from ldm_scaling.workflow.specs.data import IndexSpec, PrepareSpec
from ldm_scaling.workflow.specs.dreambooth import (
    DreamBoothSpec,
    EncodeSubjectsSpec,
    PriorSpec,
    ScoreSubjectsSpec,
    SubjectsSpec,
)
from ldm_scaling.workflow.specs.latents import (
    AutoencoderSpec,
    EncodeImagesSpec,
    EncodePartSpec,
    EncodeTextSpec,
    EncodingSpec,
)
from ldm_scaling.workflow.specs.measuring import (
    BaselinesSpec,
    ClipLikeSpec,
    FeaturesSpec,
    MeasureSpec,
)
from ldm_scaling.workflow.specs.models import (
    DistillSpec,
    GuidedDistillSpec,
    PretrainSpec,
)
from ldm_scaling.workflow.specs.superres import DegradeSpec, PhotosSpec, SuperResSpec
from ldm_scaling.workflow.specs.tables import ParamBudgetSpec, SearchCostSpec
from ldm_scaling.workflow.downloads import (
    ARCHIVES,
    COCO,
    COCO_FOLDER,
    PHOTOS,
    PHOTOS_FOLDER,
    SQUEEZENET,
    downloads,
    hub_downloads,
)
from ldm_scaling.study.distill import FEW_STEPS
from ldm_scaling.study.fields import StudyError
from ldm_scaling.kinds.sizes import channels
from ldm_scaling.study.load import load_study

try:
    STUDY = load_study(config)
except StudyError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)
SPECS = SimpleNamespace(  # of rules/tables.smk
    measure=partial(MeasureSpec.of, STUDY),
    cost=partial(CostSpec.of, STUDY),
    latency=partial(LatencySpec.of, STUDY),
)


def claims_spec(study, _):
    """What decides the claims."""
    return ClaimsSpec.of(study)


ENVIRONMENT = "../envs/ldm-scaling.yaml"
SELECT_BY = STUDY.metrics.names[STUDY.metrics.select_by]
ALIGNMENT = STUDY.metrics.alignment
SHARDS = str(STUDY.data.folder) if STUDY.data.source == "webdataset" else ""
# of a command's images: the study's, and those of super-resolution
SPLITS = r"(superres/(photos_)?)?(train|validation)|test"
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
FIGURES = targets.of_study(targets.FIGURES, STUDY)
TABLES = targets.of_study(targets.TABLES, STUDY)
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
MODELS = stages.models(STUDY)
SAMPLER = STUDY.sampling.samplers[0]
FIXED = STUDY.sampling.fixed
FIXED_SETTING = (
    f"--steps {FIXED.steps} --guidance {FIXED.guidance:g}"
    f" --confidence {STUDY.metrics.confidence:g}"
)
STAGES_AND_SAMPLERS = [
    (stage, sampler)
    for stage, samplers in stages.samplers(STUDY).items()
    for sampler in samplers
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
    if of_superres(wildcards):
        return []
    captions = f"{STUDY.results}/data/test.csv"
    return [captions, *map(str, STUDY.metrics.clip.inputs)]


def clip_like_files(wildcards):
    """The maps of the CLIP-like score, if there is one."""
    fitted = STUDY.metrics.clip_like is not None and not of_superres(wildcards)
    return ["<results>/cells/reference/clip_like.safetensors"] if fitted else []


def teacher_folder(wildcards):
    """The model that teaches a student: of consistency distillation, unless it has steps."""
    steps = wildcards.get("steps")
    stage = stages.guided_stage(steps) if steps else stages.DISTILL
    models = f"{STUDY.results}/models/{stages.teacher(STUDY, stage)}"
    return f"{models}/{wildcards.size}/seed{wildcards.seed}"


def teacher_files(wildcards):
    """The weights of a student's teacher, what they are of, and the file that is written last."""
    weights = "unet/diffusion_pytorch_model.safetensors"
    names = (weights, "unet/config.json", "summary.json")
    return [f"{teacher_folder(wildcards)}/{name}" for name in names]


def text_encoder_files(wildcards):
    """The text encoder's download, if it has one."""
    settings = STUDY.latents.text_encoder
    return list(map(str, hub.awaited(settings.pretrained, settings.revision)))


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
    if not of_superres(wildcards):
        return [*weights, *captions]
    condition, originals = input.superres[:2]
    superres = [f"--condition {condition}", f"--originals {originals}"]
    return [*weights, *superres, perceptual_option(wildcards)]


def features_spec(wildcards):
    """What decides the features of a split."""
    return FeaturesSpec.of(STUDY, wildcards.split).model_dump_json()


def clip_like_spec(wildcards):
    """What decides the CLIP-like score."""
    return ClipLikeSpec.of(STUDY).model_dump_json()


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
    return EncodePartSpec.of(STUDY, int(wildcards.part)).model_dump_json()


def distill_spec(wildcards):
    """What decides a student of consistency distillation."""
    spec = DistillSpec.of(STUDY, wildcards.size, int(wildcards.seed))
    return spec.model_dump_json()


def guided_distill_spec(wildcards):
    """What decides a student of progressive distillation."""
    seed = int(wildcards.seed)
    stage = stages.guided_stage(wildcards.steps)
    spec = GuidedDistillSpec.of(STUDY, int(wildcards.steps), wildcards.size, seed)
    return spec.model_dump_json()


def pretrain_spec(wildcards):
    """What decides a trained model."""
    spec = PretrainSpec.of(STUDY, wildcards.size, int(wildcards.seed))
    return spec.model_dump_json()


def measure_spec(wildcards):
    """What decides the metrics of one (model, sampler)."""
    return MeasureSpec.of_cells(STUDY, wildcards.stage).model_dump_json()


def head_option(wildcards, input):
    """The option that names the network of the inception score, where it is measured."""
    return [f"--head {path}" for path in input.head]


def sweep_spec(wildcards):
    """What decides the cells of one (model, sampler)."""
    return SweepSpec.of(STUDY, wildcards.stage, wildcards.sampler).model_dump_json()


def illustrate_spec(wildcards):
    """What decides the images of one model that figures show and no cell has."""
    return IllustrateSpec.of(
        STUDY, wildcards.size, int(wildcards.seed)
    ).model_dump_json()


def whole_study(wildcards):
    """The study; a function, since it has braces of its own, which are no wildcards."""
    return STUDY.model_dump_json()


def work_dir(rule):
    """A function of wildcards: where a rule's jobs keep their state between interruptions."""

    def of_job(wildcards):
        return str(Path(STUDY.results, "work", rule, *wildcards))

    return of_job


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
