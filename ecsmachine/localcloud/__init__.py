"""An ECS-compatible cloud on this machine; imports nothing else of the package."""
