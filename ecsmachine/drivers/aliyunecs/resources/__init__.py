"""One module a resource of the cloud."""
