"""Helpers of the rules of guidance searches.

Needs: rules/common.smk. Gives: functions that rules name.
"""

from ldm_scaling.search_specs import search_cost

# stage, size, training seed and sampler of the models whose guidance is searched
SEARCHED = [
    (stage, size, seed, sampler)
    for stage, size, seed in MODELS
    for sampler in stages.samplers(STUDY)[stage]
    if len(stages.grid(STUDY, stage)[1]) > 1
]


# ------------------------------------------------------------ inputs


def search_files(wildcards):
    """The features of real images, where a sweep searches its guidance adaptively."""
    searches = SPECS.sweep(wildcards.stage, wildcards.sampler).search
    return ["<results>/cells/reference/test.safetensors"] if searches else []


def cells_of_searched(name):
    """A function of wildcards: a file's path for each model and sampler with a guidance to find."""

    def of_study(wildcards):
        if not STUDY.search.every_scale:
            raise StudyError(
                "config key search.method: is adaptive; what shows every scale needs grid"
            )
        return [
            f"<results>/cells/{stage}/{size}/seed{seed}/{sampler}/{name}"
            for stage, size, seed, sampler in SEARCHED
        ]

    return of_study


def search_table(wildcards):
    """What adaptive searches would have saved and missed, where every scale is sampled."""
    told = SEARCHED and STUDY.search.every_scale
    return ["<results>/tables/search_cost.csv"] if told else []


# ------------------------------------------------------------ params


def search_claims_option(wildcards, input):
    """`--searches TABLE`, if there is one."""
    return [f"--searches {path}" for path in input.searches]


def search_option(wildcards, input):
    """The option that names the features of real images, where they are needed."""
    return [f"--reference {path}" for path in input.reference]


def search_cost_spec(wildcards):
    """What decides what adaptive searches are worth."""
    return search_cost(STUDY, SPECS.measure()).model_dump_json()


def searched_arguments(wildcards, input):
    """`--cells STAGE SIZE SEED SAMPLER FEATURES METRICS DRAWS` for each of them."""
    files = zip(SEARCHED, input.features, input.metrics, input.draws, strict=True)
    return [
        f"--cells {' '.join(map(str, model))} {features} {metrics} {draws}"
        for model, features, metrics, draws in files
    ]
