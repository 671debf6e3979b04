"""The state of the cloud."""

FILE_NAME = "cloud.sqlite"
"""The file that holds it."""
