"""Checks across the sections of a study, one module a section; a ValueError names the key."""
