"""Figures of sampled images: the same noise and prompts side by side.

Needs: <results>/cells, <results>/tables, the test images and captions. Gives: <results>/figures/{name}.pdf and .png.
"""


rule guidance_samples:
    """The same noise at every guidance scale, for two sizes."""
    input:
        images=shown_models(STUDY.guidance_sizes, f"{FIXED_GRID}/images.safetensors"),
        best=best_table(FIXED_GRID),
        budgets="src/ldm_scaling/tables/budgets.py",
        captions="<results>/data/test.csv",
        module="src/ldm_scaling/figures/guidance_samples.py",
        samples="src/ldm_scaling/figures/samples.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("guidance_samples", "Samples"),
    log:
        "<logs>/guidance_samples.log",
    benchmark:
        "<benchmarks>/guidance_samples.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        images=images_arguments(STUDY.guidance_sizes),
        sizes=STUDY.guidance_sizes,  # the caption in the report names them
        sampler=FIXED.sampler,
        seed=STUDY.training.seeds[0],
        steps=steps_up_to(FIXED.steps),
        guidance=sorted(STUDY.sampling.guidance),
        prompts=STUDY.figures.prompts,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.guidance_samples {params.images}"
        " --captions {input.captions:q} --prompts {params.prompts}"
        " --best {input.best:q} --sampler {params.sampler:q} --seed {params.seed}"
        " --steps {params.steps} --guidance {params.guidance}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule size_samples:
    """The same prompts and noise in every size, beside the real images."""
    input:
        images=shown_models(STUDY.family.sizes, f"{FIXED.sampler}/images.safetensors"),
        real="<results>/data/test.safetensors",
        family="<results>/tables/family.csv",
        captions="<results>/data/test.csv",
        module="src/ldm_scaling/figures/size_samples.py",
        samples="src/ldm_scaling/figures/samples.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("size_samples", "Samples"),
    log:
        "<logs>/size_samples.log",
    benchmark:
        "<benchmarks>/size_samples.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        images=images_arguments(STUDY.family.sizes),
        sampler=FIXED.sampler,
        steps=FIXED.steps,
        guidance=FIXED.guidance,
        prompts=STUDY.figures.prompts,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.size_samples {params.images}"
        " --captions {input.captions:q} --prompts {params.prompts}"
        " --real {input.real:q} --family {input.family:q}"
        " --sampler {params.sampler:q} --steps {params.steps} --guidance {params.guidance}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule equal_cost_samples:
    """What each sampling budget buys of every size."""
    input:
        images=shown_models(STUDY.family.sizes, "illustrations.safetensors"),
        family="<results>/tables/family.csv",
        captions="<results>/data/test.csv",
        module="src/ldm_scaling/figures/equal_cost_samples.py",
        samples="src/ldm_scaling/figures/samples.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("equal_cost_samples", "Samples"),
    log:
        "<logs>/equal_cost_samples.log",
    benchmark:
        "<benchmarks>/equal_cost_samples.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        images=images_arguments(STUDY.family.sizes),
        sampler=FIXED.sampler,
        prompts=STUDY.figures.prompts,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.equal_cost_samples {params.images}"
        " --captions {input.captions:q} --prompts {params.prompts}"
        " --family {input.family:q} --sampler {params.sampler:q}"
        " --pdf {output.pdf:q} --png {output.png:q}"


rule prompt_interpolation:
    """Images between two prompts, of every size."""
    input:
        images=shown_models(STUDY.family.sizes, "illustrations.safetensors"),
        family="<results>/tables/family.csv",
        captions="<results>/data/test.csv",
        module="src/ldm_scaling/figures/prompt_interpolation.py",
        samples="src/ldm_scaling/figures/samples.py",
        style="src/ldm_scaling/figures/style.py",
    output:
        figure("prompt_interpolation", "Samples"),
    log:
        "<logs>/prompt_interpolation.log",
    benchmark:
        "<benchmarks>/prompt_interpolation.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        images=images_arguments(STUDY.family.sizes),
        sampler=FIXED.sampler,
        steps=FIXED.steps,
        guidance=FIXED.guidance,
        prompts=STUDY.figures.prompts,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.figures.prompt_interpolation {params.images}"
        " --captions {input.captions:q} --prompts {params.prompts}"
        " --family {input.family:q}"
        " --sampler {params.sampler:q} --steps {params.steps} --guidance {params.guidance}"
        " --pdf {output.pdf:q} --png {output.png:q}"
