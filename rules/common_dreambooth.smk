"""Helpers of the rules of stage dreambooth.

Needs: rules/common.smk. Gives: functions that rules name.
"""

# ------------------------------------------------------------ inputs


def subject_files(wildcards):
    """What subjects are chosen from: the splits, or the images in folders."""
    folder = needed.dreambooth(STUDY).folder
    if folder is None:
        names = ("test.csv", "test.safetensors", "train.csv")
        return [f"<results>/data/{name}" for name in names]
    images = [path for path in folder.glob("*/*") if path.is_file()]
    table = folder / "subjects.csv"
    return sorted(map(str, [*images, *([table] if table.exists() else [])]))


def pretrained_files(wildcards):
    """The weights of a pretrained model, what they are of, and the file that is written last."""
    folder = pretrained_folder(wildcards)
    names = ("unet/diffusion_pytorch_model.safetensors", "unet/config.json")
    return [f"{folder}/{name}" for name in (*names, "summary.json")]


def taught_files(wildcards):
    """The same of the models that this one became, a model for each subject."""
    weights = "unet/diffusion_pytorch_model.safetensors"
    names = (weights, "unet/config.json", "summary.json")
    return [
        f"{folder}/{name}" for folder in taught_folders(wildcards) for name in names
    ]


def scores_of_subjects(wildcards):
    """The scores of all models that were taught subjects."""
    return [
        f"<results>/cells/dreambooth/{size}/seed{seed}/scores.safetensors"
        for size, seed in taught_models(STUDY.training.seeds)
    ]


def shown_scores(wildcards):
    """The same of the first training seed: the one that figures show."""
    return [
        f"<results>/cells/dreambooth/{size}/seed{seed}/scores.safetensors"
        for size, seed in taught_models(STUDY.training.seeds[:1])
    ]


def dreambooth_table(wildcards):
    """The table of scores and the draws beside it, if there are subjects."""
    names = ("dreambooth.csv", "dreambooth/draws.safetensors")
    return [f"<results>/tables/{name}" for name in names] if STUDY.dreambooth else []


def dino_files(wildcards):
    """The files of the model of metric dino, if it is measured."""
    dino = needed.dreambooth(STUDY).dino
    return [str(path) for path in dino.inputs] if dino else []


def subject_clip_files(wildcards):
    """The CLIP model's files, if there is one."""
    clip = STUDY.metrics.clip
    return [str(path) for path in clip.inputs] if clip else []


# ------------------------------------------------------------ params


def taught_models(seeds):
    """Size and training seed of the models that are taught subjects, of these seeds."""
    needed.dreambooth(STUDY)  # says so where the study has no subjects
    return [model for model in stages.taught(STUDY) if model[1] in seeds]


def pretrained_folder(wildcards):
    """The model that is taught."""
    return f"{STUDY.results}/models/pretrain/{wildcards.size}/seed{wildcards.seed}"


def taught_folders(wildcards):
    """What it became, a folder for each subject."""
    models = f"{STUDY.results}/models/dreambooth/{wildcards.size}/seed{wildcards.seed}"
    return [
        f"{models}/subject{number}"
        for number in range(needed.dreambooth(STUDY).subjects)
    ]


def subject_source(wildcards):
    """The option that names what subjects are chosen from."""
    folder = needed.dreambooth(STUDY).folder
    if folder is None:
        return f"--data {STUDY.results}/data"
    return f"--folder {shlex.quote(str(folder))}"


def subjects_spec(wildcards):
    """What decides which subjects there are."""
    return SubjectsSpec.of(STUDY).model_dump_json()


def encode_subjects_spec(wildcards):
    """What decides subjects' latents and embeddings."""
    return EncodeSubjectsSpec.of(STUDY).model_dump_json()


def prior_spec(wildcards):
    """What decides the images of the subjects' classes."""
    return PriorSpec.of(STUDY, wildcards.size, int(wildcards.seed)).model_dump_json()


def dreambooth_spec(wildcards):
    """What decides a model that was taught a subject."""
    numbers = (int(wildcards.seed), int(wildcards.subject))
    return DreamBoothSpec.of(STUDY, wildcards.size, *numbers).model_dump_json()


def score_subjects_spec(wildcards):
    """What decides the scores of a model before and after it was taught subjects."""
    return ScoreSubjectsSpec.of(
        STUDY, wildcards.size, int(wildcards.seed)
    ).model_dump_json()


def subject_weights_option(wildcards, input):
    """The option that names the extractor's file, where no package brings it."""
    return [f"--weights {path}" for path in input.extractor]


def scores_arguments(wildcards, input):
    """`--scores SIZE SEED SCORES` for each model that was taught subjects."""
    models = taught_models(STUDY.training.seeds)
    return [
        f"--scores {size} {seed} {path}"
        for (size, seed), path in zip(models, input.scores, strict=True)
    ]


def shown_scores_arguments(wildcards, input):
    """`--images SIZE SCORES` for each size that was taught subjects."""
    models = taught_models(STUDY.training.seeds[:1])
    return [
        f"--images {size} {path}"
        for (size, _), path in zip(models, input.scores, strict=True)
    ]


def dreambooth_claims_option(wildcards, input):
    """`--dreambooth TABLE DRAWS`, if there are subjects."""
    return f"--dreambooth {input.dreambooth}" if input.dreambooth else ""


def dreambooth_prompts(wildcards):
    """The prompts of the scores."""
    return needed.dreambooth(STUDY).prompts
