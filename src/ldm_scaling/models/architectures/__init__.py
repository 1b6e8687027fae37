"""How a denoiser is built from a size: one module an architecture."""
