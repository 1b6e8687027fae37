"""Frozen networks whose features are compared: one module an extractor, found by its name."""
