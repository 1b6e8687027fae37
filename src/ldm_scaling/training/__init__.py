"""The resumable training loop, and the devices that it runs on."""
