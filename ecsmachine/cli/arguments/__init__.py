"""What reads the command line."""
