"""Weights of resampled images, for tests."""

from ldm_scaling.cells.metrics.bootstrap import normalized, resample_counts


def resample_weights(concepts, resamples, seed):
    """The weight of each image in each resample."""
    return normalized(resample_counts(list(concepts), resamples, seed))
