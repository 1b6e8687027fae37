"""Trained models, and what they cost.

Needs: <results>/latents of the training split, or the index of tar shards; for subjects and
super-resolution theirs. Gives: a diffusers folder a model, <results>/models/{stage}/{size}/seed{seed},
of subjects subject{subject} below it, beside the images of their classes; family.csv and
param_budget.csv in <results>/models.
"""

from ldm_scaling.workflow import paths, patterns
from ldm_scaling.workflow.closure import closure
from ldm_scaling.workflow.options import LAUNCH
from ldm_scaling.workflow.specs.bias import HeadsSpec
from ldm_scaling.workflow.specs.costs import CountComponentsSpec, FamilySpec
from ldm_scaling.workflow.specs.dreambooth import DreamBoothSpec, PriorSpec
from ldm_scaling.workflow.specs.models import (
    DistillSpec,
    GuidedDistillSpec,
    PretrainSpec,
)
from ldm_scaling.workflow.specs.noise import NoiseLossesSpec
from ldm_scaling.workflow.specs.superres import SuperResSpec


rule pretrain:
    """Pretrain one size with one seed."""
    input:
        unpack(inputs.training),
    output:
        **paths.trained("pretrain/{size}/seed{seed}"),
    log:
        "<logs>/pretrain/{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/pretrain/{size}_seed{seed}.tsv"
    priority: hardware.training_first
    conda:
        ENVIRONMENT
    threads: hardware.training_threads
    resources:
        **hardware.training,
        mem_mb=hardware.training_memory,
    params:
        spec=options.spec(PretrainSpec.of, "size", "seed"),
        data=options.training,
        out=subpath(output.summary, parent=True),
        work=options.work("pretrain"),
    shell:
        "exec &> >(tee {log:q}); "
        + LAUNCH
        + "$launch -m ldm_scaling.models.pretrain --spec {params.spec:q}"
        " {params.data} --out {params.out:q} --work-dir {params.work:q}"
        " --gpus {resources.gpu} --micro-batch {resources.micro_batch} {resources.switches}"


use rule pretrain as pretrain_pair with:
    input:
        unpack(inputs.pair_training),
    output:
        **paths.trained("{stage}/{size}/seed{seed}"),
    log:
        "<logs>/pretrain_pair/{stage}_{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/pretrain_pair/{stage}_{size}_seed{seed}.tsv"
    wildcard_constraints:
        stage=patterns.PAIR,
    params:
        spec=options.spec(PretrainSpec.of_pair, "stage", "size", "seed"),
        data=options.pair_training,
        out=subpath(output.summary, parent=True),
        work=options.work("pretrain_pair"),


use rule pretrain as pretrain_curriculum with:
    output:
        **paths.trained("{stage}/{size}/seed{seed}"),
    log:
        "<logs>/pretrain_curriculum/{stage}_{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/pretrain_curriculum/{stage}_{size}_seed{seed}.tsv"
    wildcard_constraints:
        stage=patterns.CURRICULA,
    params:
        spec=options.spec(PretrainSpec.of_curriculum, "stage", "size", "seed"),
        data=options.training,
        out=subpath(output.summary, parent=True),
        work=options.work("pretrain_curriculum"),


use rule pretrain as pretrain_balanced with:
    input:
        latents="<results>/latents/balanced.safetensors",
        text="<results>/latents/text_train.safetensors",
    output:
        **paths.trained("bias_balanced/{size}/seed{seed}"),
    log:
        "<logs>/pretrain_balanced/{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/pretrain_balanced/{size}_seed{seed}.tsv"
    params:
        spec=options.spec(PretrainSpec.of_balanced, "size", "seed"),
        data=options.training,
        out=subpath(output.summary, parent=True),
        work=options.work("pretrain_balanced"),


