"""Sampling and measuring of cells: (model, sampler, schedule, steps, guidance, guide)."""
