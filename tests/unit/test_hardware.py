"""What jobs ask of the machine."""

from __future__ import annotations

import pytest
from plans import study_of
from snakemake.iocontainers import Wildcards
from studies import put

from ldm_scaling.costs.networks import untrained_text_encoder
from ldm_scaling.models.architectures.counting import count_params
from ldm_scaling.study.latents import TextEncoder
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.hardware import ENCODING_FIRST, TRAINING, Hardware


@pytest.fixture
def hardware(pocket_config):
    """Hardware of the pocket study: 16 cells of 1,000 images, and no kept checkpoints.

    Students of an arm have a discriminator.
    """
    put(pocket_config, "sampling.n", 500)
    put(pocket_config, "sampling.steps", [1, 2, 4, 8])
    put(pocket_config, "sampling.guidance", [1, 2, 3, 4])
    put(pocket_config, "training.keep", [])
    adversary = {"weight": 0.4, "lr": 0.001}
    arm = {"eta": 0, "substeps": 1, "adversary": adversary}
    put(pocket_config, "distill.stochastic", {"own": arm})
    return Hardware(load_study(pocket_config))


def model(size: str, stage: str = "pretrain") -> Wildcards:
    """The wildcards of a model."""
    return Wildcards(fromdict={"stage": stage, "size": size, "seed": "0", "sampler": "ddim"})


def trajectory(sizes: str) -> Wildcards:
    """The wildcards of a stitched trajectory."""
    return Wildcards(fromdict={"sizes": sizes, "seed": "0", "sampler": "ddim"})


def test_the_table_says_how_a_size_is_trained(hardware):
    for limit, row in TRAINING.items():
        wildcards = model(f"c{limit}")
        asked = {name: value for name, value in hardware.training.items() if name != "runtime"}
        found = {name: ask(wildcards) if callable(ask) else ask for name, ask in asked.items()}
        assert found == {
            "gpu": row.gpus,
            "nodes": 1,
            "micro_batch": row.micro_batch,
            "switches": row.switches,
        }
    # between two rows the larger one, beyond the table its last
    assert hardware.gpus(model("c129")) == TRAINING[224].gpus
    assert hardware.gpus(model("c2048")) == TRAINING[max(TRAINING)].gpus


def test_a_trajectory_asks_for_what_its_largest_size_does_and_the_memory_of_all(hardware):
    for ask in (hardware.gpus, hardware.sampling_batch, hardware.large_first):
        assert ask(trajectory("c320-c64")) == ask(trajectory("c64-c320")) == ask(model("c320"))
    single = [hardware.sampling_memory(model(size)) for size in ("c64", "c320")]
    assert hardware.sampling_memory(trajectory("c64-c320")) == sum(single)


def test_encoding_comes_before_training_and_the_smallest_training_before_the_largest_sampling(
    hardware,
):
    first, largest = hardware.training_first, model("c768")
    assert first(largest) > first(model("c64")) > hardware.large_first(largest)
    assert first(largest) < ENCODING_FIRST


def test_memory_counts_weights_and_features(hardware):
    weights = 4 * hardware.parameters("c320") // 10**6  # MB of one copy
    assert hardware.parameters("c320") == pytest.approx(866e6, rel=0.01)  # the paper's
    # a copy a process and eight of the one that collects
    assert hardware.training_memory(model("c320")) == pytest.approx(4000 + 16 * weights, abs=20)
    students = hardware.student_memory(model("c320"))
    assert students - hardware.training_memory(model("c320")) == pytest.approx(16 * weights, abs=20)
    # in each process a discriminator, its gradients and two moments
    judged = hardware.student_memory(model("c320", "distill_own")) - students
    assert judged == pytest.approx(4 * 8 * weights, abs=20)
    features = 2 * 16 * 500 * 2048 * 2 / 10**6
    assert hardware.sampling_memory(model("c12")) == pytest.approx(4000 + features, abs=20)


def test_jobs_of_adopted_models_have_the_memory_of_a_pipeline_whatever_its_name():
    adopted, wildcards = Hardware(study_of("sana")), model("sana-1600m")
    for ask in (adopted.family_memory, adopted.model_memory, adopted.sampling["mem_mb"]):
        assert ask(wildcards, 1) == adopted.pipeline_memory(wildcards, 1)
        assert ask(wildcards, 2) == 1.5 * ask(wildcards, 1)


def test_large_text_encoders_have_room_where_captions_are_encoded(hardware):
    paper = Hardware(study_of("paper"))

    def needed(encoder: str) -> tuple[int, int]:
        wildcards = Wildcards(fromdict={"stage": f"budget_{encoder}", "size": "c512", "seed": "0"})
        return paper.with_text_encoder(8000)(wildcards), paper.training_memory(wildcards)

    alone = paper.training_memory(model("c512"))  # it reads cached embeddings
    for encoder in paper.study.param_budget.text_encoders:
        settings = TextEncoder(**dict(encoder), max_tokens=77)
        weights = 4 * count_params(untrained_text_encoder(settings)) / 1e6
        text, training = needed(encoder.name)
        room = text - 2 * weights if weights > 2000 else text
        assert room == pytest.approx(8000, rel=0.001)
        # each of 8 processes has one; a small one fits into what every process has beside
        assert training - alone == pytest.approx(8 * weights if weights > 2000 else 0, rel=0.001)
    assert hardware.with_text_encoder(8000)(Wildcards(fromdict={"split": "train"})) == 8000


def test_teaching_has_one_gpu_and_no_shards(hardware):
    assert hardware.switches(model("c512")) == "--checkpointing --sharded"
    assert hardware.teaching_switches(model("c512")) == "--checkpointing"
    assert hardware.teaching_switches(model("c12")) == ""


def test_later_attempts_have_more_time_and_measuring_more_for_more_cells(hardware):
    assert [hardware.walltime(model("c12"), attempt) for attempt in (1, 2, 9)] == [240, 480, 1440]
    asked = [hardware.measure_runtime(model("c12"), attempt, 1) for attempt in (1, 2)]
    assert asked[1] == 2 * asked[0] >= 120
    stitched = Wildcards(
        fromdict={"stage": "stitch", "size": "c20-c48", "seed": "0", "sampler": "ddim"}
    )
    assert hardware.measure_runtime(stitched, 1, 1) >= asked[0]


def test_threads_are_for_gpus_and_for_decoding(pocket_config, hardware):
    assert hardware.training_threads(model("c12")) == 1 == hardware.sampling_threads(model("c12"))
    assert hardware.training_threads(model("c320")) == 32
    evaluation = {"source": "coco", "path": "coco"}
    pocket_config["data"] |= {"source": "webdataset", "path": "tars", "evaluation": evaluation}
    pocket_config["metrics"]["clip_like"] = pocket_config["superres"] = None
    put(pocket_config, "latents.cache", False)
    assert Hardware(load_study(pocket_config)).training_threads(model("c12")) == 8


def test_an_attempt_after_one_that_ran_out_of_memory_has_more_but_not_without_end(hardware):
    first = hardware.training_memory(model("c48"), attempt=1)
    asked = [hardware.training_memory(model("c48"), attempt=attempt) for attempt in (2, 3, 50)]
    assert asked == [first * 3 // 2, 2 * first, 2 * first]
