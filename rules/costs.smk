"""What the networks of an image cost, of trained and of adopted models.

Needs: the pipelines of adopted models. Gives: components.csv, component_seconds.csv and
verifier.csv in <results>/models.
"""

from ldm_scaling.workflow.closure import closure
from ldm_scaling.workflow.specs.candidates import VerifierSpec
from ldm_scaling.workflow.specs.costs import CountComponentsSpec, TimeComponentsSpec


rule count_components:
    """Count the parameters and FLOPs of text encoder, autoencoder and every U-Net."""
    input:
        pipelines=inputs.pipelines,
        sources=closure("ldm_scaling.costs.component_counts"),
    output:
        "<results>/models/components.csv",
    log:
        "<logs>/count_components.log",
    benchmark:
        "<benchmarks>/count_components.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        spec=options.spec(CountComponentsSpec.of),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.costs.component_counts --spec {params.spec:q} --out {output:q}"


rule count_verifier:
    """Count what it costs that the score which keeps candidates looks at an image."""
    input:
        verifier=inputs.verifier_extractor,
    output:
        "<results>/models/verifier.csv",
    log:
        "<logs>/count_verifier.log",
    benchmark:
        "<benchmarks>/count_verifier.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        spec=options.spec(VerifierSpec.of),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.costs.count_verifier --spec {params.spec:q} --out {output:q}"


rule time_components:
    """Seconds of an image in each network on this device; with jobs beside it they say less."""
    input:
        pipelines=inputs.pipelines,
    output:
        "<results>/models/component_seconds.csv",
    log:
        "<logs>/time_components.log",
    benchmark:
        "<benchmarks>/time_components.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=hardware.family_memory,
        runtime=120,
        gpu=1,
    params:
        spec=options.spec(TimeComponentsSpec.of),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.costs.component_seconds --spec {params.spec:q} --out {output:q}"
