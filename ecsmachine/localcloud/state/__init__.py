"""The state of the cloud."""
