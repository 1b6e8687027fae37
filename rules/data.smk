"""Captioned images, split by concept.

Needs: the study's source. Gives: <results>/data/{split}.safetensors (images) and .csv (captions);
of tar shards, which are not packed, <results>/data/index.safetensors.
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
        **PREPARED,
    log:
        "<logs>/prepare_data.log",
    benchmark:
        "<benchmarks>/prepare_data.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        spec=PrepareSpec.of(STUDY).model_dump_json(),
        archive=archive_option,
        out=subpath(output.test, parent=True),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.prepare"
        " --spec {params.spec:q} {params.archive} --out {params.out:q}"


rule index_shards:
    """Find where every sample of the tar shards lies."""
    input:
        shard_files,
    output:
        "<results>/data/index.safetensors",
    log:
        "<logs>/index_shards.log",
    benchmark:
        "<benchmarks>/index_shards.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=480,
    params:
        spec=IndexSpec.of(STUDY).model_dump_json(),
        shards=SHARDS,
        work=work_dir("index_shards"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.index_shards --spec {params.spec:q}"
        " --shards {params.shards:q} --out {output:q} --work-dir {params.work:q}"
