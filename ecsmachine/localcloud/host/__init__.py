"""The computer under the cloud: guests, network, disks, packages."""
