"""Container Service of a local cloud: its API, the masters of its clusters, and their nodes."""
