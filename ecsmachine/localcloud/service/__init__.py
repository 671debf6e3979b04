"""The process: the server, the daemon, and a cloud inside another process."""
