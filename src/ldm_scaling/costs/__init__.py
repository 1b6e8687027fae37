"""What a network, a component and an image cost."""
