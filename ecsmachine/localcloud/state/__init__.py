"""What the cloud knows."""
