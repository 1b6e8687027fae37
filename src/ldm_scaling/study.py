"""The typed study: what `config.yaml` and its overlays may say.

One study is one merged configuration. The Snakefile imports this module and `specs`, so both must
stay free of torch and quick to import.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from .data_section import Data
from .distill_section import Distill, GuidedDistill, check_students
from .dreambooth_section import DreamBooth, with_subjects
from .fields import (
    Distinct,
    Fraction,
    Kept,
    Optimisation,
    Positive,
    Seed,
    Strict,
    check_kept,
    is_none,
)
from .hub import Revision, fits_built_in, revision_has_an_id
from .metrics_section import Metrics
from .param_budget_section import ParamBudget, check_param_budget
from .sampling_section import Sampling
from .search_section import Search
from .stitch_section import Stitch, with_trajectories
from .superres_section import SuperRes, check_superres

DEFAULT_STUDY = "pocket"
RESULT_FOLDERS = "data latents models cells tables figures work logs benchmarks"
SHEET_IMAGES = 32
"""images of a cell that are kept as pixels"""
SIZE_PATTERN = r"^c[1-9]\d*$"


def _new_folder(name: str) -> str:
    if name in RESULT_FOLDERS.split():
        raise ValueError(f"results/{name} belongs to study {DEFAULT_STUDY}; choose another name")
    return name


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$"), AfterValidator(_new_folder)]
Beta = Annotated[float, Field(gt=0, lt=1)]
Size = Annotated[str, Field(pattern=SIZE_PATTERN)]
Downsampling = Annotated[Literal[2, 4, 8], BeforeValidator(_number)]


class StudyError(ValueError):
    """A study that cannot be run; the message is one line and names the key."""


class Autoencoder(Strict):
    """The image autoencoder between pixels and latents."""

    pretrained: str | None
    """a diffusers folder, or a hub id with its revision; null trains one on the training split"""
    revision: Revision | None = None
    """commit of the hub id, 40 hexadecimal digits; null: `pretrained` is a folder"""
    downsampling: Downsampling
    """pixels a latent pixel, a side"""
    latent_channels: Positive
    """channels of the latents"""
    width: Positive
    """channels of the hidden layers, when trained here"""
    images: Positive
    """images seen, when trained here"""
    batch: Positive
    """images a step, when trained here"""
    lr: Annotated[float, Field(gt=0)]
    """peak learning rate (one-cycle), when trained here"""

    _check_revision = model_validator(mode="after")(revision_has_an_id)


class TextEncoder(Strict):
    """The frozen text encoder."""

    pretrained: str
    """minilm-l6, minilm-l3, word-vectors, folder, or hub id (CLIP, BERT, T5) with its revision"""
    revision: Revision | None = None
    """commit of the hub id, 40 hexadecimal digits; null: `pretrained` is no hub id"""
    max_tokens: Annotated[int, Field(ge=4, le=512)]
    """captions are padded and cut to this many tokens"""
    width: Positive
    """channels of an embedding"""
    layers: Annotated[int | None, Field(ge=0, exclude_if=is_none)] = None
    """its first layers that are kept; null: all"""

    _check_revision = model_validator(mode="after")(revision_has_an_id)
    _check_built_in = model_validator(mode="after")(fits_built_in)


class Latents(Strict):
    """What images and captions become before training."""

    autoencoder: Autoencoder
    text_encoder: TextEncoder
    cache: bool = True
    """encode the training data once and keep the latents; false, for source webdataset only,
    encodes them anew at every step of every training and needs no disk"""
    parts: Positive = 1
    """jobs that encode the training data side by side, for source webdataset"""


class Family(Strict):
    """U-Nets that differ only in their base channel count c, as Stable Diffusion builds them."""

    sizes: list[Size] = Field(min_length=1)
    """members, named by c"""
    reference_size: Size
    """its forward pass has normalized cost 1"""
    channel_multipliers: list[Positive] = Field(min_length=2)
    """channels of each level over c"""
    res_blocks: Positive
    """residual blocks a level on the way down (one more on the way up)"""
    attention: list[bool] = Field(min_length=2)
    """levels that have transformer blocks, from the highest resolution down"""
    heads: Positive
    """attention heads in every transformer block"""
    norm_groups: Positive
    """groups of every group normalization; must divide c"""

    @model_validator(mode="after")
    def _check_sizes(self) -> Family:
        if len(self.attention) != len(self.channel_multipliers):
            raise ValueError("attention: must have one entry for each of channel_multipliers")
        if len(set(self.sizes)) < len(self.sizes):
            raise ValueError("sizes: a size stands twice")
        if self.reference_size not in self.sizes:
            raise ValueError(
                f"reference_size: {self.reference_size} is not in sizes ({', '.join(self.sizes)})"
            )
        for size in self.sizes:
            for name, divisor in (("norm_groups", self.norm_groups), ("heads", self.heads)):
                if channels(size) % divisor:
                    raise ValueError(f"sizes: {size} is no multiple of {name} ({divisor})")
        return self


class Diffusion(Strict):
    """The forward process that training and sampling share."""

    prediction: Literal["epsilon", "v_prediction"]
    """what the U-Net predicts"""
    train_timesteps: Positive = 1000
    """discrete noise levels"""
    beta_start: Beta = 0.00085
    """first beta of the scaled-linear schedule"""
    beta_end: Beta = 0.012
    """last beta of the scaled-linear schedule"""

    @model_validator(mode="after")
    def _noise_grows(self) -> Diffusion:
        if self.beta_end < self.beta_start:
            raise ValueError("beta_end: must not be smaller than beta_start")
        return self


class Training(Optimisation):
    """Pretraining."""

    caption_dropout: Fraction
    """share of captions replaced by the empty one, for guidance"""
    min_snr_gamma: Annotated[float, Field(gt=0)] | None = None
    """gamma of min-SNR weighting (Hang et al. 2023); null weights all noise levels alike"""
    keep: Kept
    """fractions of the run at which a checkpoint of the averaged weights is kept"""
    seeds: Annotated[list[Seed], Distinct] = Field(min_length=1)
    """training seeds; each is a model of its own"""

    @model_validator(mode="after")
    def _check_keep(self) -> Training:
        check_kept(self.keep, self)
        return self


class Figures(Strict):
    """What figures mark."""

    budgets: Annotated[list[Annotated[float, Field(gt=0)]], Distinct] = Field(min_length=1)
    """sampling costs at which the winning size is named, and drawn"""
    guidance_sizes: Annotated[list[Size], Distinct, Field(min_length=1, max_length=2)] | None = None
    """sizes whose images at every guidance scale are drawn; null: the smallest and the largest"""
    prompts: Annotated[list[Annotated[int, Field(ge=0, lt=SHEET_IMAGES)]], Distinct] = Field(
        min_length=2, max_length=9
    )
    """rows of the test captions whose images are drawn; the first two are also interpolated"""


class Latency(Strict):
    """How forward passes are timed, for the table that is asked for by its name."""

    batches: Annotated[list[Positive], Distinct] = Field(min_length=1)
    """images of a forward pass"""
    repeats: Positive
    """timed forward passes, after a warm-up"""


class Study(Strict):
    """One merged configuration."""

    name: Name
    """names the folder of results (the default study writes to results/ itself)"""
    seed: Seed
    """of the split and its order, the autoencoder's training and the bootstrap"""
    data: Data
    latents: Latents
    family: Family
    diffusion: Diffusion
    training: Training
    distill: Distill | None = None
    """students of every size by consistency distillation; null: none"""
    guided_distill: GuidedDistill | None = None
    """students of some sizes by progressive distillation; null: none"""
    superres: SuperRes | None = None
    """models for four-fold super-resolution, from every size; null: none"""
    dreambooth: DreamBooth | None = None
    """subjects that sizes are taught; null: none"""
    stitch: Stitch | None = None
    """trajectories that one size begins and others end; null: none"""
    param_budget: ParamBudget | None = None
    """text encoders of several sizes, each with U-Nets of several sizes; null: none"""
    sampling: Sampling
    search: Search
    metrics: Metrics
    latency: Latency
    figures: Figures

    @model_validator(mode="after")
    def _check_across_sections(self) -> Study:
        halvings = 2 ** (len(self.family.channel_multipliers) - 1)
        latent_side, rest = divmod(self.data.image_size, self.latents.autoencoder.downsampling)
        if rest or latent_side % halvings:
            raise ValueError(
                f"data.image_size: {self.data.image_size} over latents.autoencoder.downsampling"
                f" must be a multiple of {halvings}, for the levels of family.channel_multipliers"
            )
        packed = self.data.source != "webdataset"
        if packed and not self.latents.cache:
            raise ValueError("latents.cache: false is for data.source webdataset only")
        if not packed and self.latents.autoencoder.pretrained is None:
            raise ValueError("latents.autoencoder.pretrained: data.source webdataset needs one")
        if not packed and self.metrics.clip_like:
            raise ValueError("metrics.clip_like: must be null for data.source webdataset")
        splits = self.data.splits
        for split, count in (("test", splits.test), ("validation", splits.validation)):
            if self.sampling.n > count:
                raise ValueError(
                    f"sampling.n: {self.sampling.n} is larger than data.splits.{split} ({count})"
                )
        if (self.metrics.components or 0) >= self.sampling.n:
            raise ValueError(
                f"metrics.components: must be smaller than sampling.n ({self.sampling.n})"
            )
        clip, text_encoder = self.metrics.clip, self.latents.text_encoder
        if clip and clip.pretrained == text_encoder.pretrained:
            raise ValueError(
                "metrics.clip: scores of the text encoder that conditions the models flatter them;"
                " choose another model"
            )
        steps = (*self.sampling.steps, self.sampling.fixed.steps)
        if max(steps) > self.diffusion.train_timesteps:
            raise ValueError("sampling.steps: more steps than diffusion.train_timesteps")
        if unknown := set(self.guidance_sizes) - set(self.family.sizes):
            raise ValueError(f"figures.guidance_sizes: {min(unknown)} is not in family.sizes")
        check_students(self)
        check_superres(self)
        check_param_budget(self)
        if (last := max(self.figures.prompts)) >= self.sampling.n:
            raise ValueError(f"figures.prompts: row {last} must be below sampling.n")
        return with_trajectories(with_subjects(self))

    @property
    def results(self) -> str:
        """Folder of this study's results."""
        return "results" if self.name == DEFAULT_STUDY else f"results/{self.name}"

    @property
    def searches(self) -> bool:
        """Whether guidance is searched adaptively: not by several seeds, whose mean chooses it."""
        return self.search.method == "adaptive" and len(self.training.seeds) == 1

    @property
    def guidance_sizes(self) -> list[str]:
        """Sizes whose images at every guidance scale are drawn."""
        ends = [choose(self.family.sizes, key=channels) for choose in (min, max)]
        return self.figures.guidance_sizes or list(dict.fromkeys(ends))

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image's latents."""
        autoencoder = self.latents.autoencoder
        side = self.data.image_size // autoencoder.downsampling
        return autoencoder.latent_channels, side, side

    @property
    def text_shape(self) -> tuple[int, int]:
        """Tokens and width of a caption's embedding."""
        return self.latents.text_encoder.max_tokens, self.latents.text_encoder.width


