"""What all students share: how they start, what they are told, and whom they learn from."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from torch import nn

from ..diffusion.guidance import guided_prediction, is_embedded
from ..jobs.cli import InputError
from ..latents.pairs import Pairs
from ..training.devices import in_precision, own_device, precision

EMBEDDING = 256
"""width of the guidance scale's embedding, that of public latent consistency models"""


def make_student(teacher: UNet2DConditionModel) -> UNet2DConditionModel:
    """A copy of a U-Net that is told the guidance scale, and at first does not listen to it."""
    student = UNet2DConditionModel.from_config(teacher.config, time_cond_proj_dim=EMBEDDING)
    nn.init.zeros_(student.time_embedding.cond_proj.weight)
    weights = student.state_dict() | teacher.state_dict()
    student.load_state_dict(weights)
    return student.train()


def drawn(
    generators: list[torch.Generator], count: int, guidance: list[float], shape: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A number below `count`, one of the scales `guidance` and unit noise of each image."""
    numbers = [torch.randint(count, (), generator=generator) for generator in generators]
    scales = [torch.randint(len(guidance), (), generator=generator) for generator in generators]
    noise = [torch.randn(shape, generator=generator) for generator in generators]
    return torch.stack(numbers), torch.tensor(guidance)[torch.stack(scales)], torch.stack(noise)


class Teacher:
    """A frozen U-Net whose predictions are guided, in one forward pass where it is told the scale.

    Raises InputError if its latents or captions are not those of the data.
    """

    def __init__(self, unet: UNet2DConditionModel, pairs: Pairs):
        config = unet.config
        side = config.sample_size
        if pairs.latent_shape != (config.in_channels, side, side):
            raise InputError(f"--teacher: its latents are not of shape {pairs.latent_shape}")
        if pairs.text_width != config.cross_attention_dim:
            raise InputError("--teacher: attends to embeddings of another width than the data's")
        unet = unet.to(own_device(), memory_format=torch.channels_last)
        self._unet = in_precision(unet, precision())
        self._empty = pairs.empty

    @torch.no_grad()
    def __call__(
        self, noisy: torch.Tensor, steps: torch.Tensor, captions: torch.Tensor, scale: torch.Tensor
    ) -> torch.Tensor:
        """The prediction for x_t [B, C, h, w] at timesteps [B] with a scale [B] each."""
        if not is_embedded(self._unet):
            captions = torch.cat([self._empty.to(captions).expand_as(captions), captions])
        return guided_prediction(self._unet, noisy, steps, captions, scale)
