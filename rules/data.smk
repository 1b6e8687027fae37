"""Captioned images, split by concept.

Needs: the study's source. Gives: <results>/data/{split}.safetensors (images) and .csv (captions).
"""


rule fetch_emoji:
    """Fetch the pinned emoji packages and pack their images and names."""
    output:
        ensure("<resources>/emoji.zip", non_empty=True),
    log:
        "<logs>/fetch_emoji.log",
    benchmark:
        "<benchmarks>/fetch_emoji.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.fetch_emoji --out {output:q}"


rule prepare_data:
    """Split the images by concept and pack them."""
    input:
        source_files,
    output:
        train="<results>/data/train.safetensors",
        train_captions="<results>/data/train.csv",
        validation="<results>/data/validation.safetensors",
        validation_captions="<results>/data/validation.csv",
        test="<results>/data/test.safetensors",
        test_captions="<results>/data/test.csv",
    log:
        "<logs>/prepare_data.log",
    benchmark:
        "<benchmarks>/prepare_data.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        spec=SPECS.prepare().model_dump_json(),
        archive=archive_option,
        out=subpath(output.train, parent=True),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.prepare"
        " --spec {params.spec:q} {params.archive} --out {params.out:q}"
