"""Captioned images: fetching, reading, splitting, packing. No networks."""