rule fit_tone_heads:
    """Fit linear heads that predict the tone from the bottleneck of one pretrained model."""
    input:
        model=inputs.pretrained,
        latents="<results>/latents/train.safetensors",
        text="<results>/latents/text_train.safetensors",
        captions="<results>/data/train.csv",
    output:
        "<results>/models/bias/{size}/seed{seed}/heads.safetensors",
    log:
        "<logs>/fit_tone_heads/{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/fit_tone_heads/{size}_seed{seed}.tsv"
    priority: hardware.training_first
    conda:
        ENVIRONMENT
    resources:
        mem_mb=hardware.model_memory,
        runtime=hardware.walltime,
        gpu=1,
    params:
        spec=options.spec(HeadsSpec.of, "size", "seed"),
        model=options.pretrained,
        work=options.work("fit_tone_heads"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.models.fit_tone_heads --spec {params.spec:q}"
        " --model {params.model:q} --latents {input.latents:q} --text {input.text:q}"
        " --captions {input.captions:q} --out {output:q} --work-dir {params.work:q}"
        " --gpus {resources.gpu}"


rule distill:
    """Distil one pretrained model into a student of few steps."""
    input:
        unpack(inputs.training),
        teacher=inputs.teacher,
    output:
        **paths.trained("distill/{size}/seed{seed}"),
    log:
        "<logs>/distill/{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/distill/{size}_seed{seed}.tsv"
    priority: hardware.training_first
    conda:
        ENVIRONMENT
    threads: hardware.training_threads
    resources:
        **hardware.training,
        mem_mb=hardware.student_memory,
    params:
        spec=options.spec(DistillSpec.of, "size", "seed"),
        data=options.training,
        teacher=options.teacher,
        out=subpath(output.summary, parent=True),
        work=options.work("distill"),
    shell:
        "exec &> >(tee {log:q}); "
        + LAUNCH
        + "$launch -m ldm_scaling.models.distill --spec {params.spec:q}"
        " {params.data} --teacher {params.teacher:q} --out {params.out:q}"
        " --work-dir {params.work:q} --gpus {resources.gpu}"
        " --micro-batch {resources.micro_batch} {resources.switches}"


use rule distill as distill_stochastic with:
    input:
        unpack(inputs.arm_training),
        teacher=inputs.teacher,
    output:
        **paths.trained("{stage}/{size}/seed{seed}"),
    log:
        "<logs>/distill_stochastic/{stage}_{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/distill_stochastic/{stage}_{size}_seed{seed}.tsv"
    wildcard_constraints:
        stage=patterns.ARM,
    params:
        spec=options.spec(DistillSpec.of_arm, "stage", "size", "seed"),
        data=options.arm_training,
        teacher=options.teacher,
        out=subpath(output.summary, parent=True),
        work=options.work("distill_stochastic"),


rule guided_distill:
    """Distil one guided model into a student of fewer steps than its teacher's."""
    input:
        unpack(inputs.training),
        teacher=inputs.teacher,
    output:
        **paths.trained("guided_distill{steps}/{size}/seed{seed}"),
    log:
        "<logs>/guided_distill/{steps}_{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/guided_distill/{steps}_{size}_seed{seed}.tsv"
    priority: hardware.training_first
    conda:
        ENVIRONMENT
    threads: hardware.training_threads
    resources:
        **hardware.training,
        mem_mb=hardware.student_memory,
    params:
        spec=options.spec(GuidedDistillSpec.of, "steps", "size", "seed"),
        data=options.training,
        teacher=options.teacher,
        out=subpath(output.summary, parent=True),
        work=options.work("guided_distill"),
    shell:
        "exec &> >(tee {log:q}); "
        + LAUNCH
        + "$launch -m ldm_scaling.models.guided_distill --spec {params.spec:q}"
        " {params.data} --teacher {params.teacher:q} --out {params.out:q}"
        " --work-dir {params.work:q} --gpus {resources.gpu}"
        " --micro-batch {resources.micro_batch} {resources.switches}"


rule train_superres:
    """Train one size for super-resolution, from its pretrained model or from scratch."""
    input:
        latents=inputs.clean_latents,
        condition="<results>/latents/superres/train.safetensors",
        text="<results>/latents/text_test.safetensors",  # has the empty caption
        base=inputs.superres_base,
    output:
        **paths.trained("{stage}/{size}/seed{seed}"),
    log:
        "<logs>/{stage}/{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/{stage}/{size}_seed{seed}.tsv"
    wildcard_constraints:
        stage=patterns.ENLARGING,
    priority: hardware.training_first
    conda:
        ENVIRONMENT
    threads: hardware.training_threads
    resources:
        **hardware.training,
        mem_mb=hardware.training_memory,
    params:
        spec=options.spec(SuperResSpec.of, "stage", "size", "seed"),
        base=options.superres_base,
        out=subpath(output.summary, parent=True),
        work=options.work("train_superres"),
    shell:
        "exec &> >(tee {log:q}); "
        + LAUNCH
        + "$launch -m ldm_scaling.models.superres --spec {params.spec:q}"
        " --latents {input.latents:q} --text {input.text:q} --condition {input.condition:q}"
        " {params.base} --out {params.out:q} --work-dir {params.work:q} --gpus {resources.gpu}"
        " --micro-batch {resources.micro_batch} {resources.switches}"


rule sample_prior:
    """Sample images of the subjects' classes from a pretrained model."""
    input:
        model=inputs.pretrained,
        subjects="<results>/latents/subjects.safetensors",
    output:
        "<results>/models/dreambooth/{size}/seed{seed}/prior.safetensors",
    log:
        "<logs>/sample_prior/{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/sample_prior/{size}_seed{seed}.tsv"
    priority: hardware.training_first
    conda:
        ENVIRONMENT
    resources:
        mem_mb=hardware.model_memory,
        runtime=hardware.walltime,
        gpu=1,
        batch=hardware.sampling_batch,
    params:
        spec=options.spec(PriorSpec.of, "size", "seed"),
        model=options.pretrained,
        work=options.work("sample_prior"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.models.prior --spec {params.spec:q} --model {params.model:q}"
        " --subjects {input.subjects:q} --out {output:q} --work-dir {params.work:q}"
        " --gpus {resources.gpu} --batch {resources.batch}"


rule dreambooth:
    """Teach one pretrained model one subject."""
    input:
        model=inputs.pretrained,
        subjects="<results>/latents/subjects.safetensors",
        prior="<results>/models/dreambooth/{size}/seed{seed}/prior.safetensors",
    output:
        **paths.trained("dreambooth/{size}/seed{seed}/subject{subject}"),
    log:
        "<logs>/dreambooth/{size}_seed{seed}_subject{subject}.log",
    benchmark:
        "<benchmarks>/dreambooth/{size}_seed{seed}_subject{subject}.tsv"
    priority: hardware.training_first
    conda:
        ENVIRONMENT
    resources:
        mem_mb=hardware.training_memory,
        runtime=hardware.walltime,
        gpu=1,
        micro_batch=hardware.micro_batch,
        switches=hardware.teaching_switches,
    params:
        spec=options.spec(DreamBoothSpec.of, "size", "seed", "subject"),
        model=options.pretrained,
        out=subpath(output.summary, parent=True),
        work=options.work("dreambooth"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.models.dreambooth --spec {params.spec:q}"
        " --model {params.model:q} --subjects {input.subjects:q} --prior {input.prior:q}"
        " --out {params.out:q} --work-dir {params.work:q} --gpus {resources.gpu}"
        " --micro-batch {resources.micro_batch} {resources.switches}"


rule noise_losses:
    """Losses of held-out images by bands of noise levels, for every checkpoint of one model."""
    input:
        **paths.trained("{stage}/{size}/seed{seed}", *paths.NETWORK, "kept"),
        latents="<results>/latents/validation.safetensors",
        text="<results>/latents/text_validation.safetensors",
    output:
        "<results>/models/{stage}/{size}/seed{seed}/noise_losses.safetensors",
    log:
        "<logs>/noise_losses/{stage}_{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/noise_losses/{stage}_{size}_seed{seed}.tsv"
    wildcard_constraints:
        stage=patterns.PRETRAINED,
    conda:
        ENVIRONMENT
    resources:
        mem_mb=hardware.model_memory,
        runtime=hardware.walltime,
        gpu=1,
        batch=hardware.sampling_batch,
    params:
        spec=options.spec(NoiseLossesSpec.of),
        model=subpath(input.summary, parent=True),
        work=options.work("noise_losses"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.models.noise_losses --spec {params.spec:q}"
        " --model {params.model:q} --latents {input.latents:q} --text {input.text:q}"
        " --out {output:q} --work-dir {params.work:q} --gpus {resources.gpu}"
        " --batch {resources.batch}"


rule count_family:
    """Count the parameters and FLOPs of every size on the networks, without training them."""
    output:
        "<results>/models/family.csv",
    log:
        "<logs>/count_family.log",
    benchmark:
        "<benchmarks>/count_family.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        spec=options.spec(FamilySpec.of),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.costs.count_family --spec {params.spec:q} --out {output:q}"


use rule count_components as count_pairs with:
    input:
        encoders=inputs.pair_text_encoders,
        sources=closure("ldm_scaling.costs.component_counts"),
    output:
        "<results>/models/param_budget.csv",
    log:
        "<logs>/count_pairs.log",
    benchmark:
        "<benchmarks>/count_pairs.tsv"
    params:
        spec=options.spec(CountComponentsSpec.of_pairs),
