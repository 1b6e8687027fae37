"""Helpers of the rules of super-resolution, and of those that it shares.

Needs: rules/common.smk. Gives: functions that rules name.
"""

# ------------------------------------------------------------ inputs


def of_superres(wildcards):
    """Whether a job is of a stage of super-resolution."""
    return stages.is_superres(wildcards.get("stage", stages.PRETRAIN))


def superres_settings():
    """The section superres. Raises StudyError if the study has none."""
    if STUDY.superres is None:
        raise StudyError("config key superres: is null; nothing is enlarged")
    return STUDY.superres


def photos_of(split):
    """The study's photographs of a split, or None."""
    settings = superres_settings()
    return {"train": settings.training, "validation": settings.validation}[split]


def originals(split):
    """The name, below data, latents and cells/reference, of a split's images."""
    if photos_of(split):
        return f"superres/photos_{split}"
    return {"train": "train", "validation": "test"}[split]


def photographs(wildcards):
    """The files that crops are cut from; of a folder that is not there yet, none.

    Those of the folder that a rule fetches are known before.
    """
    settings = photos_of(wildcards.split)
    if settings and settings.folder == PHOTOS_FOLDER:
        return [str(PHOTOS_FOLDER / name) for name in PHOTOS]
    return (
        sorted(str(path) for path in settings.folder.rglob("*.*")) if settings else []
    )


def perceptual_path():
    """The weights of the perceptual distance."""
    settings = superres_settings().lpips
    return settings.weights if settings else str(SQUEEZENET)


def perceptual_files(wildcards):
    """The same, if it is there or a rule fetches it; else the job says what is missing."""
    path = perceptual_path()
    return [path] if path == str(SQUEEZENET) or Path(path).exists() else []


def superres_files(wildcards):
    """What a sweep of super-resolution reads beside: latents, originals, a network's weights."""
    if not of_superres(wildcards):
        return []
    return [
        "<results>/latents/superres/validation.safetensors",
        f"<results>/data/{originals('validation')}.safetensors",
        *perceptual_files(wildcards),
    ]


def head_files(wildcards):
    """The network of the inception score, where it is measured."""
    return extractor_files(wildcards) if of_superres(wildcards) else []


def reference(pattern, superres=None):
    """A function of wildcards: the pattern of the split that a job's images are compared with.

    Of super-resolution's or not as the job's stage says, unless `superres` does.
    """

    def of_job(wildcards):
        enlarging = of_superres(wildcards) if superres is None else superres
        return pattern.replace(
            "SPLIT", originals("validation") if enlarging else "test"
        )

    return of_job


def degraded_images(wildcards):
    """The images that are made smaller."""
    return f"<results>/data/{originals(wildcards.split)}.safetensors"


def clean_latents(wildcards):
    """The latents that a model of super-resolution is to find."""
    return f"<results>/latents/{originals('train')}.safetensors"


def base_files(wildcards):
    """The pretrained model that is finetuned: weights, what they are of, what is written last."""
    if wildcards.stage == stages.SCRATCH:
        return []
    folder = f"<results>/models/pretrain/{wildcards.size}/seed{wildcards.seed}"
    names = (
        "unet/diffusion_pytorch_model.safetensors",
        "unet/config.json",
        "summary.json",
    )
    return [f"{folder}/{name}" for name in names]


def base_option(wildcards, input):
    """The option that names the pretrained model, if there is one."""
    return [f"--base {shlex.quote(str(Path(path).parent))}" for path in input.base[2:]]


def perceptual_option(wildcards):
    """The option that names the weights of the perceptual distance."""
    return f"--perceptual {shlex.quote(perceptual_path())}"


def weights_option(wildcards, input):
    """The option that names the extractor's file, where it is needed."""
    return [f"--weights {path}" for path in input.extractor]


def superres_tables(name):
    """A function of wildcards: a table of finetuned models, then that of those from scratch."""

    def of_study(wildcards):
        superres_settings()
        return [
            f"<results>/tables/{stage}/{sampler}/{name}"
            for stage, sampler in STAGES_AND_SAMPLERS
            if stages.is_superres(stage)
        ]

    return of_study


# ------------------------------------------------------------ params


def superres_metrics(wildcards):
    """The metrics that figures of super-resolution show, the choosing one first."""
    more = [
        name
        for name in MeasureSpec.of(STUDY, stages.SUPERRES).names
        if name != SELECT_BY
    ]
    return [
        SELECT_BY,
        *(name for name in more if name not in STUDY.metrics.names.values()),
    ]


def superres_setting(wildcards):
    """The options that name the steps of checkpoints' cells, and the intervals' confidence."""
    steps, confidence = superres_settings().fixed_steps, STUDY.metrics.confidence
    return f"--steps {steps} --confidence {confidence:g}"


def superres_images(wildcards):
    """Images that finetuning sees."""
    return superres_settings().images


def superres_steps(wildcards):
    """Steps of the cells that are compared along the finetuning."""
    return superres_settings().fixed_steps


def photos_spec(wildcards):
    """What decides the crops of a split."""
    return PhotosSpec.of(STUDY, wildcards.split).model_dump_json()


def degrade_spec(wildcards):
    """What decides the low-resolution images of a split."""
    return DegradeSpec.of(STUDY, wildcards.split).model_dump_json()


def superres_spec(wildcards):
    """What decides a model of super-resolution."""
    spec = SuperResSpec.of(STUDY, wildcards.stage, wildcards.size, int(wildcards.seed))
    return spec.model_dump_json()


def baselines_spec(wildcards):
    """What decides the baselines of super-resolution."""
    return BaselinesSpec.of(STUDY).model_dump_json()
