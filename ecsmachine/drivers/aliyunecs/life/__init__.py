"""The life of a machine: made, powered, taken over, removed."""
