"""Helpers of the rules of components and of the parameter budget.

Needs: rules/common.smk. Gives: functions that rules name.
"""

# ------------------------------------------------------------ inputs


def embeddings_of(stage, split):
    """The embeddings of a split by the text encoder of a stage: those that are there, if its own."""
    if not stages.is_budget(stage) or pairs.is_own(STUDY, stage):
        return f"<results>/latents/text_{split}.safetensors"
    return f"<results>/latents/{stage}/text_{split}.safetensors"


def prompts_file(wildcards):
    """The embeddings of the prompts of a stage's cells."""
    return embeddings_of(wildcards.stage, "test")


def pair_training_files(wildcards):
    """What the U-Net of a pair reads: latents and its encoder's text, or what encodes tar shards."""
    if STUDY.data.source != "webdataset":
        return {
            "latents": "<results>/latents/train.safetensors",
            "text": embeddings_of(wildcards.stage, "train"),
        }
    return {
        "index": "<results>/data/index.safetensors",
        "autoencoder": autoencoder_files(wildcards),
        "encoder": encoder_of_pair_files(wildcards),
    }


def encoder_of_pair_files(wildcards):
    """The download of a pair's text encoder, if it has one."""
    settings = pairs.encoder(STUDY, wildcards.stage)
    return list(map(str, hub.awaited(settings.pretrained, settings.revision)))


def encoders_of_pairs(wildcards):
    """The downloads of all text encoders of the parameter budget."""
    return [
        str(path)
        for encoder in needed.param_budget(STUDY).text_encoders
        for path in hub.awaited(encoder.pretrained, encoder.revision)
    ]


def cells_of_pairs(name):
    """A function of wildcards: a file's path for the cells of each pair and training seed."""

    def of_study(wildcards):
        needed.param_budget(STUDY)  # says so where the study has none
        return [
            f"<results>/cells/{stage}/{size}/seed{seed}/{FIXED.sampler}/{name}"
            for stage, size, seed in stages.pairs(STUDY)
        ]

    return of_study


def param_budget_table(wildcards):
    """The table of pairs and the draws beside it, if there are pairs."""
    names = ("param_budget.csv", "param_budget/draws.safetensors")
    return [f"<results>/tables/{name}" for name in names] if STUDY.param_budget else []


# ------------------------------------------------------------ params


def pair_training_options(wildcards, input):
    """The options that name what the U-Net of a pair reads."""
    if STUDY.data.source != "webdataset":
        return training_options(wildcards, input)
    return [f"--index {input.index}", f"--shards {shlex.quote(SHARDS)}"]


def encode_text_of_spec(wildcards):
    """What decides the embeddings by a text encoder of the parameter budget."""
    return EncodeTextSpec.of(STUDY, wildcards.stage).model_dump_json()


def pair_spec(wildcards):
    """What decides the U-Net of a pair."""
    seed = int(wildcards.seed)
    spec = PretrainSpec.of_pair(STUDY, wildcards.stage, wildcards.size, seed)
    return spec.model_dump_json()


def count_pairs_spec(wildcards):
    """What decides the counts of pairs."""
    return CountComponentsSpec.of_pairs(STUDY).model_dump_json()


def param_budget_spec(wildcards):
    """What decides the comparison of splits."""
    return ParamBudgetSpec.of(STUDY).model_dump_json()


def pairs_arguments(wildcards, input):
    """`--metrics ENCODER SIZE SEED METRICS DRAWS` for each pair and training seed."""
    return [
        f"--metrics {stage.removeprefix(stages.BUDGET)} {size} {seed} {metrics} {draws}"
        for (stage, size, seed), metrics, draws in zip(
            stages.pairs(STUDY), input.metrics, input.draws, strict=True
        )
    ]


def param_budget_claims_option(wildcards, input):
    """`--param-budget TABLE DRAWS`, if there are pairs."""
    return f"--param-budget {input.param_budget}" if input.param_budget else ""
