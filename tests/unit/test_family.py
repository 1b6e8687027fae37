"""The family against the published parameter counts and GFLOPs (arXiv 2404.01367, Table 1)."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ldm_scaling.models.family import build_unet, count_gflops, count_params
from ldm_scaling.study import Family

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
