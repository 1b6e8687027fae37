"""A trained model as diffusers' StableDiffusionPipeline, in memory or as a folder.

`python -m ldm_scaling.models.pipeline ... --out FOLDER` writes a folder that
`StableDiffusionPipeline.from_pretrained(FOLDER)` loads.
"""

from __future__ import annotations

from pathlib import Path

from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import nn

from ..cli import parser, run
from ..latents.autoencoder import load
from ..latents.text_encoder import CaptionEncoder
from ..specs import EncodeTextSpec
from .family import load_unet


def make_pipeline(
    unet: UNet2DConditionModel,
    autoencoder: nn.Module,
    encoder: CaptionEncoder,
    scheduler: SchedulerMixin,
) -> StableDiffusionPipeline:
    """The pipeline of a model; it encodes captions as this study does."""
    encoder.tokenizer.model_max_length = encoder.max_tokens
    if not encoder.is_clip:
        encoder.model.config.use_attention_mask = True
    pipeline = StableDiffusionPipeline(
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
        load_unet(options.model),
        load(options.autoencoder, options.autoencoder_revision),
        CaptionEncoder(options.spec.text_encoder),
        DDIMScheduler.from_pretrained(options.model / "scheduler"),
    )
    pipeline.save_pretrained(options.out)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    run(main)
