"""Compose templates with Container Service's labels: read into values, and converted."""
