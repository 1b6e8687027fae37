"""Metrics of sampled images: one module a metric."""
