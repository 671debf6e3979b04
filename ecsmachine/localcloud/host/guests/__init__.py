"""What stands behind an instance: a real guest, or none."""
