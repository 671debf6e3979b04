"""Docker hosts on Alibaba Cloud ECS, and a local cloud to try them on."""

__version__ = "0.3.0"
