"""The engine: what a machine is, and what can be done to it."""
