"""The answer: which model, steps and guidance for a budget, read from a study's tables."""
