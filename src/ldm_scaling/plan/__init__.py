"""What a study would cost, without running it."""
