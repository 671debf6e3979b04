"""What goes on after an answer was given."""
