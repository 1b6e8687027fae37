"""The family against the published parameter counts and GFLOPs (arXiv 2404.01367, Table 1)."""

import re

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ldm_scaling.costs.count_family import family_table
from ldm_scaling.costs.published import COLUMNS, published_columns
from ldm_scaling.models.architectures.counting import count_gflops, count_params
from ldm_scaling.models.denoiser import build as build_unet
from ldm_scaling.study.family import Family
from ldm_scaling.study.load import load_study
from ldm_scaling.workflow.specs.costs import FamilySpec

PUBLISHED = {  # size: (millions of parameters, as printed; GFLOPs or None where it is a slip)
    "c64": ("39", None),
    "c96": ("83", 102.7),
    "c128": ("145", 161.5),
    "c160": ("223", 233.5),
    "c192": ("318", 318.5),
    "c224": ("430", 416.6),
    "c256": ("558", 527.8),
    "c288": ("704", 652.0),
    "c320": ("866", 789.3),
    "c512": ("2192", 1887.5),
    "c768": ("4900", 4082.6),
}


def paper_unet(size: str, text_width: int):
    family = Family(
        sizes=[size],
        reference_size=size,
        channel_multipliers=[1, 2, 4, 4],
        attention=[True, True, True, False],
        res_blocks=2,
        heads=8,
        norm_groups=32,
    )
    with torch.device("meta"):
        return build_unet(family, size, (4, 64, 64), text_width)


@pytest.mark.parametrize("size", PUBLISHED)
def test_sizes_are_the_papers(size):
    millions, gflops = PUBLISHED[size]
    unet = paper_unet(size, 1024)
    assert f"{count_params(unet) / 1e6:.0f}" == millions
    if gflops is not None:
        assert count_gflops(unet, 77) == pytest.approx(gflops, rel=0.03)


def test_the_family_table_has_the_costs_of_the_studys_own_shapes(pocket_config):
    study = load_study(pocket_config)
    rows = {row["size"]: row for row in family_table(FamilySpec.of(study))}
    assert list(rows) == ["c12", "c20", "c32", "c48"]
    for size, row in rows.items():
        with torch.device("meta"):
            unet = build_unet(study.family, size, (8, 8, 8), 384)
        assert row["params"] == count_params(unet)
        assert row["gflops"] == pytest.approx(count_gflops(unet, 20), rel=1e-12)
        projections = [m for n, m in unet.named_modules() if re.search(r"attn2\.to_[kv]$", n)]
        text = 2 * 20 * sum(m.in_features * m.out_features for m in projections) / 1e9
        assert row["text_gflops"] == pytest.approx(text, rel=1e-12)
        assert 0.005 < row["decoder_gflops"] < 1 and 0.01 < row["caption_gflops"] < 1
    assert rows["c48"]["normalized_cost"] == 1
    ratio = rows["c12"]["gflops"] / rows["c48"]["gflops"]
    assert rows["c12"]["normalized_cost"] == pytest.approx(ratio)


def paper_spec(**changes):
    family = {
        "sizes": ["c64", "c80", "c320"],
        "reference_size": "c320",
        "channel_multipliers": [1, 2, 4, 4],
        "attention": [True, True, True, False],
        "res_blocks": 2,
        "heads": 8,
        "norm_groups": 16,
    }
    shapes = {"latent_shape": (4, 64, 64), "text_shape": (77, 1024)}
    changed = {name: value for name, value in changes.items() if name in shapes}
    family |= {name: value for name, value in changes.items() if name not in shapes}
    around = {
        "image_size": 512,
        "autoencoder": {
            **{"pretrained": "stabilityai/sd-vae-ft-mse", "revision": "a" * 40},
            **{"downsampling": 8, "latent_channels": 4, "width": 1},
        },
        "text_encoder": {"pretrained": "unknown", "max_tokens": 77, "width": 1024},
    }
    return FamilySpec(family=family, **shapes | changed, **around)


def test_printed_numbers_stand_beside_the_counted_ones():
    rows = {row["size"]: row for row in family_table(paper_spec())}
    printed = {name: rows["c320"][name] for name in COLUMNS}
    assert list(printed.values()) == [866e6, 789.3, 1.0, None]
    assert [rows["c80"][name] for name in COLUMNS] == [None] * 4, "no size of the paper"
    slip = rows["c64"]
    assert slip["published_gflops"] == 25.3 and "57" in slip["published_note"]
    # the printed normalized cost speaks for what is counted here, and against the printed GFLOPs
    assert abs(slip["normalized_cost"] - 0.07) < 0.005 < abs(25.3 / 789.3 - 0.07)


@pytest.mark.parametrize(
    "change",
    [
        {"channel_multipliers": [1, 2, 4, 8]},
        {"attention": [False, True, True, False]},
        {"res_blocks": 1},
        {"latent_shape": (4, 32, 32)},
        {"latent_shape": (8, 64, 64)},
        {"text_shape": (77, 768)},
    ],
)
def test_another_layout_has_no_printed_numbers(change):
    assert published_columns(paper_spec(), "c320")["published_params"] == 866e6
    assert set(published_columns(paper_spec(**change), "c320").values()) == {None}


def test_stable_diffusion_1_is_a_member():
    assert count_params(paper_unet("c320", 768)) == 859_520_964


def test_attention_is_counted(pocket_config):
    # the plain attention of a real network, whose two matrix products the counter knows
    family = Family(**pocket_config["family"])
    with torch.device("meta"):
        unet = build_unet(family, "c8", (16, 8, 8), 32)
    real = build_unet(family, "c8", (16, 8, 8), 32)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        real(torch.zeros(1, 16, 8, 8), torch.zeros(1), torch.zeros(1, 5, 32))
    assert count_gflops(unet, 5) == pytest.approx(counter.get_total_flops() / 1e9, rel=1e-6)
    with pytest.raises(ValueError, match="meta"):
        count_gflops(real, 5)
