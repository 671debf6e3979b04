"""The commands: each parses, calls the engine and prints."""
