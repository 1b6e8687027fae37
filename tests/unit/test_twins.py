"""Near twins of training images among held-out ones, by hand."""

import numpy as np
import pytest

from ldm_scaling.data.twins import THRESHOLD, twins


@pytest.mark.parametrize("side", [16, 64])
def test_images_that_are_almost_a_training_image_are_counted(side):
    draw = np.random.default_rng(0)
    coarse = draw.integers(40, 215, (1300, 3, 4, 4))
    images = coarse.repeat(side // 4, axis=2).repeat(side // 4, axis=3).astype(np.uint8)
    training, held_out = images[:700], images[700:].copy()
    assert twins(held_out, training) == 0
    held_out[3] = training[5]
    held_out[590] = training[600] + THRESHOLD - 2
    held_out[10] = training[11] + THRESHOLD + 2
    assert twins(held_out, training) == 2