def channels(size: str) -> int:
    """Base channel count of a size name: 64 of "c64"."""
    return int(size[1:])


def load_study(config: dict[str, Any]) -> Study:
    """The study that a merged configuration describes.

    Snakemake's `--config` gives the leaves of nested keys as text. What is a number is for each
    key's type to say: a hub's revision 123e4 is none.
    Raises StudyError with one line that names the key and what is wrong with it.
    """
    try:
        return Study.model_validate(_with_nulls(config))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "study"
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = f"unknown key; {_known_keys(first['loc'])}"
        elif first["type"] == "missing":
            message = "is missing"
        elif first["type"] in ("too_short", "too_long"):
            least, most = (first["ctx"].get(name) for name in ("min_length", "max_length"))
            bound = f"at least {least}" if first["type"] == "too_short" else f"at most {most}"
            message = f"needs {bound}, has {first['ctx']['actual_length']}"
        elif first["type"] != "value_error":
            message += f" (got {json.dumps(first['input'], default=str)[:60]})"
        elif ": " in message:  # a check across keys names the one to change, within its section
            name, _, message = message.partition(": ")
            key = ".".join([*map(str, first["loc"]), name])
        more = f" (and {len(error.errors()) - 1} more)" if len(error.errors()) > 1 else ""
        raise StudyError(f"config key {key}: {message}{more}") from None


def _with_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_nulls(part) for key, part in value.items()}
    return None if value in ("null", "~", "") else value


def _known_keys(location: tuple) -> str:
    model: Any = Study
    for part in location[:-1]:
        annotation = model.model_fields[part].annotation
        model = next(iter(get_args(annotation)), annotation)  # of a section that may be null
    return f"known here: {', '.join(model.model_fields)}"


def schema_text() -> str:
    """The JSON schema of a study, as it stands in schemas/study.schema.json.

    No key is required: an overlay has few. `load_study` demands what the merged study needs.
    """
    schema = Study.model_json_schema()
    for section in (schema, *schema["$defs"].values()):
        section.pop("required", None)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2) + "\n"


def main() -> None:
    """Command line."""
    arguments = argparse.ArgumentParser(description="Renew the JSON schema of a study.")
    path = Path("schemas/study.schema.json")
    arguments.add_argument("--out", type=Path, default=path, help="file to write (%(default)s)")
    out = arguments.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(schema_text())
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
