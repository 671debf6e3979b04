"""HTTP to servers that are not trusted: an answer has a size and a time that it may take."""
