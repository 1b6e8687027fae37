"""Trained models as whole pipelines of diffusers, which other programs and adopted studies load.

Needs: a model below a study's results, its autoencoder and its text encoder. Gives: a folder of the
same name below the study's pipelines.
"""

from ldm_scaling.workflow import paths, patterns
from ldm_scaling.workflow.specs.latents import EncodeTextSpec


rule export_pipeline:
    """Write one trained model as a pipeline, with its autoencoder and text encoder."""
    input:
        **paths.exported(),
        autoencoder=inputs.exported_autoencoder,
        encoder=inputs.text_encoder,
    output:
        "{folder}/pipelines/{model}/model_index.json",
    log:
        "{folder}/logs/export_pipeline/{model}.log",
    benchmark:
        "{folder}/benchmarks/export_pipeline/{model}.tsv"
    wildcard_constraints:
        model=patterns.EXPORTED,
    conda:
        ENVIRONMENT
    resources:
        mem_mb=hardware.with_text_encoder(4000),
        runtime=20,
    params:
        spec=options.spec(EncodeTextSpec.of),
        model=subpath(input.summary, parent=True),
        autoencoder=options.exported_autoencoder,
        revision=options.autoencoder_revision,
        out=subpath(output[0], parent=True),
    shell:
        "exec &> >(tee {log:q}); "
        "python -m ldm_scaling.models.pipeline --spec {params.spec:q} --model {params.model:q}"
        " --autoencoder {params.autoencoder:q} {params.revision} --out {params.out:q}"
