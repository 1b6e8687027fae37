"""The Frechet distance between features, on the leading principal components of the reference.

With a few hundred images a covariance of all feature dimensions is singular and its distance
mostly bias; on a few leading components it is neither.
"""

from __future__ import annotations

import numpy as np

from ...jobs.cli import InputError


def principal_components(reference: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and the k leading principal directions [D, k] of features [N, D], in float64.

    Raises InputError if there are not so many, or if a feature is not finite.
    """
    images, dimensions = reference.shape
    if not 0 < k <= min(images - 1, dimensions):
        raise InputError(
            f"metrics.components: {images} reference images with {dimensions} features each "
            f"have no {k} principal components"
        )
    mean, covariance = statistics(reference)
    require_finite(mean, covariance)
    _, directions = np.linalg.eigh(covariance)  # ascending
    return mean, directions[:, ::-1][:, :k]


def project(features: np.ndarray, mean: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Coordinates [N, k] of features [N, D] on a basis [D, k] around a mean [D], in float64."""
    return (features.astype(np.float64) - mean) @ basis


def statistics(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and unbiased covariance [D, D] of features [N, D], in float64."""
    features = features.astype(np.float64)
    return features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))


def frechet_distance(
    mu1: np.ndarray, sigma1: np.ndarray, mu2: np.ndarray, sigma2: np.ndarray
) -> float:
    """Squared Frechet distance of two Gaussians, means [D] and covariances [D, D].

    |mu1 - mu2|^2 + tr(sigma1 + sigma2 - 2 (sigma1 sigma2)^(1/2)), Dowson and Landau 1982; the
    FID's formula (Heusel et al. 2017, https://arxiv.org/abs/1706.08500, eq. 6).
    Raises InputError if anything is not finite.
    """
    require_finite(sigma1)
    return float(frechet_distances(mu1, square_root(sigma1), mu2[None], sigma2[None])[0])


def frechet_distances(
    mu: np.ndarray, root: np.ndarray, mus: np.ndarray, sigmas: np.ndarray
) -> np.ndarray:
    """`frechet_distance` [R] of one Gaussian, or R, from each of R others.

    Means [D] or [R, D] and roots of covariances [D, D] or [R, D, D]; means [R, D] and covariances
    [R, D, D]. Raises InputError if anything is not finite.
    """
    require_finite(mu, root, mus, sigmas)
    # sigma sigma2 has the eigenvalues of the symmetric root sigma2 root: no sqrtm, nothing
    # complex; a singular covariance may leave tiny negative ones
    shared = np.sqrt(np.linalg.eigvalsh(root @ sigmas @ root).clip(min=0)).sum(axis=-1)
    traces = (root**2).sum(axis=(-2, -1)) + np.trace(sigmas, axis1=-2, axis2=-1)
    return ((mus - mu) ** 2).sum(axis=-1) + traces - 2 * shared


def square_root(sigma: np.ndarray) -> np.ndarray:
    """The symmetric square roots [..., D, D] of covariances [..., D, D]."""
    values, vectors = np.linalg.eigh(sigma)
    return (vectors * np.sqrt(values.clip(min=0))[..., None, :]) @ vectors.swapaxes(-1, -2)


def require_finite(*arrays: np.ndarray) -> None:
    """Raise InputError if anything in these arrays is not finite."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise InputError("features are not finite; sample or extract them again")
