"""What shows: tables, templates, progress, colours."""
