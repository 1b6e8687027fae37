"""From a study to its jobs: stages, specs, paths, resources of the machine. No torch."""
