"""The offer of the local cloud: regions and zones, instance types, images, disk categories."""
