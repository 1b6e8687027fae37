"""From images and captions to latents and embeddings, computed once."""
