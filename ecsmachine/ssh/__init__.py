"""SSH over paramiko: connecting, host keys, running commands, uploading."""
