"""The spec of every job: the JSON of exactly what decides its result. No torch.

Specs are parameters of Snakemake's rules, so a changed key of the study reruns the jobs whose spec
it changes, what depends on them, and nothing else. What a job does not read does not enter its
spec, or with the same value in every study; hardware never does. A `recipe` number is raised by
hand when a job's code changes its results.
"""
