"""Where captioned images come from: one module a source."""
