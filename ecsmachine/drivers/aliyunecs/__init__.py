"""The driver for Alibaba Cloud ECS."""
