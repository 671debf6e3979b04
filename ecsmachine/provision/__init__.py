"""How a host becomes a Docker host; handed something that runs commands."""
