"""What the paper says of sampling, size and training, as statistics of a study's cells."""
