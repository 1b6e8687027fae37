"""Figures of students beside the models that taught them.

Needs: <results>/tables, <results>/cells of the study's stages, the test captions. Gives: <results>/figures/{name}.pdf and .png.
"""


rule distill_gain:
    """Students at few steps beside undistilled models, and the steps that they save."""
    input:
        cells=tables_of_students(stages.DISTILL, "cells.csv"),
        draws=tables_of_students(stages.DISTILL, "draws.safetensors"),
        floors="<results>/tables/floors.csv",
        module="src/ldm_scaling/figures/distill_gain.py",
        acceleration="src/ldm_scaling/tables/acceleration.py",
        shared="src/ldm_scaling/figures/quality_curves.py",
        curves="src/ldm_scaling/tables/curves.py",
        values="src/ldm_scaling/tables/values.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("distill_gain", "Distillation"),
    log:
        "<logs>/distill_gain.log",
    benchmark:
        "<benchmarks>/distill_gain.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        cells=cells_arguments,
        metric=SELECT_BY,
        undistilled=FIXED.sampler,  # the caption in the report names it
        few=FEW_STEPS,
        confidence=STUDY.metrics.confidence,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.distill_gain {params.cells}"
        " --floors {input.floors:q} --metric {params.metric:q}"
        " --confidence {params.confidence}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule distill_vs_cost:
    """Distilled and undistilled sizes at the same cost, by two ways of counting."""
    input:
        cells=tables_of_students(stages.DISTILL, "cells.csv"),
        draws=tables_of_students(stages.DISTILL, "draws.safetensors"),
        floors="<results>/tables/floors.csv",
        module="src/ldm_scaling/figures/distill_vs_cost.py",
        paired="src/ldm_scaling/figures/paired_curves.py",
        shared="src/ldm_scaling/figures/quality_curves.py",
        curves="src/ldm_scaling/tables/curves.py",
        values="src/ldm_scaling/tables/values.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("distill_vs_cost", "Distillation"),
    log:
        "<logs>/distill_vs_cost.log",
    benchmark:
        "<benchmarks>/distill_vs_cost.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        cells=cells_arguments,
        metric=SELECT_BY,
        undistilled=FIXED.sampler,  # the caption in the report names it
        confidence=STUDY.metrics.confidence,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.distill_vs_cost {params.cells}"
        " --floors {input.floors:q} --metric {params.metric:q}"
        " --confidence {params.confidence}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule guided_distill_gain:
    """Students of progressive distillation beside their teachers."""
    input:
        cells=tables_of_students(stages.GUIDED_DISTILL, "cells.csv"),
        draws=tables_of_students(stages.GUIDED_DISTILL, "draws.safetensors"),
        floors="<results>/tables/floors.csv",
        module="src/ldm_scaling/figures/guided_distill_gain.py",
        shared="src/ldm_scaling/figures/quality_curves.py",
        curves="src/ldm_scaling/tables/curves.py",
        values="src/ldm_scaling/tables/values.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("guided_distill_gain", "Distillation"),
    log:
        "<logs>/guided_distill_gain.log",
    benchmark:
        "<benchmarks>/guided_distill_gain.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        cells=cells_arguments,
        metric=SELECT_BY,
        undistilled=FIXED.sampler,  # the caption in the report names it
        confidence=STUDY.metrics.confidence,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.guided_distill_gain {params.cells}"
        " --floors {input.floors:q} --metric {params.metric:q}"
        " --confidence {params.confidence}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule distill_samples:
    """The same prompts and noise before and after distillation."""
    input:
        images=shown_models(STUDY.family.sizes, f"{FIXED.sampler}/images.safetensors"),
        students=shown_models(
            STUDY.family.sizes, "lcm/images.safetensors", stages.DISTILL
        ),
        best=tables_of_students(stages.DISTILL, "best.csv"),
        budgets="src/ldm_scaling/tables/budgets.py",
        family="<results>/tables/family.csv",
        captions="<results>/data/test.csv",
        module="src/ldm_scaling/figures/distill_samples.py",
        samples="src/ldm_scaling/figures/samples.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("distill_samples", "Distillation"),
    log:
        "<logs>/distill_samples.log",
    benchmark:
        "<benchmarks>/distill_samples.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        images=images_arguments(STUDY.family.sizes),
        students=images_arguments(STUDY.family.sizes, "students"),
        seed=STUDY.training.seeds[0],
        steps=[steps_up_to(FEW_STEPS), max(STUDY.sampling.steps)],
        few=FEW_STEPS,  # with the sampler, what the caption in the report names
        undistilled=FIXED.sampler,
        prompts=STUDY.figures.prompts,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.distill_samples {params.images} {params.students}"
        " --captions {input.captions:q} --prompts {params.prompts}"
        " --best {input.best[0]:q} --best-students {input.best[1]:q}"
        " --family {input.family:q} --seed {params.seed} --steps {params.steps}"
        " --pdf {output.pdf:q} --png {output.png:q}"
