"""What the tiny pipelines cost, counted by hand."""

from __future__ import annotations

from itertools import pairwise

from pipelines import WIDTH

TOLD = ("consistency", "sana_sprint", "flux")
"""pipelines whose network is told the guidance scale"""


def nfe(name: str, steps: int, scale: float) -> int:
    """Network evaluations of an image by the pipeline's own sampler.

    PNDM of Stable Diffusion takes its second step twice. Guidance takes two evaluations.
    """
    evaluated = steps + (name == "stable_diffusion")
    return evaluated * (2 if scale > 1 and name not in TOLD else 1)


def dense(rows: int, inputs: int, outputs: int) -> int:
    """FLOPs of a linear layer."""
    return 2 * rows * inputs * outputs


def mlp(rows: int, *widths: int) -> int:
    """FLOPs of linear layers, one after the other."""
    return sum(dense(rows, *pair) for pair in pairwise(widths))


def attention(queries: int, keys: int) -> int:
    """FLOPs of the two products of attention, over all heads."""
    return 4 * queries * keys * WIDTH


def crossing(image: int, text: int) -> int:
    """FLOPs of attention from an image to a text."""
    return 2 * dense(image, WIDTH, WIDTH) + 2 * dense(text, WIDTH, WIDTH) + attention(image, text)


def pixart_flops() -> int:
    """Two blocks on 8 x 8 patches of 2 x 2 latents; 300 tokens; four channels in, eight out."""
    image, text = 64, 300
    block = 4 * dense(image, WIDTH, WIDTH) + attention(image, image) + crossing(image, text)
    block += mlp(image, WIDTH, 4 * WIDTH, WIDTH)
    conditions = mlp(1, 256, WIDTH, WIDTH, 6 * WIDTH) + mlp(text, WIDTH, WIDTH, WIDTH)
    return 2 * block + conditions + dense(image, 16, WIDTH) + dense(image, WIDTH, 32)


def sana_flops() -> int:
    """One block on 16 x 16 latents; linear attention of two heads, which also sums the weights."""
    image, text, head, hidden = 256, 300, 16, 80
    block = 4 * dense(image, WIDTH, WIDTH) + 2 * 2 * dense(image, head, head + 1)
    block += crossing(image, text)
    block += mlp(image, WIDTH, 2 * hidden) + 9 * 2 * image * 2 * hidden  # a depthwise convolution
    block += dense(image, hidden, WIDTH)
    conditions = mlp(1, 256, WIDTH, WIDTH, 6 * WIDTH) + mlp(text, WIDTH, WIDTH, WIDTH)
    return block + conditions + dense(image, 4, WIDTH) + dense(image, WIDTH, 4)


def sana_sprint_flops() -> int:
    """As Sana's, and the scale is a condition."""
    return sana_flops() + mlp(1, 256, WIDTH, WIDTH)


def stable_diffusion_3_flops() -> int:
    """One block, the last, whose text ends in its attention; 16 tokens of CLIP and 256 of T5."""
    image, text = 256, 16 + 256
    block = dense(1, WIDTH, 6 * WIDTH) + dense(1, WIDTH, 2 * WIDTH)
    block += 3 * dense(image + text, WIDTH, WIDTH) + attention(image + text, image + text)
    block += dense(image, WIDTH, WIDTH) + mlp(image, WIDTH, 4 * WIDTH, WIDTH)
    conditions = mlp(1, 256, WIDTH, WIDTH) + mlp(1, 2 * WIDTH, WIDTH, WIDTH)
    conditions += dense(text, 2 * WIDTH, WIDTH)
    ends = dense(image, 4, WIDTH) + dense(1, WIDTH, 2 * WIDTH) + dense(image, WIDTH, 4)
    return block + conditions + ends


def flux_flops() -> int:
    """One double and one single block; 8 x 8 packed latents of 16 channels, 512 tokens."""
    image, text = 64, 512
    both = image + text
    double = 2 * dense(1, WIDTH, 6 * WIDTH) + 4 * dense(both, WIDTH, WIDTH)
    double += attention(both, both) + mlp(both, WIDTH, 4 * WIDTH, WIDTH)
    single = dense(1, WIDTH, 3 * WIDTH) + 3 * dense(both, WIDTH, WIDTH) + attention(both, both)
    single += dense(both, WIDTH, 4 * WIDTH) + dense(both, 5 * WIDTH, WIDTH)
    conditions = 2 * mlp(1, 256, WIDTH, WIDTH) + mlp(1, WIDTH, WIDTH, WIDTH)
    conditions += dense(text, WIDTH, WIDTH)
    ends = dense(image, 16, WIDTH) + dense(1, WIDTH, 2 * WIDTH) + dense(image, WIDTH, 16)
    return double + single + conditions + ends


FLOPS = {
    "pixart": pixart_flops,
    "sana": sana_flops,
    "sana_sprint": sana_sprint_flops,
    "stable_diffusion_3": stable_diffusion_3_flops,
    "flux": flux_flops,
}
"""of a forward pass of one image of 32 pixels a side"""
