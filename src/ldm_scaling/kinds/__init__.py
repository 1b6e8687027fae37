"""What kinds of things there are: their names and needs. Imports nothing of the package."""
