"""Trained models.

Needs: <results>/latents of the training split, or the index of tar shards. Gives: a diffusers folder a model,
<results>/models/{stage}/{size}/seed{seed}, and <results>/models/family.csv.
"""


rule count_family:
    """Count the parameters and FLOPs of every size on the networks, without training them."""
    input:
        module="src/ldm_scaling/costs/count_family.py",
        networks="src/ldm_scaling/costs/networks.py",
        published="src/ldm_scaling/costs/published.py",
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
        spec=FamilySpec.of(STUDY).model_dump_json(),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.costs.count_family --spec {params.spec:q} --out {output:q}"


rule pretrain:
    """Pretrain one size with one seed."""
    input:
        unpack(training_files),
    output:
        weights="<results>/models/pretrain/{size}/seed{seed}/unet/diffusion_pytorch_model.safetensors",
        config="<results>/models/pretrain/{size}/seed{seed}/unet/config.json",
        kept="<results>/models/pretrain/{size}/seed{seed}/kept.safetensors",
        scheduler="<results>/models/pretrain/{size}/seed{seed}/scheduler/scheduler_config.json",
        metrics="<results>/models/pretrain/{size}/seed{seed}/metrics.jsonl",
        summary="<results>/models/pretrain/{size}/seed{seed}/summary.json",
    log:
        "<logs>/pretrain/{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/pretrain/{size}_seed{seed}.tsv"
    priority: large_first
    conda:
        ENVIRONMENT
    threads: training_threads
    resources:
        mem_mb=training_memory,
        runtime=walltime,
        gpu=training_gpus,
        nodes=1,
        micro_batch=micro_batch,
        switches=training_switches,
    params:
        spec=pretrain_spec,
        data=training_options,
        out=subpath(output.summary, parent=True),
        work=work_dir("pretrain"),
    shell:
        "exec &> >(tee {log:q}); "
        + LAUNCH
        + "$launch -m ldm_scaling.models.pretrain --spec {params.spec:q}"
        " {params.data} --out {params.out:q} --work-dir {params.work:q}"
        " --gpus {resources.gpu} --micro-batch {resources.micro_batch} {resources.switches}"


rule distill:
    """Distil one pretrained model into a student of few steps."""
    input:
        unpack(training_files),
        teacher=teacher_files,
    output:
        weights="<results>/models/distill/{size}/seed{seed}/unet/diffusion_pytorch_model.safetensors",
        config="<results>/models/distill/{size}/seed{seed}/unet/config.json",
        kept="<results>/models/distill/{size}/seed{seed}/kept.safetensors",
        scheduler="<results>/models/distill/{size}/seed{seed}/scheduler/scheduler_config.json",
        metrics="<results>/models/distill/{size}/seed{seed}/metrics.jsonl",
        summary="<results>/models/distill/{size}/seed{seed}/summary.json",
    log:
        "<logs>/distill/{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/distill/{size}_seed{seed}.tsv"
    priority: large_first
    conda:
        ENVIRONMENT
    threads: training_threads
    resources:
        mem_mb=student_memory,
        runtime=walltime,
        gpu=training_gpus,
        nodes=1,
        micro_batch=micro_batch,
        switches=training_switches,
    params:
        spec=distill_spec,
        data=training_options,
        teacher=teacher_folder,
        out=subpath(output.summary, parent=True),
        work=work_dir("distill"),
    shell:
        "exec &> >(tee {log:q}); "
        + LAUNCH
        + "$launch -m ldm_scaling.models.distill --spec {params.spec:q}"
        " {params.data} --teacher {params.teacher:q} --out {params.out:q}"
        " --work-dir {params.work:q} --gpus {resources.gpu}"
        " --micro-batch {resources.micro_batch} {resources.switches}"


rule guided_distill:
    """Distil one guided model into a student of fewer steps than its teacher's."""
    input:
        unpack(training_files),
        teacher=teacher_files,
    output:
        weights="<results>/models/guided_distill{steps}/{size}/seed{seed}/unet/diffusion_pytorch_model.safetensors",
        config="<results>/models/guided_distill{steps}/{size}/seed{seed}/unet/config.json",
        kept="<results>/models/guided_distill{steps}/{size}/seed{seed}/kept.safetensors",
        scheduler="<results>/models/guided_distill{steps}/{size}/seed{seed}/scheduler/scheduler_config.json",
        metrics="<results>/models/guided_distill{steps}/{size}/seed{seed}/metrics.jsonl",
        summary="<results>/models/guided_distill{steps}/{size}/seed{seed}/summary.json",
    log:
        "<logs>/guided_distill/{steps}_{size}_seed{seed}.log",
    benchmark:
        "<benchmarks>/guided_distill/{steps}_{size}_seed{seed}.tsv"
    priority: large_first
    conda:
        ENVIRONMENT
    threads: training_threads
    resources:
        mem_mb=student_memory,
        runtime=walltime,
        gpu=training_gpus,
        nodes=1,
        micro_batch=micro_batch,
        switches=training_switches,
    params:
        spec=guided_distill_spec,
        data=training_options,
        teacher=teacher_folder,
        out=subpath(output.summary, parent=True),
        work=work_dir("guided_distill"),
    shell:
        "exec &> >(tee {log:q}); "
        + LAUNCH
        + "$launch -m ldm_scaling.models.guided_distill --spec {params.spec:q}"
        " {params.data} --teacher {params.teacher:q} --out {params.out:q}"
        " --work-dir {params.work:q} --gpus {resources.gpu}"
        " --micro-batch {resources.micro_batch} {resources.switches}"
