"""The every-day commands, which start as fast as a program in Python can."""
