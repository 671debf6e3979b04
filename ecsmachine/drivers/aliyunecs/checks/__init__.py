"""What is checked, described and offered before anything is made."""
