"""Downloads, each at a pinned commit or hash; no other rule uses the network.

Needs: a network. Gives: <resources>/hub/{kind}/{name}/{revision}/prefetched.json, written when all
files of a hub id are there; files by their address, such as <resources>/coco/val2014.zip; data of
packages, such as <resources>/photos. Rules that read a download name these as inputs. All run where
Snakemake runs: on a cluster, the login node.
"""


localrules:
    fetch_emoji,
    fetch_file,
    fetch_hub,
    fetch_photos,
    fetch_squeezenet,
    fetch_word_vectors,


rule fetch_hub:
    """Download a model or data set of the hub at a commit."""
    output:
        "<resources>/hub/{kind}/{name}/{revision}/prefetched.json",
    log:
        "<logs>/fetch_hub/{kind}_{name}_{revision}.log",
    benchmark:
        "<benchmarks>/fetch_hub/{kind}_{name}_{revision}.tsv"
    wildcard_constraints:
        name="[^/]+",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=1440,
    params:
        id=hub_id_of,
        include=hub_include,
    shell:
        "exec &> >(tee {log:q}); "
        "HF_HUB_OFFLINE=0 python -m ldm_scaling.data.fetch_hub --kind {wildcards.kind}"
        " --id {params.id:q} --revision {wildcards.revision} {params.include}"


rule fetch_file:
    """Download a file by its address."""
    output:
        "<resources>/{archive}",
    log:
        "<logs>/fetch_file/{archive}.log",
    benchmark:
        "<benchmarks>/fetch_file/{archive}.tsv"
    wildcard_constraints:
        archive="|".join(map(re.escape, ARCHIVES)),
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=1440,
    params:
        url=archive_url,
        sha256=archive_sha256,
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.fetch_file --url {params.url:q}"
        " --sha256 {params.sha256} --out {output:q}"


rule fetch_squeezenet:
    """Fetch the network of the perceptual distance that stands in for LPIPS."""
    output:
        ensure(str(SQUEEZENET), non_empty=True),
    log:
        "<logs>/fetch_squeezenet.log",
    benchmark:
        "<benchmarks>/fetch_squeezenet.tsv"
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


rule fetch_photos:
    """Fetch the photographs that a study can measure super-resolution on."""
    output:
        ensure([str(PHOTOS_FOLDER / name) for name in PHOTOS], non_empty=True),
    log:
        "<logs>/fetch_photos.log",
    benchmark:
        "<benchmarks>/fetch_photos.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        folder=subpath(output[0], parent=True),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.data.fetch_photos --out {params.folder:q}"
