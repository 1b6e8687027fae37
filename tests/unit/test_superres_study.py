"""What a study says of super-resolution, and the specs of its jobs."""

import pytest
import yaml
from project import ROOT
from studies import put

from ldm_scaling.kinds.stages import SCRATCH, SUPERRES
from ldm_scaling.study.fields import StudyError
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.specs.cells import SweepSpec
from ldm_scaling.workflow.specs.measuring import MeasureSpec
from ldm_scaling.workflow.specs.superres import DegradeSpec, PhotosSpec, SuperResSpec
from ldm_scaling.workflow.stages import grid, models, samplers, sizes


def study(**changes):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for key, value in changes.items():
        put(config, key.replace("__", "."), value)
    return load_study(config)


def test_every_size_is_finetuned_and_the_smallest_starts_from_scratch_too():
    own = study()
    assert sizes(own, SUPERRES) == own.family.sizes and sizes(own, SCRATCH) == ["c12"]
    assert sizes(study(superres__scratch=["c48", "c20"]), SCRATCH) == ["c48", "c20"]
    assert SCRATCH not in samplers(study(superres__scratch=[]))
    assert not {SUPERRES, SCRATCH} & {stage for stage, _, _ in models(study(superres=None))}
    assert grid(own, SUPERRES) == ([4, 8, 16, 24, 64], [1.0])


def test_cells_are_the_grid_and_kept_checkpoints_without_guidance():
    cells = SweepSpec.of(study(), SUPERRES, "ddim").cells
    assert [(cell.steps, cell.trained) for cell in cells] == [
        *((steps, None) for steps in (4, 8, 16, 24, 64)),
        *((16, kept) for kept in (0.125, 0.25, 0.5)),
    ]
    assert {(cell.guidance, cell.n, cell.perceptual) for cell in cells} == {
        (1.0, 256, "lpips_like_squeezenet")
    }


def test_specs_take_what_decides_and_no_more():
    own, longer = study(), study(superres__images=32000)
    other = study(superres__n=128, superres__steps=[16], superres__scratch=["c20"])

    def differs(kind, one, another, *names):
        return kind.of(one, *names) != kind.of(another, *names)

    assert not differs(SuperResSpec, own, other, SUPERRES, "c12", 0)
    assert not differs(DegradeSpec, own, other, "train")
    assert differs(DegradeSpec, own, other, "validation")
    assert not differs(MeasureSpec, own, other)
    assert not differs(MeasureSpec, own, study(superres=None))
    assert SuperResSpec.of(own, SUPERRES, "c12", 0).family is None
    assert SuperResSpec.of(own, SCRATCH, "c12", 0).family.sizes == ["c12"]
    assert differs(SuperResSpec, own, longer, SUPERRES, "c12", 0)
    assert not differs(SweepSpec, own, longer, SUPERRES, "ddim")


PHOTOS = {"path": "photos", "patches": 300}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"superres__scratch": ["c13"]}, "superres.scratch: c13 is not in family.sizes"),
        ({"superres__n": 769}, "superres.n: 769 is larger than data.splits.test (768)"),
        (
            {"superres__validation": PHOTOS, "superres__n": 301},
            "superres.n: 301 is larger than superres.validation.patches (300)",
        ),
        (
            {"superres__training": PHOTOS | {"side": 31}},
            "superres.training.side: 31 is smaller than data.image_size (32)",
        ),
        ({"superres__n": 63}, "superres.n: must be larger than the components of"),
        (
            {"superres__steps": [16, 2000]},
            "superres.steps: 2000 steps are more than diffusion.train_t",
        ),
        ({"superres__fixed_steps": 5}, "superres.fixed_steps: 5 is not in steps"),
        ({"superres__keep": [0.5, 0.5001]}, "superres.keep: two fractions fall on the same one"),
        ({"superres__warmup_images": 16000}, "superres.warmup_images: must be smaller than images"),
        (
            {"superres__degradation__first__sigma": [2, 1]},
            "first.sigma: the lower bound must come first",
        ),
        (
            {"superres__degradation__first__resize": [0, 1]},
            "resize: the lower bound must be above 0",
        ),
        (
            {"superres__degradation__second__jpeg": [0, 90]},
            "jpeg: both bounds must be from 1 to 100",
        ),
        ({"superres__degradation__second__blur": 2}, "superres.degradation.second.blur"),
        ({"superres__lpips": {"network": "resnet", "weights": "a"}}, "superres.lpips.network"),
        ({"superres__validation": {"path": "photos"}}, "superres.validation.patches: is missing"),
        (
            {
                "data__image_size": 8,
                "family__channel_multipliers": [1, 2],
                "family__attention": [True, True],
            },
            "superres: needs data.image_size of 16 or more",
        ),
    ],
)
def test_a_wrong_section_is_one_line_that_names_the_key(changes, message):
    with pytest.raises(StudyError) as error:
        study(**changes)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_without_the_section_its_jobs_say_so():
    for kind, names in ((SuperResSpec, (SUPERRES, "c12", 0)), (DegradeSpec, ("train",))):
        with pytest.raises(StudyError, match="config key superres: is null"):
            kind.of(study(superres=None), *names)
    with pytest.raises(StudyError, match=r"config key superres.training: is null"):
        PhotosSpec.of(study(), "train")


def test_specs_of_photographs_as_they_are_have_no_side():
    specs = [
        PhotosSpec.of(study(superres__training=PHOTOS | keys), "train").model_dump_json()
        for keys in ({}, {"side": None}, {"side": 64})
    ]
    assert specs[0] == specs[1] != specs[2]
    assert "side" not in specs[0]  # crops that are there stay
