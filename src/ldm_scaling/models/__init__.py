"""Networks: how they are built, trained, loaded and saved."""
