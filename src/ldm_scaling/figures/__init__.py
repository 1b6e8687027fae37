"""Figures as pure functions of tables: one module a figure."""
