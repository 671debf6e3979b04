"""Faults on demand: what goes wrong in the cloud, when it is told to."""
