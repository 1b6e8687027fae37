"""Models that score images against captions: one module a scorer, found by its name."""
