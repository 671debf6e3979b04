"""What strangers send: hosts, clouds and callers that keep to no rule."""
