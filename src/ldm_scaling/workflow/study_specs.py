"""From a study to the spec of each of its jobs, which takes what the job reads and no more."""

from __future__ import annotations

from itertools import product

from ..study.distill import Distill
from ..study.dreambooth import DreamBooth
from ..study.fields import StudyError
from ..study.metrics import INCEPTION_SIZE
from ..study.study import Study
from ..study.superres import PSNR, SSIM, Finetuning, SuperRes
from . import stages
from .dreambooth_specs import (
    DreamBoothSpec,
    EncodeSubjectsSpec,
    PriorSpec,
    ScoreSubjectsSpec,
    SubjectsSpec,
)
from .search_specs import sampler_names, sampler_of, searched
from .specs import (
    AutoencoderSpec,
    BaselinesSpec,
    CellSpec,
    ClipLikeSpec,
    CostSpec,
    DegradeSpec,
    DistillSpec,
    EncodeImagesSpec,
    EncodePartSpec,
    EncodeTextSpec,
    EncodingSpec,
    FamilySpec,
    FeaturesSpec,
    GuidedDistillSpec,
    IllustrateSpec,
    IndexSpec,
    LatencySpec,
    MeasureSpec,
    PhotosSpec,
    PrepareSpec,
    PretrainSpec,
    SuperResSpec,
    SweepSpec,
)


