"""The registry of a local cloud: Docker Distribution on its router, and what fills it."""
