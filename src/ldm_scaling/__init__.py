"""Scaling studies of latent diffusion models: from data to figures."""
