"""Settings: files of a user and of a project, profiles, sets of options (docs/settings.md)."""
