"""The command line: parses what a person types, calls the engine, prints what it says."""
