"""A trained model as diffusers' StableDiffusionPipeline, in memory or as a folder.

`python -m ldm_scaling.models.pipeline ... --out FOLDER` writes a folder that
`DiffusionPipeline.from_pretrained(FOLDER)` loads: of a student of consistency distillation, as a
LatentConsistencyModelPipeline.
"""

from __future__ import annotations

from pathlib import Path

from diffusers import (
    DDIMScheduler,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import nn

from ..jobs.cli import InputError, parser, run
from ..latents.autoencoder import load
from ..latents.text_encoder import CaptionEncoder
from ..workflow.specs.latents import EncodeTextSpec
from .denoiser import load as load_denoiser


def make_pipeline(
    unet: UNet2DConditionModel,
    autoencoder: nn.Module,
    encoder: CaptionEncoder,
    scheduler: SchedulerMixin,
) -> StableDiffusionPipeline | LatentConsistencyModelPipeline:
    """The pipeline of a model and scheduler; it encodes captions as this study does."""
    encoder.tokenizer.model_max_length = encoder.max_tokens
    if not encoder.is_clip:
        encoder.model.config.use_attention_mask = True
    of_steps = isinstance(scheduler, LCMScheduler)
    kind = LatentConsistencyModelPipeline if of_steps else StableDiffusionPipeline
    pipeline = kind(
        vae=autoencoder,
        text_encoder=encoder.model,
        tokenizer=encoder.tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_scheduler(folder: Path) -> SchedulerMixin:
    """The scheduler that a model's folder names. Raises InputError if it is unusable."""
    try:
        name = DDIMScheduler.load_config(folder)["_class_name"]
        return {"DDIMScheduler": DDIMScheduler, "LCMScheduler": LCMScheduler}[name].from_pretrained(
            folder
        )
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder} is no scheduler: {str(error).splitlines()[0]}") from None


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, EncodeTextSpec)
    arguments.add_argument("--model", required=True, type=Path, help="folder of the model")
    arguments.add_argument(
        "--autoencoder", required=True, help="diffusers folder or downloaded hub id"
    )
    arguments.add_argument("--autoencoder-revision", help="commit of the hub id")
    arguments.add_argument("--out", required=True, type=Path, help="folder of the pipeline")
    options = arguments.parse_args()
    pipeline = make_pipeline(
        load_denoiser(options.model),
        load(options.autoencoder, options.autoencoder_revision),
        CaptionEncoder(options.spec.text_encoder),
        load_scheduler(options.model / "scheduler"),
    )
    pipeline.save_pretrained(options.out)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    run(main)
