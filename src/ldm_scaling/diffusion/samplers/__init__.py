"""Solvers: one module a sampler, whose `make` gives a fresh scheduler of diffusers for settings."""
