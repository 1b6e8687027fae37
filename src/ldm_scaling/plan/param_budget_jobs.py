"""The jobs on components and of the parameter budget, for the plan."""

from __future__ import annotations

from ..costs.networks import Networks
from ..study.study import Study
from ..tables.fits import TRAINING_FORWARDS
from ..workflow import pairs, stages
from .job import Job, state_bytes, whole_batches


def param_budget_jobs(study: Study, networks: Networks, images: dict[str, float]) -> list[Job]:
    """Those on components, which every study has, and those of pairs, but for their cells."""
    models, tables = f"{study.results}/models", f"{study.results}/tables"
    jobs = [
        Job("count_components", f"{models}/components.csv"),
        Job("time_components", f"{models}/component_seconds.csv"),
        Job("components_table", f"{tables}/components.csv"),
    ]
    if study.param_budget is None:
        return jobs
    trainings = [_training(study, networks, *pair) for pair in stages.pairs(study)]
    table = Job("param_budget_table", f"{tables}/param_budget.csv")
    jobs.append(Job("count_pairs", f"{models}/param_budget.csv"))
    return [*jobs, *_encodings(study, networks, images), *trainings, table]


def _encodings(study: Study, networks: Networks, images: dict[str, float]) -> list[Job]:
    jobs = []
    splits = ["test"] if study.data.source == "webdataset" else ["train", "test"]
    for stage in dict.fromkeys(stage for stage, _, _ in stages.pairs(study)):
        if pairs.is_own(study, stage):
            continue
        text = pairs.text_encoder(study, stage)
        for split in splits:
            flops = {"text encoder": images[split] * networks.pairs[stage].caption}
            size = 2 * images[split] * text.max_tokens * text.width
            output = f"{study.results}/latents/{stage}/text_{split}.safetensors"
            jobs.append(Job("encode_text_of", output, flops, size, f"{stage} {split}"))
    return jobs


def _training(study: Study, networks: Networks, stage: str, size: str, seed: int) -> Job:
    own = networks.pairs[stage]
    seen = whole_batches(study.param_budget.images, study.training.batch)
    flops = {"U-Net": TRAINING_FORWARDS * seen * own.forward[size]}
    if study.data.source == "webdataset":
        flops |= {"autoencoder": seen * networks.encode, "text encoder": seen * own.caption}
    weights = 4 * own.params[size]
    output = f"{study.results}/models/{stage}/{size}/seed{seed}/summary.json"
    name = f"{stage} {size} seed{seed}"
    return Job("pretrain_pair", output, flops, weights + state_bytes(weights), name)
