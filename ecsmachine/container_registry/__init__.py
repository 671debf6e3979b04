"""Registries of container images, over the Docker Registry HTTP API v2."""
