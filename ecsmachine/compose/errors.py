"""The refusal of a template."""

from __future__ import annotations


class TemplateError(Exception):
    """A template cannot be used; ``reason`` says where and why, on one line."""

    def __init__(self, reason: str) -> None:
        self.reason = " ".join(reason.splitlines())
        super().__init__(self.reason)