class Specs:
    """The spec of each job of a study."""

    def __init__(self, study: Study):
        self.study = study

    def prepare(self) -> PrepareSpec:
        """Of rule prepare_data; without what only another source reads."""
        data = self.study.data
        unread: dict = {} if data.source == "emoji" else {"styles": ["noto"]}
        if data.source == "emoji":
            unread |= {"path": None, "revision": None}
        elif data.source == "webdataset":  # whose images are not packed
            unread |= {"path": "unread", "revision": None, "max_images": None}
        return PrepareSpec(seed=self.study.seed, data=data.model_copy(update=unread))

    def autoencoder(self) -> AutoencoderSpec:
        """Of rule train_autoencoder; without what names another one."""
        settings = self.study.latents.autoencoder
        trained = settings.model_copy(update={"pretrained": None, "revision": None})
        return AutoencoderSpec(seed=self.study.seed, autoencoder=trained)

    def encode_images(self, autoencoder: str) -> EncodeImagesSpec:
        """Of rule encode_images, with the folder or hub id that stands for the autoencoder."""
        settings = self.study.latents.autoencoder
        return EncodeImagesSpec(
            autoencoder=autoencoder,
            revision=settings.revision,
            downsampling=settings.downsampling,
            latent_channels=settings.latent_channels,
        )

    def encode_text(self) -> EncodeTextSpec:
        """Of rule encode_text."""
        return EncodeTextSpec(text_encoder=self.study.latents.text_encoder)

    def index(self) -> IndexSpec:
        """Of rule index_shards."""
        return IndexSpec(max_images=self.study.data.max_images)

    def encoding(self, autoencoder: str) -> EncodingSpec:
        """Of what encodes tar shards, with the folder or hub id that stands for the autoencoder."""
        return EncodingSpec(
            image_size=self.study.data.image_size,
            images=self.encode_images(autoencoder),
            text=self.encode_text(),
        )

    def encode_part(self, autoencoder: str, part: int) -> EncodePartSpec:
        """Of rule encode_part."""
        encoding = self.encoding(autoencoder)
        return EncodePartSpec(encoding=encoding, part=part, parts=self.study.latents.parts)

    def pretrain(self, size: str, seed: int, autoencoder: str = "") -> PretrainSpec:
        """Of rule pretrain: the family is reduced to this size, the seeds to this seed.

        The autoencoder enters if nothing is encoded before.
        """
        family = self.study.family.model_copy(update={"sizes": [size], "reference_size": size})
        training = self.study.training.model_copy(update={"seeds": [seed]})
        return PretrainSpec(
            size=size,
            seed=seed,
            family=family,
            diffusion=self.study.diffusion,
            training=training,
            encoding=self._streamed(autoencoder),
        )

    def distill(self, size: str, seed: int, autoencoder: str = "") -> DistillSpec:
        """Of rule distill. Raises StudyError if the study has no such stage."""
        return DistillSpec(
            size=size,
            seed=seed,
            diffusion=self.study.diffusion,
            distill=self._distill(),
            encoding=self._streamed(autoencoder),
        )

    def guided_distill(
        self, stage: str, size: str, seed: int, autoencoder: str = ""
    ) -> GuidedDistillSpec:
        """Of rule guided_distill. Raises StudyError if the study has no such stage."""
        settings = self.study.guided_distill
        if settings is None:
            raise StudyError("config key guided_distill: is null; nothing is distilled")
        steps = stages.student_steps(stage)
        return GuidedDistillSpec(
            size=size,
            seed=seed,
            diffusion=self.study.diffusion,
            steps=steps,
            guided_distill=settings.model_copy(update={"sizes": [size], "steps": [steps]}),
            encoding=self._streamed(autoencoder),
        )

    def _distill(self) -> Distill:
        if self.study.distill is None:
            raise StudyError("config key distill: is null; nothing is distilled")
        return self.study.distill

    def _superres(self) -> SuperRes:
        if self.study.superres is None:
            raise StudyError("config key superres: is null; nothing is enlarged")
        return self.study.superres

    def photos(self, split: str) -> PhotosSpec:
        """Of rule crop_photos, for the split train or validation.

        Raises StudyError if it is not of photographs.
        """
        key, side = {"train": "training"}.get(split, split), self.study.data.image_size
        photos = getattr(self._superres(), key)
        if photos is None:
            raise StudyError(f"config key superres.{key}: is null; name a folder of photographs")
        return PhotosSpec(seed=self.study.seed, photos=photos, image_size=side)

    def degrade(self, split: str) -> DegradeSpec:
        """Of rule degrade, for the split train or validation."""
        settings = self._superres()
        return DegradeSpec(
            seed=self.study.seed,
            split=split,
            degradation=settings.degradation,
            count=settings.n if split == "validation" else None,
        )

    def superres(self, stage: str, size: str, seed: int) -> SuperResSpec:
        """Of rule train_superres; from scratch with the family, reduced to this size."""
        settings = self._superres()
        family = None
        if stage == stages.SCRATCH:
            family = self.study.family.model_copy(update={"sizes": [size], "reference_size": size})
        return SuperResSpec(
            stage=stage,
            size=size,
            seed=seed,
            diffusion=self.study.diffusion,
            training=Finetuning(**{key: getattr(settings, key) for key in Finetuning.model_fields}),
            family=family,
        )

    def subjects(self) -> SubjectsSpec:
        """Of rule prepare_subjects."""
        study, of_emoji = self.study, self.taught.path is None
        return SubjectsSpec(
            seed=study.seed,
            subjects=self.taught.subjects,
            image_size=study.data.image_size,
            styles=study.data.styles if of_emoji else [],
        )

    def encode_subjects(self, autoencoder: str) -> EncodeSubjectsSpec:
        """Of rule encode_subjects."""
        return EncodeSubjectsSpec(
            images=self.encode_images(autoencoder),
            text=self.encode_text(),
            token=self.taught.token,
            prompts=self.taught.prompts,
        )

    def prior(self, size: str, seed: int) -> PriorSpec:
        """Of rule sample_prior."""
        return PriorSpec(
            size=size,
            seed=seed,
            diffusion=self.study.diffusion,
            setting=self.study.sampling.fixed,
            images=self.taught.prior_images,
        )

    def dreambooth(self, size: str, seed: int, subject: int) -> DreamBoothSpec:
        """Of rule dreambooth."""
        return DreamBoothSpec(
            size=size,
            seed=seed,
            subject=subject,
            diffusion=self.study.diffusion,
            min_snr_gamma=self.study.training.min_snr_gamma,
            teaching=self.taught.teaching,
        )

    def score_subjects(self, size: str, seed: int) -> ScoreSubjectsSpec:
        """Of rule score_subjects."""
        sampling, metrics = self.study.sampling, self.study.metrics
        return ScoreSubjectsSpec(
            size=size,
            training_seed=seed,
            diffusion=self.study.diffusion,
            setting=sampling.fixed,
            seed=sampling.seed,
            prompts=self.taught.prompts,
            images_per_prompt=self.taught.images_per_prompt,
            extractor=metrics.extractor,
            input_size=metrics.input_size,
            clip=metrics.clip,
            clip_like=metrics.clip_like is not None,
            dino=self.taught.dino,
        )

    @property
    def taught(self) -> DreamBooth:
        """The section `dreambooth`. Raises StudyError if the study has none."""
        if self.study.dreambooth is None:
            raise StudyError(
                "config key dreambooth: is null, or has no path where data.source is not emoji; no"
                " subject is taught"
            )
        return self.study.dreambooth

    def _streamed(self, autoencoder: str) -> EncodingSpec | None:
        return None if self.study.latents.cache else self.encoding(autoencoder)

    def sweep(self, stage: str, name: str) -> SweepSpec:
        """Of rule sweep, by a sampler: one cell for each (steps, guidance), few steps first.

        By the name of a sampler's whole grid these and no others. Of pretrained models with the
        fixed setting's sampler also that setting, if it is not among them, and the same at every
        kept checkpoint; of super-resolution likewise at its own.
        """
        sampler = sampler_of(name)
        if name != sampler and name not in sampler_names(self.study, stage):
            raise StudyError(f"stage {stage} has no {name}: every scale stands under {sampler}")
        if (stage == stages.DISTILL) != (sampler == "lcm"):
            raise StudyError(f"stage {stage} is not sampled by {sampler}: lcm is for distill")
        fixed, grid = self.study.sampling.fixed, list(product(*stages.grid(self.study, stage)))
        cells = [self._cell(stage, sampler, *setting) for setting in grid]
        if name != sampler:
            return SweepSpec(diffusion=self.study.diffusion, cells=cells)
        setting, kept = (fixed.steps, fixed.guidance), self.study.training.keep
        if stages.is_superres(stage):
            setting, kept = (self._superres().fixed_steps, 1.0), self._superres().keep
        elif (stage, sampler) != (stages.PRETRAIN, fixed.sampler):
            whole = SweepSpec(diffusion=self.study.diffusion, cells=cells)
            return searched(self.study, stage, whole)
        cells += [] if setting in grid else [self._cell(stage, sampler, *setting)]
        cells += [self._cell(stage, sampler, *setting, trained=part) for part in sorted(kept)]
        return searched(self.study, stage, SweepSpec(diffusion=self.study.diffusion, cells=cells))

    def _cell(
        self, stage: str, sampler: str, steps: int, guidance: float, trained: float | None = None
    ) -> CellSpec:
        sampling, metrics = self.study.sampling, self.study.metrics
        superres = self._superres() if stages.is_superres(stage) else None
        return CellSpec(
            sampler=sampler,
            steps=steps,
            guidance=guidance,
            n=superres.n if superres else sampling.n,
            seed=sampling.seed,
            extractor=metrics.extractor,
            input_size=metrics.input_size,
            clip=None if superres else metrics.clip,
            trained=trained,
            teacher_steps=self._distill().teacher_steps if sampler == "lcm" else None,
            perceptual=superres.perceptual if superres else None,
        )

    def illustrate(self, size: str, seed: int) -> IllustrateSpec:
        """Of rule illustrate, for the model of a training seed."""
        sampling, figures = self.study.sampling, self.study.figures
        return IllustrateSpec(
            size=size,
            training_seed=seed,
            diffusion=self.study.diffusion,
            setting=sampling.fixed,
            seed=sampling.seed,
            prompts=figures.prompts,
            budgets=sorted(figures.budgets),
            select_by=self.study.metrics.names[self.study.metrics.select_by],
            steps=sorted(sampling.steps),
            guidance=sorted(sampling.guidance),
        )

    def features(self, split: str = "test") -> FeaturesSpec:
        """Of rules real_features and reconstruction_features; captions are those of test only."""
        metrics = self.study.metrics
        return FeaturesSpec(
            extractor=metrics.extractor,
            input_size=metrics.input_size,
            clip=metrics.clip if split == "test" else None,
        )

    def clip_like(self) -> ClipLikeSpec:
        """Of rule fit_clip_like. Raises StudyError if the study has no such score."""
        study, metrics = self.study, self.study.metrics
        if metrics.clip_like is None:
            raise StudyError("config key metrics.clip_like: is null; nothing is fitted")
        by_style = study.data.source == "emoji" and study.data.evaluation is None
        return ClipLikeSpec(
            seed=study.seed,
            text_encoder=study.latents.text_encoder,
            clip_like=metrics.clip_like,
            styles=study.data.styles if by_style else [],
            bootstrap=metrics.bootstrap,
            confidence=metrics.confidence,
        )

    def measure(self, stage: str = stages.PRETRAIN) -> MeasureSpec:
        """Of rules measure, floors and superres_baselines.

        Without select_by, which chooses among measured cells, and input_size, which the features
        have seen. Super-resolution has no captions that images could fit.
        """
        inception = self.study.metrics.extractor == "inception_v3"
        unread = {"select_by": "fd", "input_size": INCEPTION_SIZE if inception else 64}
        n, fidelity = self.study.sampling.n, None
        if stages.is_superres(stage):
            unread |= {"clip": None, "clip_like": None}
            n, fidelity = self._superres().n, [PSNR, SSIM, self._superres().perceptual]
        metrics = self.study.metrics.model_copy(update=unread)
        return MeasureSpec(seed=self.study.seed, n=n, metrics=metrics, fidelity=fidelity)

    def baselines(self) -> BaselinesSpec:
        """Of rule superres_baselines."""
        return BaselinesSpec(
            extractor=self.study.metrics.extractor,
            input_size=self.study.metrics.input_size,
            measure=self.measure(stages.SUPERRES),
            perceptual=self._superres().perceptual,
        )

    def cost(self) -> CostSpec:
        """What the family costs at the study's shapes."""
        study = self.study
        return CostSpec(
            family=study.family, latent_shape=study.latent_shape, text_shape=study.text_shape
        )

    def family(self) -> FamilySpec:
        """Of rule family; without what the autoencoder is trained by."""
        latents = self.study.latents
        training = {"images": 1, "batch": 1, "lr": 1.0}
        return FamilySpec(
            **dict(self.cost()),
            image_size=self.study.data.image_size,
            autoencoder=latents.autoencoder.model_copy(update=training),
            text_encoder=latents.text_encoder,
        )

    def latency(self) -> LatencySpec:
        """Of rule latency, which needs no reference size."""
        timed = self.study.family.model_copy(update={"reference_size": self.study.family.sizes[0]})
        cost = self.cost().model_copy(update={"family": timed})
        return LatencySpec(**dict(cost), latency=self.study.latency)
