"""What differs from system to system; nothing else asks on which one it runs."""
