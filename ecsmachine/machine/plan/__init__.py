"""Machines of a file: what is wanted, what there is, and what has to be done about it."""
