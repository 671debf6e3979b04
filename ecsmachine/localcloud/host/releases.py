"""The Debian releases that guests can be of."""

from __future__ import annotations

SUITES = {"debian_12": "bookworm", "debian_13": "trixie", "debian_11": "bullseye"}
"""Debian's names of the releases, by the names that ECS gives their images."""

USUAL = "debian_12"
"""The release that every local cloud has."""
