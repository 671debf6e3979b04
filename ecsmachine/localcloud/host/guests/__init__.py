"""The guests behind instances: real ones, or none."""
