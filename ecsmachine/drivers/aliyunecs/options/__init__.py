"""The driver's options, their values and what is allowed."""
