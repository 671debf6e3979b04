"""Alibaba Cloud on the wire; nothing here knows of machines."""
