"""The commands for Container Service: clusters, what runs on them, and the raw API."""
