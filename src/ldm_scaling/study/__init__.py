"""What a study may say: one typed module a section, and checks across them. No torch."""
