"""The mathematics of diffusion: processes, samplers, guidance. Knows no files and no study."""
