"""A trained model as diffusers' StableDiffusionPipeline, in memory or as a folder.

`python -m ldm_scaling.models.pipeline ... --out FOLDER` writes a folder that
`DiffusionPipeline.from_pretrained(FOLDER)` loads: of a student of consistency distillation, as a
LatentConsistencyModelPipeline.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers.pipelines.latent_consistency_models.pipeline_latent_consistency_text2img import (
    LatentConsistencyModelPipeline,
)
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_lcm import LCMScheduler

from ..diffusion.sampling import Scheduler
from ..jobs.cli import InputError, first_line, parser, run
from ..latents.autoencoder import add_autoencoder, load_named
from ..latents.text_encoder import CaptionEncoder
from ..training.network import Network
from ..workflow.specs.latents import EncodeTextSpec
from .denoiser import Denoiser
from .denoiser import load as load_denoiser


def make_pipeline(
    unet: Denoiser, autoencoder: Network, encoder: CaptionEncoder, scheduler: Scheduler
) -> StableDiffusionPipeline | LatentConsistencyModelPipeline:
    """The pipeline of a model and scheduler; it encodes captions as this study does."""
    encoder.tokenizer.model_max_length = encoder.max_tokens
    if not encoder.is_clip:
        encoder.model.config.use_attention_mask = True
    of_steps = isinstance(scheduler, LCMScheduler)
    kind: Any = LatentConsistencyModelPipeline if of_steps else StableDiffusionPipeline
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


def load_scheduler(folder: Path) -> Scheduler:
    """The scheduler that a model's folder names. Raises InputError if it is unusable."""
    try:
        config: Any = LCMScheduler.load_config(folder)
        solvers = (DPMSolverMultistepScheduler, LCMScheduler)
        kinds: dict[str, Any] = {solver.__name__: solver for solver in solvers}
        return kinds[config["_class_name"]].from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder} is no scheduler: {first_line(error)}") from None


def main() -> None:
    """Command line."""
    arguments = parser(__doc__, EncodeTextSpec)
    arguments.add_argument("--model", required=True, type=Path, help="folder of the model")
    add_autoencoder(arguments)
    arguments.add_argument("--out", required=True, type=Path, help="folder of the pipeline")
    options = arguments.parse_args()
    pipeline = make_pipeline(
        load_denoiser(options.model),
        load_named(options),
        CaptionEncoder(options.spec.text_encoder),
        load_scheduler(options.model / "scheduler"),
    )
    pipeline.save_pretrained(options.out)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    run(main)
