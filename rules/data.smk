"""Downloads, and captioned images, split by concept.

Each download is at a pinned commit or hash; no other rule uses the network, and they run where
Snakemake runs: on a cluster, the login node.
Needs: a network, or the study's source. Gives: resources/, and in <results>/data images and captions
of the splits, of super-resolution and of subjects, or the index of tar shards.
"""

import re

from ldm_scaling.study import hub
from ldm_scaling.workflow import downloads, paths
from ldm_scaling.workflow.specs.bias import TonesSpec
from ldm_scaling.workflow.specs.data import IndexSpec, PrepareSpec
from ldm_scaling.workflow.specs.dreambooth import SubjectsSpec
from ldm_scaling.workflow.specs.superres import DegradeSpec, PhotosSpec


rule fetch_hub:
    """Download a model or data set of the hub at a commit."""
    output:
        "resources/hub/{kind}/{name}/{revision}/prefetched.json",
    log:
        "<logs>/fetch_hub/{kind}_{name}_{revision}.log",
    benchmark:
        "<benchmarks>/fetch_hub/{kind}_{name}_{revision}.tsv"
    wildcard_constraints:
        name="[^/]+",
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=1440,
    params:
        id=options.hub_id,
        include=options.hub_include,
    shell:
        "exec &> >(tee {log:q}); "
        "HF_HUB_OFFLINE=0 python -m ldm_scaling.data.fetch_hub --kind {wildcards.kind}"
        " --id {params.id:q} --revision {wildcards.revision} {params.include}"


rule fetch_file:
    """Download a file by its address."""
    output:
        "resources/{archive}",
    log:
        "<logs>/fetch_file/{archive}.log",
    benchmark:
        "<benchmarks>/fetch_file/{archive}.tsv"
    wildcard_constraints:
        archive="|".join(map(re.escape, downloads.ARCHIVES)),
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=1440,
    params:
        url=options.archive_url,
        sha256=options.archive_sha256,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.fetch_file --url {params.url:q}"
        " --sha256 {params.sha256} --out {output:q}"


rule fetch_emoji:
    """Fetch the pinned emoji packages and pack their images and names."""
    output:
        ensure("resources/emoji.zip", non_empty=True),
    log:
        "<logs>/fetch_emoji.log",
    benchmark:
        "<benchmarks>/fetch_emoji.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.fetch_emoji --out {output:q}"


rule fetch_squeezenet:
    """Fetch the network of the perceptual distance that stands in for LPIPS."""
    output:
        ensure(str(downloads.SQUEEZENET), non_empty=True),
    log:
        "<logs>/fetch_squeezenet.log",
    benchmark:
        "<benchmarks>/fetch_squeezenet.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.fetch_squeezenet --out {output:q}"


rule fetch_word_vectors:
    """Fetch word vectors, a text encoder that is no more than a table."""
    output:
        ensure(list(map(str, hub.WORD_VECTORS_FILES)), non_empty=True),
    log:
        "<logs>/fetch_word_vectors.log",
    benchmark:
        "<benchmarks>/fetch_word_vectors.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        folder=subpath(output[0], parent=True),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.fetch_word_vectors --out {params.folder:q}"


rule prepare_data:
    """Split the images by concept and pack them."""
    input:
        inputs.source,
    output:
        **paths.prepared(STUDY),
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
        spec=options.spec(PrepareSpec.of),
        archive=options.archive,
        out=subpath(output.test_captions, parent=True),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.prepare"
        " --spec {params.spec:q} {params.archive} --out {params.out:q}"


rule prepare_tones:
    """Pack drawings of every tone, training images with balanced tones, and prompts without one."""
    input:
        archive="resources/emoji.zip",
        captions=expand(
            "<results>/data/{split}.csv", split=["train", "validation", "test"]
        ),
        train="<results>/data/train.safetensors",
    output:
        images="<results>/data/tones.safetensors",
        table="<results>/data/tones.csv",
        balanced="<results>/data/balanced.safetensors",
        prompts="<results>/data/prompts.csv",
    log:
        "<logs>/prepare_tones.log",
    benchmark:
        "<benchmarks>/prepare_tones.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        spec=options.spec(TonesSpec.of),
        splits=subpath(input.train, parent=True),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.prepare_tones --spec {params.spec:q}"
        " --archive {input.archive:q} --splits {params.splits:q}"


rule index_shards:
    """Find where every sample of the tar shards lies."""
    input:
        inputs.shards,
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
        spec=options.spec(IndexSpec.of),
        shards=paths.shards(STUDY),
        work=options.work("index_shards"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.index_shards --spec {params.spec:q}"
        " --shards {params.shards:q} --out {output:q} --work-dir {params.work:q}"


rule crop_photos:
    """Cut random squares out of a folder of photographs."""
    input:
        inputs.photographs,
    output:
        images="<results>/data/superres/photos_{split}.safetensors",
        table="<results>/data/superres/photos_{split}.csv",
    log:
        "<logs>/crop_photos/{split}.log",
    benchmark:
        "<benchmarks>/crop_photos/{split}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        spec=options.spec(PhotosSpec.of, "split"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.crop_photos --spec {params.spec:q} --out {output.images:q}"


rule degrade:
    """Make a low-resolution version of each image."""
    input:
        inputs.degraded,
    output:
        "<results>/data/superres/{split}.safetensors",
    log:
        "<logs>/degrade/{split}.log",
    benchmark:
        "<benchmarks>/degrade/{split}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=8000,
        runtime=hardware.walltime,
    params:
        spec=options.spec(DegradeSpec.of, "split"),
        work=options.work("degrade"),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.degrade --spec {params.spec:q} --images {input:q}"
        " --out {output:q} --work-dir {params.work:q} --workers {threads}"


rule prepare_subjects:
    """Choose the subjects and pack their images."""
    input:
        inputs.subjects,
    output:
        images="<results>/data/subjects.safetensors",
        table="<results>/data/subjects.csv",
    log:
        "<logs>/prepare_subjects.log",
    benchmark:
        "<benchmarks>/prepare_subjects.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        spec=options.spec(SubjectsSpec.of),
        source=options.subject_source,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.subjects --spec {params.spec:q} {params.source}"
        " --images-out {output.images:q} --table-out {output.table:q}"
