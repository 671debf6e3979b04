"""Work that continues after an answer."""
