"""What the local cloud has on offer: regions and zones, instance types, images, disk categories."""
